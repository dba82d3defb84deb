/** What is kept in the browser: drafts, and labels until the server has them. */

import assert from "node:assert/strict";
import test from "node:test";

import { answering, replying, unreachable } from "./browser.js";
import { draftFor, labelFor } from "./kept.js";

const { draftOf, draftsOf, dropDraft, entrust, keepDraft, knowDraft, labelOf, markTold, sendAll, submissionNumber, waiting, waitingElsewhere } =
  await import("../../lib/xal/server/page/keep.js");

/**
 * Send what waits in a pool; what became of it.
 * @param {string} pool
 */
async function sent(pool) {
  /** @type {Page.Delivery[]} */
  const told = [];
  await sendAll(pool, "task", (result) => told.push(result));
  return told;
}

test("a draft is found again under its pool, task, reader and image", async () => {
  const draft = draftFor("found", { runs: Uint32Array.of(3, 2, 4) });
  await keepDraft(draft);
  assert.deepEqual(await draftOf("found", "task", "reader", "image"), draft);
  assert.equal(await draftOf("found", "task", "another", "image"), undefined);
});

test("a reader's drafts are listed without those of others, the latest first", async () => {
  await keepDraft(draftFor("listed", { image: "old", changed: 1 }));
  await keepDraft(draftFor("listed", { image: "new", changed: 2 }));
  await keepDraft(draftFor("listed", { image: "other", reader: "another", changed: 3 }));
  assert.deepEqual(
    (await draftsOf("listed", "task", "reader")).map((draft) => draft.image),
    ["new", "old"],
  );
});

test("a dropped draft is gone", async () => {
  await keepDraft(draftFor("dropped"));
  await dropDraft("dropped", "task", "reader", "image");
  assert.equal(await draftOf("dropped", "task", "reader", "image"), undefined);
});

test("a label that is on its way has no draft any more", async () => {
  await keepDraft(draftFor("entrusted"));
  await entrust(labelFor("entrusted"));
  assert.equal(await draftOf("entrusted", "task", "reader", "image"), undefined);
  assert.equal((await waiting("entrusted", "task")).length, 1);
});

test("labels wait in the order in which they were made", async () => {
  await entrust(labelFor("order", { submission: "order-second", made: 2 }));
  await entrust(labelFor("order", { submission: "order-first", made: 1 }));
  assert.deepEqual(
    (await waiting("order", "task")).map((entry) => entry.submission),
    ["order-first", "order-second"],
  );
});

test("a reader's label of an image is the one that was made last", async () => {
  await entrust(labelFor("latest", { submission: "latest-first", made: 1 }));
  await entrust(labelFor("latest", { submission: "latest-second", made: 2 }));
  await entrust(labelFor("latest", { submission: "latest-other", made: 3, reader: "another" }));
  assert.equal((await labelOf("latest", "task", "reader", "image"))?.submission, "latest-second");
  assert.equal(await labelOf("latest", "task", "reader", "other"), undefined);
});

test("a label of another pool or task waits elsewhere", async () => {
  await entrust(labelFor("elsewhere", { submission: "elsewhere-task", task: "another" }));
  assert.deepEqual(await waiting("elsewhere", "task"), []);
  assert((await waitingElsewhere("elsewhere", "task")).some((entry) => entry.submission === "elsewhere-task"));
});

test("a label that the server has waits no more", async () => {
  await entrust(labelFor("taken"));
  answering(replying({ image: "image", xal: { revision: 1 } }));
  const [{ reply }] = await sent("taken");
  assert.equal(reply?.xal.revision, 1);
  assert.deepEqual(await waiting("taken", "task"), []);
});

test("a label is sent with its image and its fields", async () => {
  await entrust(labelFor("fields", { image: "a b", params: { finding: "square" } }));
  const requests = answering(replying({ image: "a b", xal: {} }));
  await sent("fields");
  assert.equal(requests[0].url, "/datastore/label?image=a+b");
  const form = /** @type {FormData} */ (requests[0].options.body);
  assert.equal(form.get("params"), '{"finding":"square"}');
});

