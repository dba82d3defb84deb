/** Whose an image is, for a while. */

import assert from "node:assert/strict";
import test from "node:test";

import { answering, replying, unreachable } from "./browser.js";

const { prolong, release, take } = await import("../../lib/xal/server/page/leases.js");

const taken = replying({ image: "a", reader: "reader", until: 99 });
const refused = replying({ detail: "other is reading image a" }, 409);

test("an image that is taken is this reader's until then", async () => {
  const requests = answering(taken);
  assert.equal(await take("a", false), 99);
  assert.equal(requests[0].url, "/xal/api/images/a/lease");
});

test("who has begun may go on although somebody else has the image by now", async () => {
  answering(refused, refused);
  assert.equal(await take("a", true), null);
  await assert.rejects(take("a", false), { message: "other is reading image a" });
});

test("an image that cannot be kept for longer is this reader's as long as before, unless somebody else has it", async () => {
  answering(taken, unreachable, refused);
  assert.equal(await prolong("a", 50), 99);
  assert.equal(await prolong("a", 50), 50);
  assert.equal(await prolong("a", 50), null);
});

test("nobody is kept waiting by an image that cannot be given back", async (context) => {
  const { warn } = console;
  context.after(() => {
    console.warn = warn;
  });
  console.warn = () => {};
  const requests = answering(unreachable);
  await release("a");
  assert.equal(requests[0].url, "/xal/api/images/a/release");
});
