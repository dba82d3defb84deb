/** The outline: what strokes mark, what can be undone, and how it is kept. */

import assert from "node:assert/strict";
import test from "node:test";

import { Outline } from "../../lib/xal/server/page/outline.js";

const AXIAL = 2;

/**
 * An image of one slice.
 * @param {number} width
 * @param {number} height
 */
const slice = (width, height) => new Outline([width, height, 1]);

/**
 * A stroke from its begin to its end; whether it changed anything.
 * @param {Outline} outline
 * @param {() => void} draw
 */
function stroke(outline, draw) {
  outline.begin();
  draw();
  return outline.end();
}

/**
 * The first slice as rows of characters.
 * @param {Outline} outline
 */
function rows({ mask, size: [width, height] }) {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => (mask[y * width + x] ? "#" : ".")).join(""));
}

test("a pen of one voxel marks the line between two points", () => {
  const outline = slice(4, 3);
  stroke(outline, () => outline.line([0, 1, 0], [3, 1, 0], AXIAL, 1, 1));
  assert.deepEqual(rows(outline), ["....", "####", "...."]);
});

test("a slanted line has no gaps", () => {
  const outline = slice(4, 4);
  stroke(outline, () => outline.line([0, 0, 0], [3, 3, 0], AXIAL, 1, 1));
  assert.deepEqual(rows(outline), ["#...", ".#..", "..#.", "...#"]);
});

test("a wide pen is round", () => {
  const outline = slice(5, 5);
  stroke(outline, () => outline.line([2, 2, 0], [2, 2, 0], AXIAL, 5, 1));
  assert.deepEqual(rows(outline), [".###.", "#####", "#####", "#####", ".###."]);
});

test("what a pen marks outside of the image is not there", () => {
  const outline = slice(3, 2);
  stroke(outline, () => outline.line([-2, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  assert.deepEqual(rows(outline), ["#..", "..."]);
});

test("an eraser takes away what it touches, and nothing else", () => {
  const outline = slice(4, 1);
  stroke(outline, () => outline.line([0, 0, 0], [3, 0, 0], AXIAL, 1, 1));
  stroke(outline, () => outline.line([1, 0, 0], [2, 0, 0], AXIAL, 1, 0));
  assert.deepEqual(rows(outline), ["#..#"]);
});

test("a box holds both of its corners, whichever was first", () => {
  const [there, back] = [slice(4, 4), slice(4, 4)];
  stroke(there, () => there.box([1, 1, 0], [3, 2, 0], AXIAL, 1));
  stroke(back, () => back.box([3, 2, 0], [1, 1, 0], AXIAL, 1));
  assert.deepEqual(rows(there), ["....", ".###", ".###", "...."]);
  assert.deepEqual(rows(back), rows(there));
});

test("the inside of a closed curve is filled, a bay of it is not", () => {
  const outline = slice(7, 5);
  const curve = [
    [0, 0, 0],
    [6, 0, 0],
    [6, 4, 0],
    [4, 4, 0],
    [4, 2, 0],
    [2, 2, 0],
    [2, 4, 0],
    [0, 4, 0],
  ];
  stroke(outline, () => outline.inside(curve, AXIAL, 1));
  assert.deepEqual(rows(outline).slice(0, 4), ["#######", "#######", "###.###", "###.###"]);
});

test("a stroke stays in the slice of its plane", () => {
  const outline = new Outline([3, 3, 3]);
  stroke(outline, () => outline.line([1, 1, 1], [1, 1, 1], 0, 3, 1));
  const places = [...outline.mask.keys()].filter((index) => outline.mask[index]);
  assert.equal(places.length, 9);
  assert(places.every((index) => index % 3 === 1));
});

test("marked voxels are counted once, however often they are drawn over", () => {
  const outline = slice(3, 1);
  for (let time = 0; time < 2; time++) stroke(outline, () => outline.line([0, 0, 0], [2, 0, 0], AXIAL, 1, 1));
  assert.equal(outline.voxels, 3);
});

test("a stroke that changes nothing is none", () => {
  const outline = slice(3, 1);
  assert(stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1)));
  assert(!stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1)));
  assert.equal(outline.done.length, 1);
});

