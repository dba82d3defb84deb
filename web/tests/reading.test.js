/** Reading as it is meant to be parted: what follows from what, and what comes too late. */

import assert from "node:assert/strict";
import test from "node:test";

import { reading, START } from "../design/reading.js";
import { draftFor, labelFor } from "./kept.js";

/** @import { Effect, Found, Happening, State } from "../design/reading.js" */

const finding = (/** @type {string} */ name, absent = false) => ({ name, absent, color: null });
const room = { reader: "reader", reviewer: false, findings: [finding("square"), finding("disc"), finding("nothing", true)] };

/**
 * An image that waits to be read.
 * @param {Partial<Reply.ImageView>} more
 */
const image = (more = {}) =>
  /** @type {Reply.ImageView} */ ({ id: "a", status: "waiting", own: null, lease: null, may_see: false, checksum: "1", fingerprint: "f", ...more });

/**
 * What was found of it.
 * @param {Partial<Found>} more
 * @returns {Found}
 */
const found = (more = {}) => ({ image: image(), until: null, revise: null, ...more });

/** A reader to whom things happen one after the other. */
class Reader {
  state = START;
  /** @type {Effect[]} what was to be done last */
  effects = [];

  /** @param {Happening} event */
  meets(event) {
    ({ state: this.state, effects: this.effects } = reading(this.state, event, room));
    return this;
  }

  /** @param {Partial<Found>} more */
  finds(more = {}) {
    return this.meets({ type: "found", turn: this.state.turn, found: found(more) });
  }

  /** The image is in view, whatever it takes. */
  sees(/** @type {Partial<Found>} */ more = {}) {
    this.finds(more);
    const [effect] = this.effects;
    if (effect.do === "lease") this.meets({ type: "leased", turn: effect.turn, image: effect.image, byName: effect.byName, until: 99 });
    return this.meets({ type: "shown", turn: this.state.turn });
  }

  get does() {
    return this.effects.map((effect) => effect.do);
  }
}

/** Somebody who draws on the next image. */
const drawing = () => new Reader().meets({ type: "next" }).meets({ type: "sampled", turn: 1, id: "a", until: 99 }).sees({ until: 99 });

/** Somebody whose label is on its way. */
function sending() {
  const reader = drawing().meets({ type: "drawn", voxels: 5 }).meets({ type: "picked", finding: "square" }).meets({ type: "submit" });
  return reader.meets({ type: "entrusted", turn: reader.state.turn, submission: "one" });
}

test("the next image is found, shown and drawn on, without another lease than that it came with", () => {
  const reader = drawing();
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.until, 99);
  assert(!reader.state.byName);
});

test("where there is no next image, that is said, and what is unfinished is offered", () => {
  const reader = new Reader().meets({ type: "next" }).meets({ type: "sampled", turn: 1, id: null, until: 0 });
  assert.equal(reader.state.phase, "empty");
  assert(reader.does.includes("list-unfinished"));
});

test("who asks for the next image while it comes does not get two", () => {
  const reader = new Reader().meets({ type: "next" }).meets({ type: "next" });
  assert.deepEqual(reader.effects, []);
  assert.equal(reader.state.turn, 1);
});

test("an image that is opened by its name is leased before it is shown", () => {
  const reader = new Reader().meets({ type: "open", image: "a" }).finds();
  assert.deepEqual(reader.does, ["lease"]);
});

test("an answer to what is not wanted any more changes nothing", () => {
  const reader = new Reader().meets({ type: "open", image: "a" }).meets({ type: "open", image: "b" });
  const before = reader.state;
  reader.meets({ type: "found", turn: 1, found: found() }).meets({ type: "failed", turn: 1, message: "gone" });
  assert.equal(reader.state, before);
  assert.deepEqual(reader.effects, []);
});

test("a lease that comes too late is given back", () => {
  const reader = new Reader().meets({ type: "open", image: "a" }).finds().meets({ type: "open", image: "b" });
  reader.meets({ type: "leased", turn: 1, image: "a", byName: true, until: 99 });
  assert.deepEqual(reader.effects, [{ do: "release", image: "a" }]);
});

test("a lease that comes late for an image that is asked for again is kept", () => {
  const reader = new Reader().meets({ type: "open", image: "a" }).finds().meets({ type: "open", image: "a" });
  reader.meets({ type: "leased", turn: 1, image: "a", byName: true, until: 99 });
  assert.deepEqual(reader.effects, []);
});

test("who leaves a looked-at image without drawing gives it back", () => {
  const reader = new Reader().meets({ type: "open", image: "a" }).sees().meets({ type: "next" });
  assert.deepEqual(reader.does.slice(0, 1), ["release"]);
});

test("who leaves what was drawn keeps it, and its image", () => {
  const reader = drawing().meets({ type: "drawn", voxels: 5 }).meets({ type: "next" });
  assert(!reader.does.includes("drop"));
  assert(!reader.does.includes("release"));
  assert(reader.does.includes("tell"));
});

test("a draft with nothing drawn is dropped when it is left", () => {
  const reader = drawing().meets({ type: "picked", finding: "disc" }).meets({ type: "rest" });
  assert.deepEqual(reader.effects[0], { do: "drop", image: "a" });
});

