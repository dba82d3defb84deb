/** The picture: NiiVue shows image, outline and attention; what is pointed at and drawn is ours (pointing.js, outline.js). */

import { DRAG_MODE, Niivue, NVImage } from "./vendor/niivue.js";
import { HEAT, heatPicture, OPAQUE_FROM } from "./heat.js";
import { Outline } from "./outline.js";
import { Overlay } from "./overlay.js";
import { PLANE, VIEWS } from "./planes.js";
import { isDrawing, Pointing } from "./pointing.js";
import { sure } from "./sure.js";

const FILL_OPACITY = 0.35;
const TRANSLUCENT_BELOW_MIN = 1; // opacity falls with the square below cal_min: what NiiVue 0.69 draws for 1, though it lists it as 2

/**
 * Says `drawn` after each change that the reader makes to the outline, `laid` when another outline is put in its place,
 * `moved` when another slice is shown, `window` when the window changes.
 */
export class Viewer extends EventTarget {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {HTMLCanvasElement} over
   */
  constructor(canvas, over) {
    super();
    this.canvas = canvas;
    this.over = new Overlay(over);
    this.tool = "pen";
    this.width = 3;
    /** @type {Outline | null} */
    this.outline = null;
    this.locked = true;
    this.flat = false;
    /** @type {string | undefined} */
    this.view = undefined;
    /**
     * The darkest and the brightest value of the image as it came.
     * @type {[low: number, high: number]}
     */
    this.range = [0, 0];
    /** @type {Pointing | null} */
    this.pointing = null;
    /**
     * A redrawing that is asked for.
     * @type {number | null}
     */
    this.waiting = null;
    this.turn = 0; // counts images, so that what arrives late for an earlier one is dropped
    this.nv = new Niivue({
      interactive: false,
      dragAndDropEnabled: false,
      dragMode: DRAG_MODE.none,
      backColor: [0, 0, 0, 1],
      crosshairColor: [0.31, 0.82, 0.72, 0.6],
      show3Dcrosshair: false,
      isRadiologicalConvention: true,
      sagittalNoseLeft: true,
      isOrientationTextVisible: false,
      isResizeCanvas: true,
      loadingText: "",
      logLevel: "error",
      multiplanarForceRender: true,
      tileMargin: 0,
    });
    this.nv.addColormap("xal-heat", HEAT);
  }

