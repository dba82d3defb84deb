/** What is kept where the browser writes nothing: for as long as the page is open, and the page says so. */

import assert from "node:assert/strict";
import test from "node:test";

import { answering, replying } from "./browser.js";
import { draftFor, labelFor } from "./kept.js";

const { transaction } = IDBDatabase.prototype;
/** @type {typeof transaction} */
IDBDatabase.prototype.transaction = function (names, mode, options) {
  if (mode === "readwrite") throw new DOMException("the disk is full", "QuotaExceededError");
  return transaction.call(this, names, mode, options);
};
console.warn = () => {}; // entrust says what the browser has said

const { draftOf, draftsOf, entrust, keepDraft, sendAll, waiting } = await import("../../lib/xal/server/page/keep.js");

/** Whether the page asks before it is left. */
function asksBeforeLeaving() {
  const event = new Event("beforeunload", { cancelable: true });
  window.dispatchEvent(event);
  return event.defaultPrevented;
}

test("the page may be left while everything is written", () => {
  assert(!asksBeforeLeaving());
});

test("a draft that is not written is there all the same, and whoever keeps it is told", async () => {
  const draft = draftFor("draft");
  await assert.rejects(keepDraft(draft), { name: "QuotaExceededError" });
  assert.deepEqual(await draftOf("draft", "task", "reader", "image"), draft);
  assert.deepEqual(await draftsOf("draft", "task", "reader"), [draft]);
  assert(asksBeforeLeaving());
});

test("a label that is not written waits, is sent, and then waits no more", async () => {
  await entrust(labelFor("label"));
  assert.equal((await waiting("label", "task")).length, 1);
  answering(replying({ image: "image", xal: {} }));
  await sendAll("label", "task", () => {});
  assert.deepEqual(await waiting("label", "task"), []);
});
