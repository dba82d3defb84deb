/** Where outlines come from, as people say it. */

import assert from "node:assert/strict";
import test from "node:test";

import { comingFrom, drawnBy } from "../../lib/xal/server/page/origins.js";

test("each origin has its words, and several are all named", () => {
  assert.equal(comingFrom(["slicer"]), "drawn in 3D Slicer");
  assert.equal(comingFrom(["page", "file"]), "drawn in the page and from a file");
});

test("who drew is named, as far as that is known", () => {
  assert.equal(drawnBy({ reader: "ada", origin: "rest" }), "ada outlined a region here (sent by a program).");
  assert.equal(drawnBy({ reader: null, origin: "archive" }), "The archive has an outline of this image.");
});
