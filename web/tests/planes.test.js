/** The views by name. NiiVue's numbers stand here in its place: the tests also run where `make page` has not. */

import assert from "node:assert/strict";
import { register } from "node:module";
import test from "node:test";

const kinds = "export const SLICE_TYPE = { AXIAL: 0, CORONAL: 1, SAGITTAL: 2, MULTIPLANAR: 3, RENDER: 4 };";
const hooks = `export async function resolve(specifier, context, next) {
  if (!specifier.endsWith("/vendor/niivue.js")) return next(specifier, context);
  return { url: ${JSON.stringify(`data:text/javascript,${encodeURIComponent(kinds)}`)}, shortCircuit: true };
}`;
register(`data:text/javascript,${encodeURIComponent(hooks)}`);

const { PLANE, VIEWS } = await import("../../lib/xal/server/page/planes.js");

test("slices of one direction lie along the axis that they do not have", () => {
  assert.deepEqual(
    ["sagittal", "coronal", "axial"].map((view) => PLANE[VIEWS[view]]),
    [0, 1, 2],
  );
});

test("what shows no slices of one direction has no such axis", () => {
  assert.deepEqual(
    Object.keys(VIEWS).filter((view) => !(VIEWS[view] in PLANE)),
    ["all", "solid"],
  );
});
