/** By which method images are chosen: one's own choice, and what others choose meanwhile. */

import { answering, replying } from "./browser.js";

import assert from "node:assert/strict";
import test from "node:test";

/** As much of an element as a list needs that knows whether it has the focus. */
class Element extends EventTarget {
  value = "";
  textContent = "";
  dataset = {};
  setAttribute() {}
  append() {}
  remove() {}
  replaceChildren() {}
  focus() {
    page.activeElement = this;
  }
  blur() {
    if (page.activeElement === this) page.activeElement = null;
  }
}

const page = {
  /** @type {Element | null} */
  activeElement: null,
  createElement: () => new Element(),
  getElementById: () => new Element(),
  querySelector: () => new Element(),
};
Object.assign(globalThis, { document: page, Node: Element });

const { live } = await import("../../lib/xal/server/page/live.js");
const { Choice } = await import("../../lib/xal/server/page/queue.js");

/**
 * The server says by which method images are chosen now.
 * @param {Reply.State["method"]} method
 */
function says(method) {
  live.state = /** @type {Reply.State} */ ({ method, lined_up: true, model_version: 1 });
  live.dispatchEvent(new Event("state"));
}

/**
 * The list, from which somebody has chosen a method, and what it says once the server has answered.
 * @param {import("node:test").Context} context
 * @param {() => Response} reply
 */
async function chosen(context, reply) {
  const { timers } = context.mock;
  timers.enable({ apis: ["setTimeout", "Date"], now: 0 }); // a toast would go on for seconds
  says("xal");
  const { list } = new Choice(/** @type {Reply.Room} */ ({ methods: ["xal", "entropy", "margin"], reviewers: false }));
  list.focus();
  says("margin");
  assert.equal(list.value, "xal", "nothing moves under the hand that chooses");
  list.value = "entropy";
  answering(reply);
  list.dispatchEvent(new Event("change"));
  for (let turn = 0; turn < 50; turn++) await Promise.resolve();
  return list;
}

test("once a method is chosen, the list follows what others choose", async (context) => {
  const list = await chosen(context, replying({ method: "entropy" }));
  assert.equal(list.value, "entropy");
  says("margin");
  assert.equal(list.value, "margin");
});

test("a choice that was refused is taken back, and the list follows what others choose", async (context) => {
  const list = await chosen(context, replying({ detail: "only reviewers may" }, 403));
  assert.equal(list.value, "margin");
  says("xal");
  assert.equal(list.value, "xal");
});
