/**
 * What lies over the picture: the edge of the outline as lines, sharp at every zoom and not tinted by anything, and the
 * attention of a single slice. (That of a volume is NiiVue's; but NiiVue lays nothing over a slice of more pixels than
 * its textures for volumes have on a side, which a chest film has on many machines.)
 *
 * Within one slice on the screen the way from the picture to the voxels is straight, so three places tell all of it.
 */

import { PLANE } from "./planes.js";
import { sure } from "./sure.js";

/**
 * @import { Niivue } from "./vendor/niivue.js"
 * @import { Outline } from "./outline.js"
 * @typedef {[x: number, y: number]} Pixel of the canvas
 * @typedef {(a: number, b: number) => Pixel} OnScreen a corner of voxels → where it is seen
 */

export class Overlay {
  /** @param {HTMLCanvasElement} canvas */
  constructor(canvas) {
    this.canvas = canvas;
    /** @type {Page.Colour} */
    this.colour = [255, 255, 255];
    this.shown = true;
    /** @type {{ picture: HTMLCanvasElement, opacity: number } | null} */
    this.heat = null; // {picture, opacity}: a canvas that covers the whole slice
  }

  /**
   * Draw over every slice that `nv` shows.
   * @param {Niivue} nv
   * @param {Outline | null} outline
   */
  draw(nv, outline) {
    const { canvas } = this;
    const { width, height } = nv.canvas;
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = sure(canvas.getContext("2d"));
    pen.clearRect(0, 0, width, height);
    if (!outline) return;
    for (const tile of nv.screenSlices) {
      const plane = PLANE[tile.axCorSag];
      if (plane === undefined) continue;
      const [a, b] = [0, 1, 2].filter((axis) => axis !== plane);
      const onScreen = mapping(nv, tile, a, b, outline.size);
      if (!onScreen) continue;
      pen.save();
      pen.beginPath();
      pen.rect(...tile.leftTopWidthHeight);
      pen.clip();
      if (this.heat) this.#drawHeat(pen, onScreen, outline.size[a], outline.size[b]);
      if (outline.voxels && this.shown) this.#drawEdges(pen, edges(nv, outline, [plane, a, b], onScreen));
      pen.restore();
    }
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {OnScreen} onScreen
   * @param {number} columns
   * @param {number} rows
   */
  #drawHeat(pen, onScreen, columns, rows) {
    const { picture, opacity } = sure(this.heat);
    const [origin, right, down] = [onScreen(0, 0), onScreen(columns, 0), onScreen(0, rows)];
    /**
     * @param {Pixel} to
     * @param {number} cells
     * @returns {[number, number]}
     */
    const along = (to, cells) => [(to[0] - origin[0]) / cells, (to[1] - origin[1]) / cells];
    pen.save();
    pen.setTransform(...along(right, picture.width), ...along(down, picture.height), ...origin);
    pen.globalAlpha = opacity;
    pen.drawImage(picture, 0, 0);
    pen.restore();
  }

  /**
   * @param {CanvasRenderingContext2D} pen
   * @param {Path2D} path
   */
  #drawEdges(pen, path) {
    const thick = Math.max(this.canvas.width / this.canvas.clientWidth, 1);
    for (const [strokeStyle, lineWidth] of /** @type {const} */ ([
      ["rgb(0 0 0 / 0.7)", 4 * thick],
      [`rgb(${this.colour.join(" ")})`, 2 * thick],
    ])) {
      Object.assign(pen, { strokeStyle, lineWidth, lineCap: "round" });
      pen.stroke(path);
    }
  }
}

/**
 * The sides of voxels of the outline beyond which it does not go on, in pixels of the canvas.
 * @param {Niivue} nv
 * @param {Outline} outline
 * @param {[plane: number, a: number, b: number]} axes
 * @param {OnScreen} onScreen
 * @returns {Path2D}
 */
function edges(nv, outline, [plane, a, b], onScreen) {
  const path = new Path2D();
  const { mask, size } = outline;
  const step = [1, size[0], size[0] * size[1]];
  const at = Math.round(nv.frac2vox(nv.scene.crosshairPos)[plane]) * step[plane];
  /**
   * @param {number} fromA
   * @param {number} fromB
   * @param {number} toA
   * @param {number} toB
   */
  const side = (fromA, fromB, toA, toB) => {
    path.moveTo(...onScreen(fromA, fromB));
    path.lineTo(...onScreen(toA, toB));
  };
  for (let j = 0; j < size[b]; j++) {
    for (let i = 0, index = at + j * step[b]; i < size[a]; i++, index += step[a]) {
      if (!mask[index]) continue;
      if (i === 0 || !mask[index - step[a]]) side(i, j, i, j + 1);
      if (i === size[a] - 1 || !mask[index + step[a]]) side(i + 1, j, i + 1, j + 1);
      if (j === 0 || !mask[index - step[b]]) side(i, j, i + 1, j);
      if (j === size[b] - 1 || !mask[index + step[b]]) side(i, j + 1, i + 1, j + 1);
    }
  }
  return path;
}

/**
 * (corner along a, corner along b) → pixel; corners count from the first voxel's outer edge.
 * @param {Niivue} nv
 * @param {{ leftTopWidthHeight: number[] }} tile
 * @param {number} a
 * @param {number} b
 * @param {number[]} size
 * @returns {OnScreen | null}
 */
function mapping(nv, tile, a, b, size) {
  const [left, top, width, height] = tile.leftTopWidthHeight;
  const places = [
    [0.5, 0.5],
    [0.6, 0.5],
    [0.5, 0.6],
  ].map(([u, v]) => [left + u * width, top + v * height]);
  const fractions = places.map((place) => nv.canvasPos2frac(place));
  if (fractions.some((fraction) => fraction[0] < 0)) return null;
  const [origin, right, down] = fractions.map((fraction) => [fraction[a] * size[a], fraction[b] * size[b]]);
  const p = (right[0] - origin[0]) / (0.1 * width);
  const q = (down[0] - origin[0]) / (0.1 * height);
  const r = (right[1] - origin[1]) / (0.1 * width);
  const s = (down[1] - origin[1]) / (0.1 * height);
  const determinant = p * s - q * r;
  if (!determinant) return null;
  return (i, j) => {
    const [di, dj] = [i - origin[0], j - origin[1]];
    return [places[0][0] + (s * di - q * dj) / determinant, places[0][1] + (p * dj - r * di) / determinant];
  };
}
