/** The colours of attention: violet, orange, pale yellow; the less there is, the more of the image shows through. */

import { sure } from "./sure.js";

/** @type {[place: number, colour: Page.Colour][]} */
const STOPS = [
  [0, [70, 15, 110]],
  [0.3, [140, 30, 120]],
  [0.55, [228, 88, 60]],
  [0.8, [252, 168, 50]],
  [1, [252, 250, 190]],
];
/** Attention from which on the map is as opaque as the slider says; below, opacity goes with the square. */
export const OPAQUE_FROM = 0.6;

/** As NiiVue wants it. */
export const HEAT = {
  R: STOPS.map(([, colour]) => colour[0]),
  G: STOPS.map(([, colour]) => colour[1]),
  B: STOPS.map(([, colour]) => colour[2]),
  A: STOPS.map(([place]) => (place ? 255 : 0)),
  I: STOPS.map(([place]) => Math.round(place * 255)),
};

/** As a style sheet wants it, for the colour bar on black. */
export const GRADIENT = `linear-gradient(to right, ${STOPS.map(([place, colour]) => `rgb(${colour.join(" ")} / ${Math.min((place / OPAQUE_FROM) ** 2, 1).toFixed(2)}) ${place * 100}%`).join(", ")})`;

/**
 * A map of one slice as a picture that covers it: `values` run along its columns first, then along its rows.
 * @param {ArrayLike<number>} values
 * @param {number} columns
 * @param {number} rows
 */
export function heatPicture(values, columns, rows) {
  const picture = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  const pen = sure(picture.getContext("2d"));
  const pixels = pen.createImageData(columns, rows);
  for (let at = 0; at < columns * rows; at++) pixels.data.set(shade(values[at]), 4 * at);
  pen.putImageData(pixels, 0, 0);
  return picture;
}

/** @param {number} attention */
function shade(attention) {
  const value = Math.min(attention, 1);
  const above = Math.max(
    STOPS.findIndex(([place]) => place >= value),
    1,
  );
  const [[low, from], [high, to]] = [STOPS[above - 1], STOPS[above]];
  const share = (value - low) / (high - low);
  return [...from.map((start, k) => start + share * (to[k] - start)), 255 * Math.min((value / OPAQUE_FROM) ** 2, 1)];
}
