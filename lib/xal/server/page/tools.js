/** The tools around the picture: drawing, looking, slices. */

import { fill, h, share } from "./dom.js";
import { VIEWS } from "./planes.js";
import { isDrawing } from "./pointing.js";
import { sure } from "./sure.js";

const TOOLS = [
  ["pen", "Pen", "b", "M4 20l1-5L16 4l4 4L9 19z"],
  ["filled", "Filled pen", "f", "M5 13c0-5 4-9 8-9s7 4 6 8-5 8-9 8-5-3-5-7z"],
  ["box", "Box", "x", "M4 6h16v12H4z"],
  ["eraser", "Eraser", "e", "M4 16l9-10 7 6-7 8H8z"],
  ["pan", "Move", "m", "M12 3v18M3 12h18M12 3l-3 3M12 3l3 3M12 21l-3-3M12 21l3-3M3 12l3-3M3 12l3 3M21 12l-3-3M21 12l-3 3"],
  ["look", "Point: show the slices through a place", "p", "M12 3v6M12 15v6M3 12h6M15 12h6"],
  ["window", "Window", "w", "M12 4a8 8 0 100 16zM12 4a8 8 0 010 16"],
];
/** @type {Record<string, string>} */
const SHORT = { axial: "Ax", coronal: "Co", sagittal: "Sa", all: "All", solid: "3D" };
const FILLED = new Set(["filled"]);
const WIDEST = 61;
/** @type {Record<string, [dx: number, dy: number]>} */
const NUDGES = { arrowleft: [-15, 0], arrowright: [15, 0], arrowup: [0, -15], arrowdown: [0, 15] };
/** @type {Record<string, number>} */
const STEPS = { arrowup: 1, pageup: 1, arrowdown: -1, pagedown: -1 };

/**
 * @param {string} path
 * @param {boolean} [solid]
 */
const icon = (path, solid) => {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS("http://www.w3.org/2000/svg", "path");
  shape.setAttribute("d", path);
  if (solid) shape.setAttribute("class", "solid");
  svg.append(shape);
  return svg;
};

