/** What the keyboard does while reading: the list that the help shows, in its order. */

/** @typedef {[keys: string[], what: string]} Shortcut */

/** @type {Shortcut} */
const FOR_REGIONS = [["G"], "region only: outline what is to be seen without naming it; the image stays in the pool"];

/** @type {Shortcut} */
const WITHOUT_OUTLINE = [["S"], "hand in the finding alone, without an outline"];

/** @type {Shortcut[]} */
const SHORTCUTS = [
  [["1", "…", "9"], "choose the finding"],
  FOR_REGIONS,
  [["B"], "pen"],
  [["F"], "filled pen: draw around, the inside is filled"],
  [["X"], "box"],
  [["E"], "eraser"],
  [["[", "]"], "thinner or thicker pen"],
  [["Ctrl Z", "Ctrl Y"], "undo, redo (⌘ Z and ⇧ ⌘ Z on a Mac)"],
  [["Del"], "clear the outline"],
  [["Enter"], "hand in"],
  WITHOUT_OUTLINE,
  [["N"], "next image, also without handing in: what is drawn is kept"],
  [["R"], "draw again what was handed in"],
  [["↑", "↓"], "slice up or down (also the mouse wheel)"],
  [["V"], "another direction of slices"],
  [["+", "−"], "zoom (also the wheel on single slices, Ctrl and the wheel on volumes)"],
  [["M", "P", "W"], "move the image, point to a place (volumes), window"],
  [["←", "→", "↑", "↓"], "with M or W: move the image or turn the solid, change the window"],
  [["0"], "whole image in its own window"],
  [["Shift drag"], "move the image (also the middle button)"],
  [["right drag"], "window: width and level"],
  [["A"], "attention on or off, once it is shown"],
  [["O"], "outline on or off"],
  [["?"], "this list"],
];

/**
 * Those of a room: not every task takes outlines without a finding, or asks for findings alone.
 * @param {Pick<Reply.Room, "regions" | "outline_share">} room
 */
export const shortcuts = ({ regions, outline_share }) =>
  SHORTCUTS.filter((shortcut) => (regions || shortcut !== FOR_REGIONS) && (outline_share < 1 || shortcut !== WITHOUT_OUTLINE));
