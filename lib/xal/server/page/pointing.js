/**
 * What mouse, pen and fingers do to the picture. A press captures its pointer, so a stroke that leaves the picture goes
 * on; a second finger turns what looked like a stroke into a pinch. A hand that rests beside a pen or a mouse does nothing:
 * neither while they draw nor, if it came first, once the pen is there.
 */

import { PLANE } from "./planes.js";
import { sure } from "./sure.js";

/**
 * @typedef {{ clientX: number, clientY: number }} Spot of the window
 * @typedef {{ voxel: Page.Point, plane: number, tile: number }} Place in a slice that is shown
 */
/**
 * @typedef {object} Stroke what is being done since a press
 * @property {string} kind a tool, or what else a press can do
 * @property {string} type of pointer
 * @property {number} pointer
 * @property {[x: number, y: number]} at
 * @property {number} [other] the second finger of a pinch
 * @property {[x: number, y: number]} [otherAt]
 * @property {Place | null} [first] where it began; there for what draws
 * @property {Place | null} [last]
 * @property {Page.Point[]} [curve]
 */

const ZOOM = 1.15;

/** @param {string} tool */
export const isDrawing = (tool) => ["pen", "filled", "box", "eraser"].includes(tool);

export class Pointing {
  /** @param {import("./viewer.js").Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.nv = viewer.nv;
    this.canvas = viewer.canvas;
    /** @type {Stroke | null} */
    this.stroke = null;
    /**
     * @template {keyof HTMLElementEventMap} Name
     * @param {Name} name
     * @param {(event: HTMLElementEventMap[Name]) => void} act
     * @param {AddEventListenerOptions} [options]
     */
    const on = (name, act, options) => this.canvas.addEventListener(name, act, options);
    on("pointerdown", (event) => this.#down(event));
    on("pointermove", (event) => this.#move(event));
    on("pointerup", (event) => this.#up(event));
    on("pointercancel", (event) => this.#up(event));
    on("wheel", (event) => this.#wheel(event), { passive: false });
    on("contextmenu", (event) => event.preventDefault());
    on("dblclick", () => isDrawing(viewer.tool) || viewer.resetView());
  }

  /**
   * What dragging so far does with the tool that moves the image or its window, for who has no pointer.
   * @param {number} dx
   * @param {number} dy
   */
  nudge(dx, dy) {
    const { viewer, nv } = this;
    const box = this.canvas.getBoundingClientRect();
    const inside = { clientX: box.left + box.width * 0.4, clientY: box.top + box.height * 0.4 }; // not where four pictures meet
    if (viewer.tool === "window") viewer.shiftWindow(dx, dy);
    else if (nv.inRenderTile(...this.#pixels(inside)) >= 0) this.#turn(dx, dy);
    else this.#pan(inside, dx, dy);
  }

  /** Forget what is being done: another image is coming. */
  drop() {
    this.stroke = null;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    const { viewer } = this;
    if (!viewer.outline) return;
    const types = [this.stroke?.type, event.pointerType].join();
    if (types === "touch,touch") return this.#second(event);
    if (types === "touch,pen") this.#takeBack();
    else if (this.stroke) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture(event.pointerId);
    const place = this.#placeOf(event);
    const kind = this.#kindOf(event, place);
    if (!kind) return;
    this.stroke = { kind, type: event.pointerType, pointer: event.pointerId, at: at(event), first: place, last: place, curve: [] };
    if (kind === "look") this.#look(event);
    if (!isDrawing(kind)) return;
    viewer.outline.begin();
    this.#draw(place);
  }

  /**
   * @param {PointerEvent} event
   * @param {Place | null} place
   */
  #kindOf(event, place) {
    const { viewer } = this;
    if (event.button === 2) return "window";
    if (event.button === 1 || event.shiftKey) return "pan";
    if (this.nv.inRenderTile(...this.#pixels(event)) >= 0) return "turn";
    if (!isDrawing(viewer.tool)) return viewer.tool;
    if (viewer.locked) return viewer.flat ? "pan" : "look";
    return place && viewer.tool;
  }

  /** What the first finger, or the palm, had begun is no stroke. */
  #takeBack() {
    const { viewer } = this;
    const { kind } = sure(this.stroke);
    this.stroke = null;
    if (!isDrawing(kind)) return;
    const outline = sure(viewer.outline);
    outline.restart();
    outline.end();
    viewer.redraw();
  }

  /** @param {PointerEvent} event */
  #second(event) {
    const stroke = sure(this.stroke);
    this.#takeBack();
    this.stroke = { kind: "pinch", type: stroke.type, pointer: stroke.pointer, other: event.pointerId, at: stroke.at, otherAt: at(event) };
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const { stroke, viewer } = this;
    if (!stroke || !this.#concerns(event)) return;
    if (stroke.kind === "pinch") return this.#pinch(event);
    const [dx, dy] = [event.clientX - stroke.at[0], event.clientY - stroke.at[1]];
    stroke.at = at(event);
    if (isDrawing(stroke.kind)) {
      const events = event.getCoalescedEvents?.() ?? [];
      for (const each of events.length ? events : [event]) this.#draw(this.#placeOf(each, sure(stroke.first).tile));
    } else if (stroke.kind === "pan") this.#pan(event, dx, dy);
    else if (stroke.kind === "window") viewer.shiftWindow(dx, dy);
    else if (stroke.kind === "turn") this.#turn(dx, dy);
    else if (stroke.kind === "look") this.#look(event);
  }

  /** @param {PointerEvent} event */
  #up(event) {
    const { stroke, viewer } = this;
    if (!stroke || !this.#concerns(event)) return;
    this.stroke = null;
    if (!isDrawing(stroke.kind)) return;
    const outline = sure(viewer.outline);
    const curve = sure(stroke.curve);
    if (event.type === "pointercancel") outline.restart();
    else if (stroke.kind === "filled" && curve.length > 2) outline.inside(curve, sure(stroke.first).plane, 1);
    if (outline.end()) viewer.changed();
    else viewer.redraw();
  }

  /** @param {PointerEvent} event */
  #concerns({ pointerId }) {
    return this.stroke !== null && (this.stroke.pointer === pointerId || this.stroke.other === pointerId);
  }

  /**
   * One more point of the stroke, in the slice where it began; there is none where the pointer is outside of that.
   * @param {Place | null} place
   */
  #draw(place) {
    if (!place) return;
    const { viewer } = this;
    const stroke = sure(this.stroke);
    const outline = sure(viewer.outline);
    const { plane, voxel } = sure(stroke.first);
    const point = place.voxel.map((value, axis) => (axis === plane ? voxel[plane] : value));
    if (stroke.kind === "box") {
      outline.restart();
      outline.box(voxel, point, plane, 1);
    } else {
      outline.line(sure(stroke.last).voxel, point, plane, stroke.kind === "filled" ? 1 : viewer.width, stroke.kind === "eraser" ? 0 : 1);
      sure(stroke.curve).push(point);
    }
    stroke.last = { ...place, voxel: point };
    viewer.redraw();
  }

  /** @param {Spot} event */
  #look(event) {
    const place = this.#placeOf(event);
    if (place) this.viewer.goToVoxel(place.voxel);
  }

  /**
   * @param {number} dx
   * @param {number} dy
   */
  #turn(dx, dy) {
    const { scene } = this.nv;
    this.nv.setRenderAzimuthElevation(scene.renderAzimuth + dx, scene.renderElevation + dy);
  }

  /**
   * @param {Spot} event
   * @param {number} dx
   * @param {number} dy
   */
  #pan(event, dx, dy) {
    const before = this.#millimetres(event.clientX - dx, event.clientY - dy);
    this.#shift(before, this.#millimetres(event.clientX, event.clientY));
  }

  /** @param {PointerEvent} event */
  #pinch(event) {
    const stroke = sure(this.stroke);
    const apart = () => {
      const other = sure(stroke.otherAt);
      return Math.hypot(stroke.at[0] - other[0], stroke.at[1] - other[1]);
    };
    const before = apart();
    if (event.pointerId === stroke.pointer) stroke.at = at(event);
    else stroke.otherAt = at(event);
    if (before > 0) this.viewer.zoom(apart() / before);
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const { viewer } = this;
    if (!viewer.outline) return;
    event.preventDefault();
    const up = event.deltaY < 0;
    if (!viewer.flat && !event.ctrlKey && viewer.view !== "solid") return viewer.step(up ? 1 : -1);
    const before = this.#millimetres(event.clientX, event.clientY);
    viewer.zoom(up ? ZOOM : 1 / ZOOM);
    if (viewer.zoomed) this.#shift(before, this.#millimetres(event.clientX, event.clientY)); // what is under the pointer stays there
  }