test("a draft is laid over the pixels it was drawn on", () => {
  const draft = draftFor("pool", { image: "a", finding: "disc", pixels: "f", drawn: true });
  const reader = new Reader().meets({ type: "open", image: "a" }).sees({ draft });
  assert.deepEqual(reader.does, ["lay", "draw"]);
  assert.equal(reader.state.finding, "disc");
});

test("a draft of other pixels is not laid, and not written over until something is drawn", () => {
  const draft = draftFor("pool", { image: "a", finding: "disc", pixels: "other" });
  const reader = new Reader().meets({ type: "open", image: "a" }).sees({ draft });
  assert.deepEqual(reader.does, ["draw"]);
  assert.deepEqual(reader.meets({ type: "picked", finding: "square" }).does, []);
  assert.deepEqual(reader.meets({ type: "drawn", voxels: 1 }).does, ["keep"]);
});

test("a label on its way is shown as that, unless its image was drawn on since", () => {
  const sent = labelFor("pool", { image: "a", draft: draftFor("pool", { changed: 2 }) });
  const open = () => new Reader().meets({ type: "open", image: "a" });
  assert.equal(open().sees({ sent, draft: draftFor("pool", { changed: 1 }) }).state.phase, "sending");
  assert.equal(open().sees({ sent, draft: draftFor("pool", { changed: 3 }) }).state.phase, "reading");
});

test("nothing is handed in before a finding is chosen", () => {
  const reader = drawing().meets({ type: "drawn", voxels: 5 }).meets({ type: "submit" });
  assert.deepEqual(reader.does, ["tell"]);
  assert.equal(reader.state.phase, "reading");
});

test("a finding without an outline is asked about, and handed in if that is meant", () => {
  const reader = drawing().meets({ type: "picked", finding: "square" }).meets({ type: "submit" });
  assert.deepEqual(reader.effects, [{ do: "ask", turn: reader.state.turn, what: "without" }]);
  assert.deepEqual(reader.meets({ type: "meant", turn: reader.state.turn }).does, ["draw", "hand-in"]);
});

test("an outline of nothing is cleared before it is handed in", () => {
  const reader = drawing().meets({ type: "drawn", voxels: 5 }).meets({ type: "picked", finding: "nothing" }).meets({ type: "submit" });
  assert.deepEqual(reader.meets({ type: "meant", turn: reader.state.turn }).does, ["erase", "draw", "hand-in"]);
});

test("what was meant for one image hands in no other", () => {
  const reader = drawing().meets({ type: "picked", finding: "square" }).meets({ type: "submit" });
  const { turn } = reader.state;
  assert.deepEqual(reader.meets({ type: "open", image: "b" }).meets({ type: "meant", turn }).does, []);
});

test("nothing is drawn on while it is being handed in", () => {
  const reader = sending();
  const before = reader.state;
  assert.equal(reader.meets({ type: "drawn", voxels: 9 }).state, before);
});

test("what has arrived is explained", () => {
  const reply = /** @type {Reply.Receipt} */ ({ revision: 1 });
  const reader = sending().meets({ type: "delivered", image: "a", submission: "one", now: image({ status: "settled" }), reply });
  assert.equal(reader.state.phase, "why");
  assert.equal(reader.state.receipt, reply);
  assert.deepEqual(reader.does, ["draw", "explain"]);
});

test("what was refused is drawn on again, with the reason", () => {
  const reader = sending().meets({ type: "delivered", image: "a", submission: "one", now: image(), refused: "too late" });
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.refused, "too late");
  assert(reader.state.kept);
});

test("what was refused because its image has other pixels now is opened anew", () => {
  const reader = sending().meets({ type: "delivered", image: "a", submission: "one", now: image({ fingerprint: "g" }), refused: "other pixels" });
  assert.equal(reader.state.phase, "loading");
  assert(reader.does.includes("find"));
});

test("an earlier label that arrives is told of, and leaves alone what is in view", () => {
  const reader = drawing();
  const before = reader.state;
  reader.meets({ type: "delivered", image: "b", submission: "other", now: null, reply: /** @type {Reply.Receipt} */ ({ revision: 1 }) });
  assert.equal(reader.state, before);
  assert.deepEqual(reader.does, ["tell"]);
});

test("while one label is on its way, another that arrives does not pass for it", () => {
  const reader = sending();
  reader.meets({ type: "delivered", image: "b", submission: "other", now: null, reply: /** @type {Reply.Receipt} */ ({ revision: 1 }) });
  assert.equal(reader.state.phase, "sending");
});

test("to outline what was only looked at, it is leased first", () => {
  const reader = new Reader();
  reader.state = { ...START, phase: "why", wanted: "a", found: found() };
  assert.deepEqual(reader.meets({ type: "again" }).does, ["lease"]);
  assert.equal(reader.meets({ type: "leased", turn: 0, image: "a", byName: true, until: 99 }).state.phase, "reading");
});

test("to outline anew what was handed in, it is begun with, and takes no other's place", () => {
  const own = { id: 7, image: "a", reader: "reader", revision: 1, finding: "disc", roi_voxels: 5, created_at: 0 };
  const said = { ...own, active: true, own: true, of_these_pixels: true };
  const reader = new Reader();
  reader.state = { ...START, phase: "why", wanted: "a", found: found({ image: image({ own }) }) };
  assert.deepEqual(reader.meets({ type: "again" }).does, ["begin-with"]);
  reader.meets({ type: "begun-with", turn: 0, said });
  assert.equal(reader.state.finding, "disc");
  assert.equal(reader.state.revises, null);
});