test("a refused label is a draft again, with the reason", async () => {
  await entrust(labelFor("refused", { draft: draftFor("refused", { runs: Uint32Array.of(1, 8) }) }));
  answering(replying({ detail: "too late" }, 409), replying({ pool: "refused", task: "task" }));
  const [{ refused }] = await sent("refused");
  assert.equal(refused, "too late");
  const draft = await draftOf("refused", "task", "reader", "image");
  assert.equal(draft?.refused, "too late");
  assert.equal(draft?.untold, true);
  assert.deepEqual(draft?.runs, Uint32Array.of(1, 8));
  assert.deepEqual(await waiting("refused", "task"), []);
});

test("a refusal leaves alone what was drawn since, and adds its reason", async () => {
  await entrust(labelFor("since", { draft: draftFor("since", { changed: 1 }) }));
  await keepDraft(draftFor("since", { changed: 2, runs: Uint32Array.of(2, 7) }));
  answering(replying({ detail: "too late" }, 409), replying({ pool: "since", task: "task" }));
  await sent("since");
  const draft = await draftOf("since", "task", "reader", "image");
  assert.deepEqual(draft?.runs, Uint32Array.of(2, 7));
  assert.equal(draft?.refused, "too late");
});

test("what was kept before the label was made gives way to it when it comes back", async () => {
  await entrust(labelFor("before", { draft: draftFor("before", { changed: 2, runs: Uint32Array.of(1, 8) }) }));
  await keepDraft(draftFor("before", { changed: 1, runs: Uint32Array.of(2, 7) }));
  answering(replying({ detail: "too late" }, 409), replying({ pool: "before", task: "task" }));
  await sent("before");
  assert.deepEqual((await draftOf("before", "task", "reader", "image"))?.runs, Uint32Array.of(1, 8));
});

test("a refusal that was seen is not told again", async () => {
  await keepDraft(draftFor("told", { refused: "too late", untold: true }));
  await markTold("told", "task", "reader", "image");
  const draft = await draftOf("told", "task", "reader", "image");
  assert.equal(draft?.untold, false);
  assert.equal(draft?.refused, "too late");
});

test("a label waits where the server is not reached", async () => {
  await entrust(labelFor("away"));
  answering(unreachable);
  assert.deepEqual(await sent("away"), []);
  assert.equal((await waiting("away", "task")).length, 1);
});

test("a label waits where the server has something else by now", async () => {
  await entrust(labelFor("moved"));
  answering(replying({ detail: "another pool" }, 409), replying({ pool: "another", task: "task" }));
  assert.deepEqual(await sent("moved"), []);
  assert.equal((await waiting("moved", "task")).length, 1);
});

test("a label that fails in passing does not hold up the next", async () => {
  await entrust(labelFor("passing", { submission: "passing-first", made: 1 }));
  await entrust(labelFor("passing", { submission: "passing-second", made: 2 }));
  answering(replying({ detail: "busy" }, 503), replying({ image: "image", xal: {} }));
  assert.deepEqual(
    (await sent("passing")).map((result) => result.entry.submission),
    ["passing-second"],
  );
  assert.deepEqual(
    (await waiting("passing", "task")).map((entry) => entry.submission),
    ["passing-first"],
  );
});

test("sending goes on once at a time", async () => {
  await entrust(labelFor("once"));
  const reply = replying({ image: "image", xal: {} });
  const requests = answering(async () => {
    await new Promise((resolve) => setTimeout(resolve, 50));
    return reply();
  });
  await Promise.all([sent("once"), sent("once")]);
  assert.equal(requests.length, 1);
});

test("a number to hand in under is nobody else's", () => {
  assert.match(submissionNumber(), /^[0-9a-f]{32}$/);
  assert.notEqual(submissionNumber(), submissionNumber());
});

/** The same module as another tab has it: what the browser keeps is the same, what a page remembers is not. */
const tab = /** @type {typeof import("../../lib/xal/server/page/keep.js")} */ (
  await import(/** @type {any} */ ("../../lib/xal/server/page/keep.js?another tab"))
);

/** @param {string} pool */
const ofImage = (pool) => /** @type {const} */ ([pool, "task", "reader", "image"]);

test("what another tab has drawn since is not written over, and this page goes on having its own", async () => {
  await keepDraft(draftFor("tabs", { changed: 1 }));
  await tab.draftOf(...ofImage("tabs"));
  await tab.keepDraft(draftFor("tabs", { changed: 2, runs: Uint32Array.of(2, 7) }));
  const own = draftFor("tabs", { changed: 3, runs: Uint32Array.of(3, 6) });
  await assert.rejects(keepDraft(own), { message: "it was outlined in another tab meanwhile" });
  assert.deepEqual(await draftOf(...ofImage("tabs")), own);
  assert.deepEqual((await tab.draftOf(...ofImage("tabs")))?.runs, Uint32Array.of(2, 7));
});