  /**
   * @param {ArrayLike<number> | null} from
   * @param {ArrayLike<number> | null} to
   */
  #shift(from, to) {
    if (from && to) this.viewer.pan([0, 1, 2].map((axis) => to[axis] - from[axis]));
  }

  /**
   * @param {Spot} event
   * @returns {[x: number, y: number]}
   */
  #pixels({ clientX, clientY }) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.canvas.width / box.width;
    return [(clientX - box.left) * scale, (clientY - box.top) * scale];
  }

  /** @param {Spot} event */
  #fraction(event) {
    const place = this.nv.canvasPos2frac(this.#pixels(event));
    return place[0] < 0 ? null : place;
  }

  /**
   * @param {number} clientX
   * @param {number} clientY
   */
  #millimetres(clientX, clientY) {
    const place = this.#fraction({ clientX, clientY });
    return place && this.nv.frac2mm(place);
  }

  /**
   * The voxel under the pointer and the plane it was pointed at in; null outside of the picture, or of slice `tile`.
   * @param {Spot} event
   * @param {number | null} tile
   * @returns {Place | null}
   */
  #placeOf(event, tile = null) {
    const index = this.nv.tileIndex(...this.#pixels(event));
    const plane = PLANE[this.nv.screenSlices[index]?.axCorSag];
    if (plane === undefined || (tile !== null && tile !== index)) return null;
    const place = this.#fraction(event);
    return place && { voxel: [...this.nv.frac2vox(place)].map(Math.round), plane, tile: index };
  }
}

/**
 * @param {Spot} event
 * @returns {[x: number, y: number]}
 */
const at = (event) => [event.clientX, event.clientY];
