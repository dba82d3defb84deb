/** Talking to the server: who asks, what comes of it, and what is said where nothing does. */

import assert from "node:assert/strict";
import test from "node:test";

import { address, Failure, get, getAll, idPath, post, speakFor } from "../../lib/xal/server/page/api.js";
import { answering, replying, unreachable } from "./browser.js";

speakFor("dr b");

test("an address says who asks, and nothing that is empty", () => {
  assert.equal(address("/queue", { state: "waiting", reader: "", cursor: null, limit: 0 }), "/xal/api/queue?client_id=dr+b&state=waiting&limit=0");
});

test("an image's name cannot change the path it is asked at", () => {
  assert.equal(idPath("a/../b?c"), "/images/a%2F..%2Fb%3Fc");
});

test("what is posted is posted in the reader's name", async () => {
  const requests = answering(replying({ released: true }));
  await post("/images/a/release");
  assert.equal(requests[0].options.body, '{"client_id":"dr b"}');
});

test("a list is fetched page by page, up to the last", async () => {
  const requests = answering(replying({ items: [{ reader: "a" }], next: "2" }), replying({ items: [{ reader: "b" }], next: null }));
  assert.deepEqual(
    (await getAll("/leases")).map((lease) => lease.reader),
    ["a", "b"],
  );
  assert.match(requests[1].url, /cursor=2/);
});

test("a refusal is said in the server's words", async () => {
  answering(replying({ detail: "somebody else has it" }, 409));
  await assert.rejects(get("/room"), { message: "somebody else has it", status: 409, passing: false });
});

test("fields that the server does not take are named", async () => {
  const detail = [
    { loc: ["body", "alpha"], msg: "is too large" },
    { loc: ["body", "reason"], msg: "is missing" },
  ];
  answering(replying({ detail }, 422));
  await assert.rejects(get("/room"), { message: "alpha: is too large; reason: is missing" });
});

test("an error page of a proxy is not taken for words of the server", async () => {
  answering(() => new Response("<html>", { status: 502 }));
  await assert.rejects(get("/room"), { message: "The server answered 502.", passing: true });
});

test("a page of somebody else in the server's place is no reply", async () => {
  answering(() => new Response("<html>"));
  await assert.rejects(get("/room"), { message: "Something else than the server answered.", status: 0 });
});

test("a server that is not reached may be later", async () => {
  answering(unreachable);
  await assert.rejects(get("/room"), { message: "The server cannot be reached.", status: 0, late: false, passing: true });
});

test("a server that takes too long is known from one that is not there", async () => {
  answering(() => Promise.reject(new DOMException("late", "TimeoutError")));
  await assert.rejects(get("/room"), { status: 0, late: true });
});

test("only what may go better later is passing", () => {
  const passing = [0, 400, 403, 404, 409, 422, 429, 500, 503].filter((status) => new Failure("", status).passing);
  assert.deepEqual(passing, [0, 429, 500, 503]);
});
