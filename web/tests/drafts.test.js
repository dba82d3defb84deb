/** One reader's drafts while they change. */

import assert from "node:assert/strict";
import test from "node:test";

import "./browser.js";
import { draftFor } from "./kept.js";

const { Drafts } = await import("../../lib/xal/server/page/drafts.js");

/** @param {string} pool */
const draftsIn = (pool) => new Drafts(/** @type {Reply.Room} */ ({ pool, task: "task", reader: "reader" }));

/** How many drafts are written while this runs; by its end all are. */
async function written(/** @type {() => Promise<unknown>} */ run) {
  const { put } = IDBObjectStore.prototype;
  let count = 0;
  IDBObjectStore.prototype.put = function (value, key) {
    count += 1;
    return put.call(this, value, key);
  };
  try {
    await run();
  } finally {
    IDBObjectStore.prototype.put = put;
  }
  return count;
}

test("what is asked for is what was kept last, even if that was not written yet", async () => {
  const drafts = draftsIn("last");
  for (let changed = 1; changed <= 3; changed++) drafts.keep(draftFor("last", { changed }));
  assert.equal((await drafts.get("image"))?.changed, 3);
});

test("of many drafts of an image that come at once, the first and the last are written", async () => {
  const drafts = draftsIn("many");
  const count = await written(async () => {
    for (let changed = 1; changed <= 20; changed++) drafts.keep(draftFor("many", { changed }));
    await drafts.all();
  });
  assert.equal(count, 2);
});

test("drafts of several images are all written", async () => {
  const drafts = draftsIn("several");
  for (const image of ["a", "b", "c"]) drafts.keep(draftFor("several", { image }));
  assert.deepEqual((await drafts.all()).map((draft) => draft.image).sort(), ["a", "b", "c"]);
});

test("a region is kept as one, with its outline", async () => {
  const drafts = draftsIn("region");
  drafts.keep(draftFor("region", { finding: "square", changed: 1 }));
  drafts.keep(draftFor("region", { finding: "region", runs: Uint32Array.of(4, 5), changed: 2 }));
  const [draft] = await drafts.all();
  assert.deepEqual([draft.finding, [...draft.runs]], ["region", [4, 5]]);
});

test("what is dropped while it is being written stays dropped", async () => {
  const drafts = draftsIn("dropped");
  drafts.keep(draftFor("dropped", { changed: 1 }));
  drafts.keep(draftFor("dropped", { changed: 2 }));
  await drafts.drop("image");
  assert.equal(await drafts.get("image"), undefined);
});

test("a draft that was listed before the page knew it is dropped", async () => {
  const { keepDraft } = /** @type {typeof import("../../lib/xal/server/page/keep.js")} */ (
    await import(/** @type {any} */ ("../../lib/xal/server/page/keep.js?before a reload"))
  );
  await keepDraft(draftFor("reloaded"));
  const drafts = draftsIn("reloaded");
  const [{ image, changed }] = await drafts.all();
  await drafts.drop(image, changed);
  assert.deepEqual(await drafts.all(), []);
});

test("after stopping nothing of that image is written any more", async () => {
  const drafts = draftsIn("stopped");
  drafts.keep(draftFor("stopped", { changed: 1 }));
  drafts.keep(draftFor("stopped", { changed: 2 }));
  await drafts.stop("image");
  assert.equal((await drafts.get("image"))?.changed, 1);
});