  async start() {
    await this.nv.attachToCanvas(this.canvas, false);
    const draw = this.nv.drawScene.bind(this.nv);
    this.nv.drawScene = () => {
      draw();
      this.over.draw(this.nv, this.outline);
    };
    this.pointing = new Pointing(this);
    new ResizeObserver(() => this.#moved()).observe(this.canvas);
  }

  /**
   * Show an image (a NIfTI file's bytes) with an empty outline; nothing, if another one was asked for meanwhile.
   * @param {ArrayBuffer} file
   * @param {boolean} flat
   */
  async show(file, flat) {
    this.clear();
    const { turn } = this;
    const image = await NVImage.new(file, "image.nii.gz", "gray");
    if (turn !== this.turn) return;
    const size = [...image.dimsRAS.slice(1, 4)];
    if (this.#isLarge(size, flat)) image.img = image.img2RAS(); // NiiVue 0.69 draws a slice of this size in the file's order
    this.nv.addVolume(image);
    this.flat = flat;
    this.outline = new Outline(size);
    this.nv.opts.isOrientationTextVisible = !flat;
    this.setView(flat ? flatView(size) : "axial");
    this.nv.createEmptyDrawing();
    this.nv.drawBitmap = this.outline.mask;
    this.nv.drawOpacity = FILL_OPACITY;
    this.range = [image.cal_min, image.cal_max];
    this.resetView();
  }

  /** Show nothing. */
  clear() {
    this.turn += 1;
    this.outline = null;
    this.over.heat = null;
    this.pointing?.drop();
    if (this.nv.drawBitmap) this.nv.closeDrawing();
    for (const volume of [...this.nv.volumes].reverse()) this.nv.removeVolume(volume);
  }

  /**
   * Draw in this colour.
   * @param {Page.Colour} colour
   */
  setColour([r, g, b]) {
    this.over.colour = [r, g, b];
    this.nv.setDrawColormap({ R: [0, r], G: [0, g], B: [0, b], A: [0, 255], I: [0, 1], labels: ["", "ROI"] });
  }

  /**
   * Show the outline, its inside too while it is being drawn, or the bare image.
   * @param {boolean} shown
   */
  setShown(shown) {
    this.over.shown = shown;
    this.nv.drawOpacity = shown && !this.locked ? FILL_OPACITY : 0;
    this.nv.drawScene();
  }

  get shown() {
    return this.over.shown;
  }

  /** Whether something is being drawn right now. */
  get busy() {
    return Boolean(this.outline?.stroke);
  }

  /**
   * Let the reader draw, or not.
   * @param {boolean} locked
   */
  lock(locked) {
    this.locked = locked;
    this.#cursor();
  }

  /** @param {string} tool */
  use(tool) {
    this.tool = tool;
    this.#cursor();
  }

  undo() {
    if (!this.locked && this.outline?.undo()) this.changed();
  }

  redo() {
    if (!this.locked && this.outline?.redo()) this.changed();
  }

  erase() {
    if (!this.locked && this.outline?.clear()) this.changed();
  }

  /**
   * Put back an outline that was kept.
   * @param {Uint32Array} runs
   */
  restore(runs) {
    sure(this.outline).restore(runs);
    this.#laid();
  }

  /** An outline without anything, that cannot be undone. */
  empty() {
    this.restore(Uint32Array.of(sure(this.outline).mask.length));
  }

  /**
   * Take over the voxels of a label file on the same grid, if it is still `wanted` once it is decoded.
   * @param {ArrayBuffer} file
   * @param {Page.Here} wanted
   */
  async load(file, wanted) {
    const label = await NVImage.new(file, "label.nii.gz", "gray");
    if (!wanted()) return;
    this.nv.loadDrawing(label);
    const outline = sure(this.outline);
    outline.restore(runsOf(sure(this.nv.drawBitmap)));
    this.nv.drawBitmap = outline.mask;
    this.#laid();
  }

  /**
   * The outline as a NIfTI file on the image's own voxels, its ROI with this value.
   * @param {number} value
   */
  async labelFile(value) {
    const values = sure(this.outline).mask.map((voxel) => voxel * value);
    return this.nv.volumes[0].saveToUint8Array("label.nii.gz", values);
  }

  /**
   * Lay attention (a NIfTI file's bytes) over the image, if it is still `wanted` once it is decoded.
   * @param {ArrayBuffer} file
   * @param {number} opacity
   * @param {Page.Here} wanted
   */
  async showHeat(file, opacity, wanted) {
    const heat = await NVImage.new(file, "attention.nii.gz", "xal-heat", opacity);
    if (!wanted()) return;
    this.hideHeat();
    if (this.flat) {
      const [columns, rows] = heat.dimsRAS.slice(1, 4).filter((_, axis) => axis !== this.#plane());
      this.over.heat = { picture: heatPicture(heat.img2RAS(), columns, rows), opacity };
      return this.nv.drawScene();
    }
    Object.assign(heat, { colormapType: TRANSLUCENT_BELOW_MIN, cal_min: OPAQUE_FROM, cal_max: 1 });
    this.nv.addVolume(heat);
    this.nv.updateGLVolume();
  }

  hideHeat() {
    this.over.heat = null;
    for (const volume of this.nv.volumes.slice(1)) this.nv.removeVolume(volume);
  }

  /** @param {number} opacity */
  setHeatOpacity(opacity) {
    if (this.nv.volumes.length > 1) this.nv.setOpacity(1, opacity);
    if (!this.over.heat) return;
    this.over.heat.opacity = opacity;
    this.nv.drawScene();
  }

  /** @param {string} name */
  setView(name) {
    this.view = name;
    this.nv.opts.crosshairWidth = name === "all" ? 1 : 0;
    this.nv.setSliceType(VIEWS[name]);
    this.#moved();
  }

  /** The whole image in its own window. */
  resetView() {
    this.nv.scene.pan2Dxyzmm = [0, 0, 0, 1];
    this.nv.scene.volScaleMultiplier = 1;
    const [image] = this.nv.volumes;
    if (image) [image.cal_min, image.cal_max] = this.range;
    this.nv.updateGLVolume();
    this.dispatchEvent(new Event("window"));
    this.#moved();
  }

  /** Which slice is shown, and of how many; null where that has no meaning. */
  get slice() {
    if (!this.outline || this.flat || this.view === "solid") return null;
    const axis = this.view === "all" ? 2 : this.#plane();
    return { axis, at: Math.round(this.nv.frac2vox(this.nv.scene.crosshairPos)[axis]), of: this.outline.size[axis] };
  }

  /**
   * Show slice number `at` of the plane in view.
   * @param {number} at
   */
  goTo(at) {
    const { slice } = this;
    if (!slice) return;
    const { axis, of } = slice;
    const voxel = [...this.nv.frac2vox(this.nv.scene.crosshairPos)];
    voxel[axis] = Math.min(Math.max(at, 0), of - 1);
    this.goToVoxel(voxel);
  }

  /**
   * Show the slices through a voxel.
   * @param {Page.Point} voxel
   */
  goToVoxel(voxel) {
    this.nv.scene.crosshairPos = this.nv.vox2frac(voxel);
    this.nv.drawScene();
    this.#moved();
  }

  /** @param {number} slices */
  step(slices) {
    const { slice } = this;
    if (slice) this.goTo(slice.at + slices);
  }

  /** Show the slice with most of the outline, or of a finding's mask. */
  goToOutline() {
    const { slice, outline } = this;
    if (!slice || !outline?.voxels) return;
    const counts = new Uint32Array(slice.of);
    const [width, height] = outline.size;
    outline.mask.forEach((value, index) => {
      if (value) counts[[index % width, Math.floor(index / width) % height, Math.floor(index / (width * height))][slice.axis]]++;
    });
    this.goTo(counts.indexOf(Math.max(...counts)));
  }

  /** @param {number} factor */
  zoom(factor) {
    if (this.view === "solid") return this.nv.setScale(Math.min(Math.max(this.nv.scene.volScaleMultiplier * factor, 1), 20));
    const pan = [...this.nv.scene.pan2Dxyzmm];
    pan[3] = Math.min(Math.max(pan[3] * factor, 1), 20);
    if (pan[3] === 1) pan.fill(0, 0, 3);
    this.nv.setPan2Dxyzmm(pan);
  }

  get zoomed() {
    return this.nv.scene.pan2Dxyzmm[3] > 1;
  }

  /**
   * Move what is shown by so many millimetres of the image; NiiVue counts those of the screen.
   * @param {number[]} distance
   */
  pan(distance) {
    const [x, y, z, zoom] = this.nv.scene.pan2Dxyzmm;
    this.nv.setPan2Dxyzmm([x + zoom * distance[0], y + zoom * distance[1], z + zoom * distance[2], zoom]);
  }

  /**
   * Pixels to the right make the window wider, pixels down make its level higher.
   * @param {number} dx
   * @param {number} dy
   */
  shiftWindow(dx, dy) {
    const [image] = this.nv.volumes;
    const unit = (this.range[1] - this.range[0] || 1) / 300;
    const level = (image.cal_min + image.cal_max) / 2 + dy * unit;
    const half = Math.max((image.cal_max - image.cal_min) / 2 + (dx * unit) / 2, unit / 2);
    [image.cal_min, image.cal_max] = [level - half, level + half];
    this.nv.updateGLVolume();
    this.dispatchEvent(new Event("window"));
  }

  /** The reader has changed the outline. */
  changed() {
    this.redraw();
    this.dispatchEvent(new Event("drawn"));
  }

  /** Show the outline as it is by now, at the next frame. */
  redraw() {
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (this.outline) this.nv.refreshDrawing(true);
    });
  }

  /**
   * Whether a slice is too large for the textures that volumes have; what cannot be shown at all is refused.
   * @param {number[]} size
   * @param {boolean} flat
   */
  #isLarge(size, flat) {
    const { max2D, max3D } = this.nv.uiData;
    const side = Math.max(...size);
    if (side <= max3D) return false;
    const most = flat ? max2D : max3D;
    if (side > most) throw new Error(`The image has ${side} voxels on a side; the graphics of this machine can show ${most}.`);
    return true;
  }

  /** The axis that the slices in view do not have. */
  #plane() {
    return PLANE[VIEWS[sure(this.view)]];
  }

  #laid() {
    this.redraw();
    this.dispatchEvent(new Event("laid"));
  }

  #moved() {
    this.dispatchEvent(new Event("moved"));
  }

  #cursor() {
    this.canvas.dataset.tool = this.locked && isDrawing(this.tool) ? "look" : this.tool;
  }
}

/** @param {Uint8Array} mask */
function runsOf(mask) {
  const outline = new Outline([mask.length, 1, 1]);
  mask.forEach((value, index) => (outline.mask[index] = value ? 1 : 0));
  return outline.runs();
}

/**
 * The view in which a single slice is seen from the front: along the axis that it has one voxel of.
 * @param {number[]} size
 */
const flatView = (size) => ["sagittal", "coronal", "axial"][Math.max(size.lastIndexOf(1), 0)];
