/** When what is shown is fetched again. */

import assert from "node:assert/strict";
import test from "node:test";

import { live } from "../../lib/xal/server/page/live.js";
import { Watch } from "../../lib/xal/server/page/watch.js";

const PAUSE = 1000;

/**
 * The server has so many open images now.
 * @param {number} open
 */
function says(open) {
  live.state = /** @type {Reply.State} */ ({ open, settled: 0 });
  live.dispatchEvent(new Event("state"));
}

/**
 * Watch the open images, which are ten at first; `tick` lets time pass and what it has set off be done.
 * @param {import("node:test").Context} context
 */
function watching(context) {
  const { timers } = context.mock;
  timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  let refreshed = 0;
  const watch = new Watch(["open"], async () => void (refreshed += 1), PAUSE);
  says(10);
  watch.start();
  context.after(() => watch.stop());
  const tick = async (/** @type {number} */ milliseconds) => {
    timers.tick(milliseconds);
    for (let turn = 0; turn < 5; turn++) await Promise.resolve();
    return refreshed;
  };
  return { watch, tick };
}

test("the first state belongs to what was just fetched", async (context) => {
  const { tick } = watching(context);
  assert.equal(await tick(PAUSE), 0);
});

test("a change after a quiet time is fetched at once", async (context) => {
  const { tick } = watching(context);
  await tick(PAUSE);
  says(9);
  assert.equal(await tick(0), 1);
});

test("many changes are fetched once in a pause", async (context) => {
  const { tick } = watching(context);
  await tick(PAUSE);
  says(9);
  await tick(0);
  for (const open of [8, 7, 6]) says(open);
  assert.equal(await tick(PAUSE - 1), 1);
  assert.equal(await tick(1), 2);
});

test("a state that is another one elsewhere only is no change", async (context) => {
  const { tick } = watching(context);
  live.state = /** @type {Reply.State} */ ({ open: 10, settled: 5 });
  live.dispatchEvent(new Event("state"));
  assert.equal(await tick(PAUSE), 0);
});

test("what changes while nobody looks is fetched when somebody does", async (context) => {
  const { watch, tick } = watching(context);
  watch.stop();
  says(9);
  assert.equal(await tick(PAUSE), 0);
  watch.start();
  assert.equal(await tick(0), 1);
});
