/**
 * The outline that is being drawn: a mask on the image's voxels, and what can be undone.
 *
 * A point is [x, y, z]; a plane is the axis that a slice does not have (0 sagittal, 1 coronal, 2 axial). What a stroke
 * changed is kept as a list of voxels, so undoing costs the same in a small picture and in a large volume.
 */

import { sure } from "./sure.js";

const DEPTH = 100;

export class Outline {
  /** @param {number[]} size voxels along x, y, z */
  constructor(size) {
    this.size = size;
    this.mask = new Uint8Array(size[0] * size[1] * size[2]);
    this.voxels = 0;
    /** @type {Uint32Array[]} */
    this.done = [];
    /** @type {Uint32Array[]} */
    this.undone = [];
    /** @type {number[] | null} */
    this.stroke = null;
  }

  begin() {
    this.stroke = [];
  }

  /** Take back what this stroke has drawn so far: a box is drawn anew at every move. */
  restart() {
    this.#toggle(sure(this.stroke));
    this.stroke = [];
  }

  /** The stroke is over; false if it changed nothing. */
  end() {
    const { stroke } = this;
    this.stroke = null;
    if (!stroke?.length) return false;
    this.done.push(Uint32Array.from(stroke));
    if (this.done.length > DEPTH) this.done.shift();
    this.undone = [];
    return true;
  }

  undo() {
    return this.#move(this.done, this.undone);
  }

  redo() {
    return this.#move(this.undone, this.done);
  }

  clear() {
    if (this.stroke) return false;
    this.begin();
    for (let index = 0; index < this.mask.length; index++) if (this.mask[index]) this.#set(index, 0);
    return this.end();
  }

  /**
   * A round pen of `width` voxels from one point to another in a plane; `value` 0 erases.
   * @param {Page.Point} from
   * @param {Page.Point} to
   * @param {number} plane
   * @param {number} width
   * @param {0 | 1} value
   */
  line(from, to, plane, width, value) {
    const steps = Math.max(...from.map((start, axis) => Math.abs(to[axis] - start)), 1);
    for (let step = 0; step <= steps; step++) {
      this.#dot(
        from.map((start, axis) => Math.round(start + ((to[axis] - start) * step) / steps)),
        plane,
        width,
        value,
      );
    }
  }

  /**
   * Everything between two corners in a plane.
   * @param {Page.Point} from
   * @param {Page.Point} to
   * @param {number} plane
   * @param {0 | 1} value
   */
  box(from, to, plane, value) {
    const [a, b] = axesOf(plane);
    const point = [...from];
    for (point[a] = Math.min(from[a], to[a]); point[a] <= Math.max(from[a], to[a]); point[a]++) {
      for (point[b] = Math.min(from[b], to[b]); point[b] <= Math.max(from[b], to[b]); point[b]++) this.#put(point, value);
    }
  }

  /**
   * The inside of a closed curve in a plane: voxels whose centre an even number of its edges does not have on one side.
   * @param {Page.Point[]} curve
   * @param {number} plane
   * @param {0 | 1} value
   */
  inside(curve, plane, value) {
    const [a, b] = axesOf(plane);
    const rows = curve.map((point) => point[b]);
    const point = [...curve[0]];
    for (point[b] = Math.min(...rows); point[b] <= Math.max(...rows); point[b]++) {
      const crossings = crossed(curve, a, b, point[b]);
      for (let pair = 0; pair + 1 < crossings.length; pair += 2) {
        for (point[a] = Math.ceil(crossings[pair]); point[a] <= crossings[pair + 1]; point[a]++) this.#put(point, value);
      }
    }
  }

  /** Run lengths, beginning with the voxels outside: small enough to be kept at every stroke. */
  runs() {
    const lengths = [];
    let value = 0;
    let start = 0;
    for (let index = 0; index < this.mask.length; index++) {
      if (this.mask[index] !== value) {
        lengths.push(index - start);
        value = this.mask[index];
        start = index;
      }
    }
    lengths.push(this.mask.length - start);
    return Uint32Array.from(lengths);
  }

  /**
   * Be what `runs` described; nothing can be undone.
   * @param {Uint32Array} runs
   */
  restore(runs) {
    let index = 0;
    this.voxels = 0;
    runs.forEach((length, number) => {
      this.mask.fill(number % 2, index, index + length);
      this.voxels += (number % 2) * length;
      index += length;
    });
    this.done = [];
    this.undone = [];
  }

  /**
   * @param {Page.Point} centre
   * @param {number} plane
   * @param {number} width
   * @param {0 | 1} value
   */
  #dot(centre, plane, width, value) {
    const [a, b] = axesOf(plane);
    const reach = Math.floor(width / 2);
    const limit = (width / 2) ** 2;
    const point = [...centre];
    for (let i = -reach; i <= reach; i++) {
      for (let j = -reach; j <= reach; j++) {
        if (i * i + j * j > limit) continue;
        point[a] = centre[a] + i;
        point[b] = centre[b] + j;
        this.#put(point, value);
      }
    }
  }

  /**
   * @param {Page.Point} point
   * @param {0 | 1} value
   */
  #put([x, y, z], value) {
    const [width, height, depth] = this.size;
    if (x < 0 || y < 0 || z < 0 || x >= width || y >= height || z >= depth) return;
    this.#set(x + width * (y + height * z), value);
  }

  /**
   * @param {number} index
   * @param {0 | 1} value
   */
  #set(index, value) {
    if (this.mask[index] === value) return;
    this.mask[index] = value;
    this.voxels += value ? 1 : -1;
    sure(this.stroke).push(index);
  }

  /**
   * A mask has two values, so a list of what changed is undone by changing it again.
   * @param {Iterable<number>} list
   */
  #toggle(list) {
    for (const index of list) {
      this.mask[index] ^= 1;
      this.voxels += this.mask[index] ? 1 : -1;
    }
  }

  /**
   * @param {Uint32Array[]} from
   * @param {Uint32Array[]} to
   */
  #move(from, to) {
    if (this.stroke) return false;
    const list = from.pop();
    if (!list) return false;
    this.#toggle(list);
    to.push(list);
    return true;
  }
}

/**
 * @param {number} plane
 * @returns {number[]}
 */
const axesOf = (plane) => [0, 1, 2].filter((axis) => axis !== plane);

/**
 * Where the closed curve crosses a row, in order.
 * @param {Page.Point[]} curve
 * @param {number} a
 * @param {number} b
 * @param {number} row
 */
function crossed(curve, a, b, row) {
  /** @type {number[]} */
  const places = [];
  curve.forEach((from, position) => {
    const to = curve[(position + 1) % curve.length];
    if (from[b] <= row === to[b] <= row) return;
    places.push(from[a] + ((row - from[b]) / (to[b] - from[b])) * (to[a] - from[a]));
  });
  return places.sort((one, other) => one - other);
}
