/** NiiVue's kinds of slices by the names that readers see, and the axis that each does not have. */

import { SLICE_TYPE } from "./vendor/niivue.js";

/** @type {Record<string, number>} */
export const VIEWS = {
  axial: SLICE_TYPE.AXIAL,
  coronal: SLICE_TYPE.CORONAL,
  sagittal: SLICE_TYPE.SAGITTAL,
  all: SLICE_TYPE.MULTIPLANAR,
  solid: SLICE_TYPE.RENDER,
};
/** @type {Record<number, number>} */
export const PLANE = { [SLICE_TYPE.AXIAL]: 2, [SLICE_TYPE.CORONAL]: 1, [SLICE_TYPE.SAGITTAL]: 0 };