export class Tools {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {Reply.Room} room
   */
  constructor(viewer, room) {
    this.viewer = viewer;
    this.flat = room.dimensions === 2;
    this.views = this.flat ? [] : Object.keys(VIEWS);
    this.bar = h("div", { class: "bar", role: "toolbar", "aria-label": "Tools", "aria-orientation": "vertical" });
    this.marks = h("div", { class: "marks", "aria-hidden": "true" });
    this.slider = h("input", { type: "range", min: 0, "aria-label": "Slice", onInput: () => viewer.goTo(Number(this.slider.value)) });
    this.where = h("output", {});
    this.slices = h("div", { class: "slices", hidden: true }, this.slider, this.where);
    this.buttons = TOOLS.filter(([name]) => !(this.flat && name === "look")).map(([name, title, key, path]) =>
      h(
        "button",
        { class: "tool", title: `${title} (${key.toUpperCase()})`, "aria-label": title, data: { tool: name }, onClick: () => this.#use(name) },
        icon(path, FILLED.has(name)),
      ),
    );
    this.width = h("input", {
      type: "range",
      min: 1,
      max: WIDEST,
      step: 2,
      value: viewer.width,
      title: "Width of the pen ([ and ])",
      "aria-label": "Width of the pen",
      onInput: () => this.#thick(Number(this.width.value)),
    });
    this.thickness = h("output", { class: "small" }, viewer.width);
    /**
     * @param {string} title
     * @param {string} keys
     * @param {string} path
     * @param {() => void} run
     */
    const act = (title, keys, path, run) => h("button", { class: "tool", title: `${title} (${keys})`, "aria-label": title, onClick: run }, icon(path));
    this.undo = act("Undo", "Ctrl Z", "M9 7L4 12l5 5M4 12h10a6 6 0 016 6", () => viewer.undo());
    this.redo = act("Redo", "Ctrl Y", "M15 7l5 5-5 5M20 12H10a6 6 0 00-6 6", () => viewer.redo());
    this.clear = act("Clear the outline", "Del", "M5 7h14M9 7V4h6v3M7 7l1 13h8l1-13", () => viewer.erase());
    fill(
      this.bar,
      this.buttons.slice(0, 4),
      h("div", { class: "width" }, this.width, this.thickness),
      this.undo,
      this.redo,
      this.clear,
      h("hr"),
      this.buttons.slice(4),
      act("Whole image", "0", "M4 9V4h5M15 4h5v5M20 15v5h-5M9 20H4v-5", () => viewer.resetView()),
      this.views.length > 0 &&
        h(
          "select",
          { title: "Direction (V)", "aria-label": "Direction of the slices", onChange: () => this.#turnTo(sure(this.direction).value) },
          this.views.map((view) => h("option", { value: view, "aria-label": view, title: view }, SHORT[view])),
        ),
    );
    this.direction = this.bar.querySelector("select");
    this.#use("pen");
    for (const name of ["moved", "window", "drawn", "laid"]) viewer.addEventListener(name, () => this.refresh());
  }

  /** @param {string} name */
  #use(name) {
    this.viewer.use(name);
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.tool === name));
  }

  /**
   * See slices of another direction; the keys are the picture's again, which a list would take for its own.
   * @param {string} view
   */
  #turnTo(view) {
    this.viewer.setView(view);
    this.viewer.canvas.focus({ preventScroll: true });
  }

  /** @param {number} width */
  #thick(width) {
    this.viewer.width = Math.min(Math.max(width, 1), WIDEST);
    this.width.value = this.thickness.textContent = String(this.viewer.width);
  }

  /** Be as the viewer is. */
  refresh() {
    const { viewer } = this;
    const { outline } = viewer;
    const drawn = viewer.locked ? null : outline;
    for (const button of this.buttons) button.disabled = !outline || (isDrawing(sure(button.dataset.tool)) && !drawn);
    this.width.disabled = !drawn;
    this.undo.disabled = !drawn?.done.length;
    this.redo.disabled = !drawn?.undone.length;
    this.clear.disabled = !drawn?.voxels;
    if (this.direction) {
      this.direction.disabled = !outline;
      this.direction.value = viewer.view ?? "axial";
    }
    const slice = viewer.slice;
    this.slices.hidden = !slice;
    if (slice) {
      this.slider.max = String(slice.of - 1);
      this.slider.value = String(slice.at);
      this.where.textContent = `${slice.at + 1} / ${slice.of}`;
    }
    const [image] = viewer.nv.volumes;
    this.marks.textContent = image ? `W ${number(image.cal_max - image.cal_min)}  L ${number((image.cal_max + image.cal_min) / 2)}` : "";
  }

  /**
   * A key that was pressed; false if it is none of these.
   * @param {KeyboardEvent} event
   */
  key(event) {
    const { viewer } = this;
    const key = event.key.toLowerCase();
    const within = (/** @type {string} */ places) => event.target instanceof Element && event.target.closest(places) !== null;
    if (event.ctrlKey || event.metaKey) {
      if (key === "z" && !event.shiftKey) viewer.undo();
      else if ((key === "y" && event.ctrlKey) || (key === "z" && event.shiftKey)) viewer.redo();
      else return false;
      return true;
    }
    const tool = TOOLS.find(([, , letter]) => letter === key)?.[0];
    if (tool && this.buttons.some((button) => button.dataset.tool === tool && !button.disabled)) this.#use(tool);
    else if (key === "[") this.#thick(viewer.width - 2);
    else if (key === "]") this.#thick(viewer.width + 2);
    else if (key === "delete") viewer.erase();
    else if (key === "0") viewer.resetView();
    else if (key === "+" || key === "=") viewer.zoom(1.25);
    else if (key === "-") viewer.zoom(0.8);
    else if (key in NUDGES && viewer.outline && ["pan", "window"].includes(viewer.tool) && !within("input, .panel")) viewer.pointing?.nudge(...NUDGES[key]);
    else if (key in STEPS && !this.flat && (event.target === this.slider || !within("input"))) viewer.step(STEPS[key]);
    else if (key === "v" && this.views.length) viewer.setView(this.views[(this.views.indexOf(viewer.view ?? "") + 1) % this.views.length]);
    else if (key === "o") viewer.setShown(!viewer.shown);
    else return false;
    return true;
  }
}

/** @param {number} value */
const number = (value) => (Math.abs(value) >= 10 || value === 0 ? String(Math.round(value)) : share(value));