test("undo takes back a whole stroke, and no other", () => {
  const outline = slice(4, 1);
  stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  stroke(outline, () => outline.line([1, 0, 0], [3, 0, 0], AXIAL, 1, 1));
  assert(outline.undo());
  assert.deepEqual(rows(outline), ["#..."]);
  assert.equal(outline.voxels, 1);
});

test("redo brings back what was undone", () => {
  const outline = slice(4, 1);
  stroke(outline, () => outline.line([1, 0, 0], [3, 0, 0], AXIAL, 1, 1));
  outline.undo();
  assert(outline.redo());
  assert.deepEqual(rows(outline), [".###"]);
});

test("where nothing was drawn there is nothing to undo or redo", () => {
  const outline = slice(2, 2);
  assert(!outline.undo());
  assert(!outline.redo());
});

test("a new stroke forgets what was undone", () => {
  const outline = slice(3, 1);
  stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  outline.undo();
  stroke(outline, () => outline.line([2, 0, 0], [2, 0, 0], AXIAL, 1, 1));
  assert(!outline.redo());
  assert.deepEqual(rows(outline), ["..#"]);
});

test("nothing is undone while a stroke is being drawn", () => {
  const outline = slice(3, 1);
  stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  outline.begin();
  assert(!outline.undo());
  assert.deepEqual(rows(outline), ["#.."]);
});

test("a stroke that starts again takes back only what itself has drawn", () => {
  const outline = slice(4, 1);
  stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  outline.begin();
  outline.box([0, 0, 0], [3, 0, 0], AXIAL, 1);
  outline.restart();
  outline.box([0, 0, 0], [1, 0, 0], AXIAL, 1);
  outline.end();
  assert.deepEqual(rows(outline), ["##.."]);
});

test("clearing can be undone", () => {
  const outline = slice(3, 1);
  stroke(outline, () => outline.line([0, 0, 0], [1, 0, 0], AXIAL, 1, 1));
  outline.clear();
  assert.equal(outline.voxels, 0);
  outline.undo();
  assert.deepEqual(rows(outline), ["##."]);
});

test("only the last hundred strokes can be undone", () => {
  const outline = slice(101, 1);
  for (let x = 0; x < 101; x++) stroke(outline, () => outline.line([x, 0, 0], [x, 0, 0], AXIAL, 1, 1));
  while (outline.undo());
  assert.equal(outline.voxels, 1);
});

test("run lengths begin with the voxels outside, be it with none", () => {
  const outline = slice(5, 1);
  stroke(outline, () => outline.line([0, 0, 0], [1, 0, 0], AXIAL, 1, 1));
  assert.deepEqual([...outline.runs()], [0, 2, 3]);
});

test("an empty outline is one run", () => {
  assert.deepEqual([...slice(3, 2).runs()], [6]);
});

test("what was kept as run lengths is restored voxel for voxel", () => {
  const outline = slice(9, 9);
  stroke(outline, () => outline.line([1, 2, 0], [7, 6, 0], AXIAL, 3, 1));
  const again = slice(9, 9);
  stroke(again, () => again.box([0, 0, 0], [8, 8, 0], AXIAL, 1));
  again.restore(outline.runs());
  assert.deepEqual(again.mask, outline.mask);
  assert.equal(again.voxels, outline.voxels);
});

test("what was restored cannot be undone", () => {
  const outline = slice(3, 1);
  stroke(outline, () => outline.line([0, 0, 0], [0, 0, 0], AXIAL, 1, 1));
  outline.restore(Uint32Array.of(1, 2));
  assert(!outline.undo());
  assert.deepEqual(rows(outline), [".##"]);
});