test("what another tab has drawn of an image that was opened here without a draft is not written over", async () => {
  assert.equal(await draftOf(...ofImage("tabs-new")), undefined);
  await tab.keepDraft(draftFor("tabs-new", { changed: 2 }));
  await assert.rejects(keepDraft(draftFor("tabs-new", { changed: 3 })), { message: "it was outlined in another tab meanwhile" });
});

test("what another tab has drawn since is not dropped, neither here nor by handing in", async () => {
  await keepDraft(draftFor("tabs-dropped", { changed: 1 }));
  await tab.draftOf(...ofImage("tabs-dropped"));
  await tab.keepDraft(draftFor("tabs-dropped", { changed: 2 }));
  await dropDraft(...ofImage("tabs-dropped"));
  await entrust(labelFor("tabs-dropped", { draft: draftFor("tabs-dropped", { changed: 3 }) }));
  assert.equal((await tab.draftOf(...ofImage("tabs-dropped")))?.changed, 2);
  assert.equal((await waiting("tabs-dropped", "task")).length, 1);
});

test("who opens the image again takes over what another tab has drawn", async () => {
  await keepDraft(draftFor("tabs-again", { changed: 1 }));
  await tab.draftOf(...ofImage("tabs-again"));
  await tab.keepDraft(draftFor("tabs-again", { changed: 2 }));
  assert.equal((await draftOf(...ofImage("tabs-again")))?.changed, 2);
  await keepDraft(draftFor("tabs-again", { changed: 3 }));
  assert.equal((await tab.draftOf(...ofImage("tabs-again")))?.changed, 3);
});

test("a refused label is drawn on here, where it came back", async () => {
  await entrust(labelFor("tabs-refused", { draft: draftFor("tabs-refused", { changed: 1 }) }));
  answering(replying({ detail: "too late" }, 409), replying({ pool: "tabs-refused", task: "task" }));
  await sent("tabs-refused");
  await keepDraft(draftFor("tabs-refused", { changed: Date.now() + 1 }));
});

test("a clock that was set back makes another tab's outline no older", async () => {
  await keepDraft(draftFor("tabs-clock", { changed: 1000 }));
  await tab.draftOf(...ofImage("tabs-clock"));
  await tab.keepDraft(draftFor("tabs-clock", { changed: 500 }));
  await assert.rejects(keepDraft(draftFor("tabs-clock", { changed: 501 })), { message: "it was outlined in another tab meanwhile" });
});

test("what was only listed here is dropped as it was listed, and not if it was drawn on since", async () => {
  await tab.keepDraft(draftFor("tabs-listed", { changed: 1 }));
  const [listed] = await draftsOf("tabs-listed", "task", "reader");
  await tab.keepDraft(draftFor("tabs-listed", { changed: 2 }));
  knowDraft(listed.changed, ...ofImage("tabs-listed"));
  await dropDraft(...ofImage("tabs-listed"));
  const [again] = await draftsOf("tabs-listed", "task", "reader");
  assert.equal(again.changed, 2);
  knowDraft(again.changed, ...ofImage("tabs-listed"));
  await dropDraft(...ofImage("tabs-listed"));
  assert.deepEqual(await draftsOf("tabs-listed", "task", "reader"), []);
});

test("a refusal leaves alone what another tab had drawn before the label was made", async () => {
  await keepDraft(draftFor("tabs-refusal", { changed: 8 }));
  await tab.draftOf(...ofImage("tabs-refusal"));
  await tab.keepDraft(draftFor("tabs-refusal", { changed: 9, runs: Uint32Array.of(2, 7) }));
  await entrust(labelFor("tabs-refusal", { draft: draftFor("tabs-refusal", { changed: 10, runs: Uint32Array.of(3, 6) }) }));
  answering(replying({ detail: "too late" }, 409), replying({ pool: "tabs-refusal", task: "task" }));
  await sent("tabs-refusal");
  const draft = await tab.draftOf(...ofImage("tabs-refusal"));
  assert.deepEqual([draft?.runs, draft?.refused], [Uint32Array.of(2, 7), "too late"]);
});
