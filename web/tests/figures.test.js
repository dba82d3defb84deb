/** Numbers and names as people read them. */

import assert from "node:assert/strict";
import test from "node:test";

import { ago, colourOf, duration, rgb, saidBy, share } from "../../lib/xal/server/page/dom.js";
import { stepsOf } from "../../lib/xal/server/page/jobs.js";
import { inWords, isOffered, roisOf, saidIn, segmentsOf } from "../../lib/xal/server/page/findings.js";
import { readPath, revisePath } from "../../lib/xal/server/page/rows.js";
import { sure } from "../../lib/xal/server/page/sure.js";

const room = /** @type {Reply.Room} */ ({
  findings: [
    { name: "none", absent: true, color: null },
    { name: "square", absent: false, color: [1, 2, 3] },
    { name: "disc", absent: false, color: null },
    { name: "ring", absent: false, color: null },
  ],
});

test("a share has two digits, and a dash where it has no meaning", () => {
  assert.deepEqual([share(0.456), share(0), share(null), share(undefined)], ["0.46", "0.00", "–", "–"]);
});

test("a length of time is said in its two largest units", () => {
  assert.deepEqual([0, 0.4, 59.4, 59.7, 60, 119.9, 900, 905, 3600, 3661, 7320].map(duration), [
    "1 s",
    "1 s",
    "59 s",
    "1 min",
    "1 min",
    "2 min",
    "15 min",
    "15 min 5 s",
    "1 h",
    "1 h 1 min",
    "2 h 2 min",
  ]);
});

test("how long ago is said in the largest unit", (context) => {
  context.mock.timers.enable({ apis: ["Date"], now: 1_000_000_000 });
  const now = 1_000_000;
  assert.deepEqual(
    [now + 5, now - 59, now - 60, now - 7200, now - 200_000].map((seconds) => ago(seconds)),
    ["just now", "just now", "1 min ago", "2 h ago", "2 d ago"],
  );
});

test("a finding has the colour of its task, and else one of its own", () => {
  assert.deepEqual(colourOf(room, "square"), [1, 2, 3]);
  assert.notEqual(rgb(colourOf(room, "disc")), rgb(colourOf(room, "ring")));
});

test("no finding, and one that nobody knows, are grey", () => {
  assert.equal(rgb(colourOf(room, "none")), rgb(colourOf(room, null)));
  assert.equal(rgb(colourOf(room, "forgotten")), rgb(colourOf(room, null)));
});

test("a region has a colour that no finding has", () => {
  assert(!["none", "square", "disc", "ring", null].some((name) => rgb(colourOf(room, name)) === rgb(colourOf(room, "region"))));
});

test("a region is painted behind all findings, where the task takes regions", () => {
  assert.deepEqual(roisOf(room), ["square", "disc", "ring"]);
  assert.deepEqual(segmentsOf({ ...room, regions: true }), ["square", "disc", "ring", "region"]);
  assert.deepEqual(segmentsOf({ ...room, regions: false }), ["square", "disc", "ring"]);
  const offered = (/** @type {boolean} */ regions) => ["none", "disc", "region", "forgotten", null].filter((name) => isOffered({ ...room, regions }, name));
  assert.deepEqual(
    [offered(true), offered(false)],
    [
      ["none", "disc", "region"],
      ["none", "disc"],
    ],
  );
});

test("a region is told from what is not to be seen", () => {
  assert.deepEqual([saidIn({ finding: null, region: true }), saidIn({ finding: "disc", region: false })], ["region", "disc"]);
  assert.equal(saidIn({ finding: null, region: false }), null);
  assert.deepEqual([inWords("region"), inWords("disc"), inWords(null)], ["region only", "disc", null]);
});

/**
 * @param {Reply.Job["kind"]} kind
 * @param {Reply.Job["progress"]} progress
 * @returns {Reply.Job}
 */
const job = (kind, progress) => ({ id: 1, kind, state: "running", started_at: 0, finished_at: null, message: null, progress });

test("training counts epochs, scoring images", () => {
  assert.deepEqual(stepsOf(job("train", { epoch: 3, total_epochs: 40 })), { done: 3, total: 40, unit: "epochs" });
  assert.deepEqual(stepsOf(job("score", { done: 5, total: 9 })), { done: 5, total: 9, unit: "images" });
});

test("a job that has not begun to count has no end yet", () => {
  assert.deepEqual(stepsOf(job("score", {})), { done: 0, total: null, unit: "images" });
});

test("an image is read at its own address, whatever it is called", () => {
  assert.equal(readPath("a/b c?"), "#/read/a%2Fb%20c%3F");
  assert.equal(revisePath({ image: "a", id: 7 }), "#/read/a?revise=7");
});

test("an error says what it says, and so does anything else that is thrown", () => {
  assert.equal(saidBy(new TypeError("no such thing")), "no such thing");
  assert.equal(saidBy("nothing"), "nothing");
});

test("what is missing where it cannot be is an error, and zero is not missing", () => {
  assert.equal(sure(0), 0);
  assert.throws(() => sure(null));
  assert.throws(() => sure(undefined));
});
