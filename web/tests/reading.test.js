/** Reading: what follows from what a reader does and from what the server says, and what comes too late. */

import assert from "node:assert/strict";
import test from "node:test";

import { reading, START } from "../../lib/xal/server/page/reading.js";
import { draftFor, labelFor } from "./kept.js";

/** @import { Effect, Found, Happening, Room, State } from "../../lib/xal/server/page/reading.js" */

const NOW = 1_000_000; // milliseconds
const LATER = 10_000; // seconds: the end of a lease that need not be prolonged yet
const SIZE = 9;

const finding = (/** @type {string} */ name, absent = false) => ({ name, absent, color: null });
/** @type {Room} */
const ROOM = {
  reader: "reader",
  reviewer: false,
  reviewers: true,
  reveal: "after_submit",
  lease_minutes: 60,
  findings: [finding("square"), finding("disc"), finding("nothing", true)],
  regions: true,
  asked_for: "finding",
};
/** @type {Room} */
const REVIEWER = { ...ROOM, reviewer: true };

/**
 * An image that waits to be read.
 * @param {Partial<Reply.ImageView>} more
 */
const image = (more = {}) =>
  /** @type {Reply.ImageView} */ ({
    id: "a",
    status: "waiting",
    own: null,
    lease: null,
    may_see: false,
    checksum: "1",
    fingerprint: "f",
    outline_wanted: true,
    ...more,
  });

/**
 * What a reader said of it.
 * @param {Partial<Reply.Said>} more
 * @returns {Reply.Said}
 */
const said = (more = {}) => ({
  ...{ id: 7, image: "a", reader: "reader", revision: 1, finding: "disc", region: false, roi_voxels: 5, created_at: 0 },
  ...{ active: true, own: true, of_these_pixels: true, origin: "page" },
  ...more,
});

/** An outline of so many pixels of the nine. */
const runs = (/** @type {number} */ voxels) => Uint32Array.of(SIZE - voxels, voxels);

/** @param {Partial<Page.Draft>} more */
const draft = (more = {}) => draftFor("pool", { image: "a", finding: "disc", pixels: "f", checksum: "1", runs: runs(4), ...more });

/**
 * A label on its way.
 * @param {Partial<Page.Draft>} more
 */
const label = (more = {}) => labelFor("one", { image: "a", draft: draft({ changed: 2, ...more }) });

const receipt = { annotation: 7, finding: "disc", region: false, message: "thank you", revision: 1, roi_voxels: 4, shown: [] };
/**
 * The server has it.
 * @param {Page.Entry} entry
 * @returns {Page.Delivery}
 */
const taken = (entry) => ({ entry, reply: { image: entry.image, xal: receipt } });
/**
 * The server did not want it.
 * @param {Page.Entry} entry
 * @returns {Page.Delivery}
 */
const refused = (entry) => ({ entry, refused: "not now" });

/** A reader to whom things happen one after the other. */
class Reader {
  state = START;
  /** @type {Effect[]} what was to be done last */
  effects = [];

  /** @param {Room} room */
  constructor(room = ROOM) {
    this.room = room;
  }

  /** @param {Happening} event */
  meets(event) {
    ({ state: this.state, effects: this.effects } = reading(Object.freeze(this.state), event, this.room, NOW)); // it changes nothing in place
    return this;
  }

  /** @param {string} name */
  opens(name, revise = /** @type {number | null} */ (null)) {
    return this.meets({ type: "entered", image: name, revise });
  }

  /** @param {Partial<Found>} more */
  finds(more = {}) {
    return this.meets({ type: "found", turn: this.state.turn, found: { image: image(), unfinished: [], ...more } });
  }

  /**
   * The image is in view, whatever it takes.
   * @param {Partial<Found>} more
   */
  sees(more = {}) {
    this.finds(more);
    const [effect] = this.effects;
    if (effect.do === "lease") this.meets({ type: "leased", turn: effect.turn, image: effect.image, byName: effect.byName, until: LATER });
    this.meets({ type: "fetched", turn: this.state.turn, file: new ArrayBuffer(0) });
    return this.meets({ type: "shown", turn: this.state.turn, size: SIZE });
  }

  /** @param {number} voxels */
  draws(voxels) {
    return this.meets({ type: "drawn", voxels, undoable: true });
  }

  /** The answer to what was asked last. */
  says(yes = true) {
    const [asked] = this.effects;
    assert(asked.do === "ask");
    const event = yes ? asked.then : asked.otherwise;
    return event ? this.meets(event) : this;
  }

  get does() {
    return this.effects.map((effect) => effect.do);
  }

  /** Whether nothing comes of this. */
  ignores(/** @type {Happening} */ event) {
    const before = this.state;
    this.meets(event);
    return this.state === before && this.effects.length === 0;
  }
}

/** Somebody who may draw on the next image. */
const drawing = (room = ROOM) => new Reader(room).meets({ type: "next" }).meets({ type: "sampled", turn: 1, image: "a", until: LATER }).sees();

/** Somebody who has drawn and hands in. */
const handing = () => drawing().draws(5).meets({ type: "picked", finding: "square" }).meets({ type: "submit" });

/** Somebody whose label is on its way. */
function sending() {
  const reader = handing();
  return reader.meets({ type: "numbered", turn: reader.state.turn, submission: "one" });
}

/** Somebody who sees what the model had made of an image. */
const looking = (/** @type {Partial<Reply.ImageView>} */ more = {}, room = ROOM) =>
  new Reader(room).opens("a").sees({ image: image({ status: "settled", may_see: true, ...more }) });

/** Somebody who looks again at what was handed in. */
const done = () => looking({ own: said() });

// which image

test("the next image is found, fetched, shown and drawn on, without another lease than that it came with", () => {
  const reader = new Reader().meets({ type: "next" });
  assert.deepEqual(reader.does, ["clear", "name", "sample"]);
  reader.meets({ type: "sampled", turn: 1, image: "a", until: LATER });
  assert.deepEqual(reader.does, ["name", "find"]);
  assert.deepEqual(reader.finds().effects, [{ do: "fetch", turn: 1, image: "a", checksum: "1" }]);
  assert.deepEqual(reader.meets({ type: "fetched", turn: 1, file: new ArrayBuffer(0) }).does, ["show"]);
  assert.deepEqual(reader.meets({ type: "shown", turn: 1, size: SIZE }).does, ["begin", "colour"]);
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.until, LATER);
  assert(!reader.state.byName);
});

test("where there is no next image, that is said, and what is unfinished is offered", () => {
  const reader = new Reader().meets({ type: "next" }).meets({ type: "none-left", turn: 1 });
  assert.equal(reader.state.phase, "empty");
  assert.deepEqual(reader.effects.at(-1), { do: "list", turn: 2 });
  assert.deepEqual(reader.meets({ type: "listed", turn: 2, unfinished: [draft()] }).state.unfinished, [draft()]);
});

test("who asks for the next image while it comes does not get two", () => {
  assert(new Reader().meets({ type: "next" }).ignores({ type: "next" }));
});

test("what fails on the way to an image is said instead of it, and its image is given back", () => {
  const reader = new Reader().opens("a").finds();
  reader.meets({ type: "leased", turn: 1, image: "a", byName: true, until: LATER }).meets({ type: "failed", turn: 1, message: "gone" });
  assert.equal(reader.state.phase, "error");
  assert.equal(reader.state.message, "gone");
  assert.equal(reader.state.wanted, null);
  assert.deepEqual(reader.does, ["clear", "release", "name", "list"]);
});

test("where the picture breaks, that is said, and what was drawn is kept", () => {
  const reader = drawing().draws(5).meets({ type: "broken", message: "no graphics" });
  assert.equal(reader.state.phase, "error");
  assert.deepEqual(reader.does, ["clear", "name", "list"]);
});

test("an image that is opened by its name is leased before it is fetched", () => {
  const reader = new Reader().opens("a").finds();
  assert.deepEqual(reader.effects, [{ do: "lease", turn: 1, image: "a", byName: true, begun: false }]);
  assert.deepEqual(reader.meets({ type: "leased", turn: 1, image: "a", byName: true, until: LATER }).does, ["fetch"]);
});

test("an image that somebody has already is not given back by who looks at it", () => {
  const reader = new Reader().opens("a").finds({ image: image({ lease: { image: "a", reader: "other", until: LATER } }), draft: draft() });
  assert.deepEqual(reader.effects, [{ do: "lease", turn: 1, image: "a", byName: false, begun: true }]);
});

test("a reviewer who comes by name looks without taking the image, unless it is already being read", () => {
  const opened = (/** @type {Partial<Found>} */ more) => new Reader(REVIEWER).opens("a").finds(more).does;
  assert.deepEqual(opened({}), ["fetch"]);
  assert.deepEqual(opened({ draft: draft() }), ["lease"]);
  assert.deepEqual(opened({ image: image({ lease: { image: "a", reader: "reader", until: LATER } }) }), ["lease"]);
});

test("a reviewer reads the next image as everybody does", () => {
  const reader = new Reader(REVIEWER).meets({ type: "next" }).meets({ type: "sampled", turn: 1, image: "a", until: LATER });
  assert.equal(reader.sees({ image: image({ may_see: true }) }).state.phase, "reading");
});

for (const [what, more] of /** @type {[string, Partial<Found>][]} */ ([
  ["has been read by this reader", { image: image({ own: said() }) }],
  ["is settled", { image: image({ status: "settled" }) }],
  ["has a label on its way", { sent: label() }],
  ["is being revised", { draft: draft({ revises: said({ own: false }) }) }],
])) {
  test(`an image that ${what} is not taken from the queue`, () => {
    assert.deepEqual(new Reader().opens("a").finds(more).does, ["fetch"]);
  });
}

test("an image that is opened to be revised is not taken from the queue", () => {
  assert.deepEqual(new Reader({ ...ROOM, reviewers: false }).opens("a", 7).finds().does, ["fetch"]);
});

test("the image in view is not opened again, but named", () => {
  const reader = drawing();
  const before = reader.state;
  reader.opens("a");
  assert.equal(reader.state, before);
  assert.deepEqual(reader.effects, [{ do: "name", image: "a" }]);
});

test("who comes back to reading without a name finds the image that was in view", () => {
  assert.deepEqual(drawing().meets({ type: "entered", image: null, revise: null }).effects, [{ do: "name", image: "a" }]);
  assert(new Reader().meets({ type: "next" }).ignores({ type: "entered", image: null, revise: null }));
  assert.deepEqual(new Reader().meets({ type: "entered", image: null, revise: null }).does, ["clear", "name", "list"]);
});

test("what has been read is shown with why it was chosen, to who may see that", () => {
  const reader = done();
  assert.equal(reader.state.phase, "why");
  assert.deepEqual(reader.does, ["explain"]);
  assert.equal(looking({ may_see: false }).state.phase, "reading");
});

// what comes late

test("an answer to what is not wanted any more changes nothing", () => {
  const reader = new Reader().opens("a").opens("b");
  /** @type {Happening[]} */
  const late = [
    { type: "found", turn: 1, found: { image: image(), unfinished: [] } },
    { type: "fetched", turn: 1, file: new ArrayBuffer(0) },
    { type: "shown", turn: 1, size: SIZE },
    { type: "failed", turn: 1, message: "gone" },
    { type: "leased", turn: 1, image: "a", byName: false, until: LATER },
    { type: "looked-up", turn: 1, annotations: [said()] },
    { type: "outlined", turn: 1 },
    { type: "listed", turn: 1, unfinished: [draft()] },
  ];
  for (const event of late) assert(reader.ignores(event), event.type);
});

test("a sample that comes after another image was asked for is not opened", () => {
  assert(new Reader().meets({ type: "next" }).opens("b").ignores({ type: "sampled", turn: 1, image: "a", until: LATER }));
});

test("a lease that comes too late is given back", () => {
  const reader = new Reader().opens("a").finds().opens("b").meets({ type: "leased", turn: 1, image: "a", byName: true, until: LATER });
  assert.deepEqual(reader.effects, [{ do: "release", image: "a" }]);
});

test("a lease that comes late for an image that is asked for again is kept", () => {
  const reader = new Reader().opens("a").finds().opens("b").opens("a");
  assert(reader.ignores({ type: "leased", turn: 1, image: "a", byName: true, until: LATER }));
});

test("an image that is left while its file comes is given back, and its file is not shown", () => {
  const reader = new Reader().opens("a").finds().meets({ type: "leased", turn: 1, image: "a", byName: true, until: LATER }).opens("b");
  assert.deepEqual(reader.effects[1], { do: "release", image: "a" });
  assert(reader.ignores({ type: "fetched", turn: 1, file: new ArrayBuffer(0) }));
});

test("an image that is asked for again while it comes is not given back", () => {
  const reader = new Reader({ ...ROOM, reviewers: false }).opens("a").finds();
  assert.deepEqual(reader.meets({ type: "leased", turn: 1, image: "a", byName: true, until: LATER }).opens("a", 7).does, ["clear", "name", "find"]);
});

test("undo, submit and what else belongs to an image do nothing while the next one comes", () => {
  const reader = drawing().draws(5).meets({ type: "next" });
  /** @type {Happening[]} */
  const pressed = [
    { type: "drawn", voxels: 0, undoable: false },
    { type: "picked", finding: "disc" },
    { type: "submit" },
    { type: "again" },
    { type: "alone" },
    { type: "forget" },
    { type: "exclude" },
    { type: "seen" },
  ];
  for (const event of pressed) assert(reader.ignores(event), event.type);
});

test("what was meant for one image hands in, clears, forgets and excludes no other", () => {
  const reader = drawing();
  const { turn } = reader.state;
  reader.opens("b").sees({ image: image({ id: "b" }) });
  for (const type of /** @type {const} */ (["meant", "cleared", "forgotten", "excluded"])) assert(reader.ignores({ type, turn }), type);
  assert(reader.ignores({ type: "for-reason", turn, answer: "duplicate" }));
});

test("a second answer to who outlines anew does not begin twice", () => {
  const reader = done().meets({ type: "again" }).meets({ type: "again" });
  const { turn } = reader.state;
  reader.meets({ type: "looked-up", turn, annotations: [said()] }).meets({ type: "outlined", turn });
  assert.equal(reader.state.phase, "reading");
  assert(reader.ignores({ type: "looked-up", turn, annotations: [said()] }));
  assert(reader.ignores({ type: "outlined", turn }));
});

// leaving

test("who leaves a looked-at image without drawing gives it back", () => {
  assert.deepEqual(new Reader().opens("a").sees().meets({ type: "next" }).does, ["clear", "release", "name", "sample"]);
});

test("who leaves an image that came by itself without drawing keeps it", () => {
  assert.deepEqual(drawing().meets({ type: "rest" }).does, ["clear", "name", "list"]);
});

test("who leaves what was drawn keeps it, and its image, and is told the way back", () => {
  const reader = new Reader().opens("a").sees().draws(5).meets({ type: "next" });
  assert.deepEqual(reader.does, ["clear", "name", "tell", "sample"]);
  assert.deepEqual(reader.effects[2], { do: "tell", text: "a is kept.", kind: "quiet", back: "a" });
});

test("a draft with nothing drawn is dropped when it is left", () => {
  assert.deepEqual(drawing().meets({ type: "picked", finding: "disc" }).opens("b").effects[1], { do: "drop", image: "a" });
});

test("who names a finding during the first stroke and leaves keeps what is drawn so far", () => {
  const reader = drawing().meets({ type: "picked", finding: "disc", voxels: 3 }).meets({ type: "next" });
  assert.deepEqual(reader.does, ["clear", "name", "tell", "sample"]);
});

test("a draft with nothing drawn that is a revision, or was refused, is kept", () => {
  const bare = { runs: Uint32Array.of(SIZE), revises: said({ own: false }) };
  for (const more of [bare, { ...bare, revises: null, refused: "not now" }]) {
    const reader = new Reader().opens("a").sees({ draft: draft(more) });
    assert.deepEqual(reader.opens("b").does, ["clear", "name", "find"]);
  }
});

test("an image that was handed in is not given back when it is left", () => {
  const reader = new Reader().opens("a").sees().draws(5).meets({ type: "picked", finding: "square" }).meets({ type: "submit" });
  assert.deepEqual(reader.meets({ type: "next" }).does, ["clear", "name", "sample"]);
});

test("what is unfinished is still known while the next image comes", () => {
  const reader = new Reader()
    .opens("a")
    .sees({ unfinished: [draft({ image: "b" })] })
    .meets({ type: "next" });
  assert.equal(reader.state.unfinished.length, 1);
});

test("an unfinished outline is discarded only after asking, a finding alone at once", () => {
  const reader = new Reader().opens("a").sees({ unfinished: [draft({ image: "b" }), draft({ image: "c" })] });
  reader.meets({ type: "discard", draft: draft({ image: "b" }) });
  assert.deepEqual(reader.does, ["ask"]);
  assert.equal(reader.state.unfinished.length, 2);
  assert.deepEqual(reader.says().effects, [{ do: "drop", image: "b", changed: 1 }]);
  reader.meets({ type: "discard", draft: draft({ image: "c", runs: Uint32Array.of(SIZE) }) });
  assert.deepEqual(reader.effects, [{ do: "drop", image: "c", changed: 1 }]);
  assert.deepEqual(reader.state.unfinished, []);
});

// drawing

test("every stroke and every finding is kept", () => {
  const reader = drawing().draws(5);
  assert.deepEqual(reader.does, ["keep"]);
  assert.equal(reader.state.voxels, 5);
  assert.deepEqual(reader.meets({ type: "picked", finding: "disc" }).does, ["colour", "keep"]);
});

test("where there is one finding with an outline, drawing chooses it", () => {
  const one = drawing({ ...ROOM, findings: [finding("square"), finding("nothing", true)] });
  assert.equal(one.draws(5).state.finding, "square");
  assert.equal(drawing().draws(5).state.finding, null);
});

test("the lease is prolonged from its half on, once at a time", () => {
  const reader = new Reader()
    .meets({ type: "next" })
    .meets({ type: "sampled", turn: 1, image: "a", until: NOW / 1000 + 1800 })
    .sees();
  const { turn } = reader.draws(1).state;
  assert.deepEqual(reader.effects, [{ do: "keep" }, { do: "prolong", turn, image: "a", until: NOW / 1000 + 1800 }]);
  assert.deepEqual(reader.draws(2).does, ["keep"]);
  reader.meets({ type: "prolonged", turn, until: LATER });
  assert.equal(reader.state.until, LATER);
  assert.deepEqual(reader.draws(3).does, ["keep"]);
});

test("who has lost the image to somebody else goes on drawing", () => {
  const reader = drawing();
  reader.meets({ type: "prolonged", turn: reader.state.turn, until: null });
  assert.deepEqual(reader.draws(3).does, ["keep"]);
});

test("a draft is laid over the pixels it was drawn on", () => {
  const reader = new Reader().opens("a").sees({ draft: draft() });
  assert.deepEqual(reader.does, ["lay", "begin", "colour", "go-to-outline"]);
  assert.equal(reader.state.finding, "disc");
  assert(reader.state.kept);
  assert.equal(reader.meets({ type: "laid", voxels: 4 }).state.voxels, 4);
  assert.deepEqual(reader.effects, []);
});

for (const [what, same] of /** @type {[string, Partial<Page.Draft>][]} */ ([
  ["of the same pixels in another file", { checksum: "0" }],
  ["that does not say of which file it is", { checksum: undefined, pixels: undefined }],
])) {
  test(`a draft ${what} is laid, too`, () => {
    const reader = new Reader().opens("a").sees({ draft: draft(same) });
    assert(reader.does.includes("lay"));
  });
}

for (const [what, other] of /** @type {[string, Partial<Page.Draft>][]} */ ([
  ["of other pixels", { checksum: "0", pixels: "g" }],
  ["of another size", { runs: Uint32Array.of(3, 4) }],
  ["that an earlier page kept, of another file", { checksum: "0", pixels: undefined }],
])) {
  test(`a draft ${what} is not laid, and not written over until something is drawn`, () => {
    const reader = new Reader().opens("a").sees({ draft: draft(other) });
    assert(reader.state.replaced);
    assert(!reader.does.includes("lay"));
    assert.deepEqual(reader.meets({ type: "picked", finding: "square" }).does, ["colour"]);
    assert.deepEqual(reader.draws(1).does, ["keep"]);
    assert(!reader.state.replaced);
  });
}

test("where nobody knows the pixels, another file is taken to have others", () => {
  const unknown = { image: image({ fingerprint: null }), draft: draft({ checksum: "0", pixels: null }) };
  assert(new Reader().opens("a").sees(unknown).state.replaced);
});

test("a draft that was not written over is not dropped when it is left", () => {
  assert(
    !new Reader()
      .opens("a")
      .sees({ draft: draft({ checksum: "0", pixels: "g" }) })
      .opens("b")
      .does.includes("drop"),
  );
});

test("a finding that the task does not have any more is not chosen", () => {
  assert.equal(new Reader().opens("a").sees({ draft: draft({ finding: "ring" }) }).state.finding, null);
});

test("what the model thinks is shown while drawing only to who does not read blind", () => {
  assert(!drawing().does.includes("reveal"));
  assert.deepEqual(drawing({ ...ROOM, reveal: "always" }).does, ["begin", "colour", "reveal"]);
});

test("a lease is asked for again where the answer was lost with its turn", () => {
  const reader = new Reader()
    .meets({ type: "next" })
    .meets({ type: "sampled", turn: 1, image: "a", until: NOW / 1000 + 60 })
    .sees();
  reader.meets({ type: "picked", finding: "square" }).draws(1).meets({ type: "submit" });
  reader.meets({ type: "not-made", turn: reader.state.turn });
  assert.deepEqual(reader.draws(2).does, ["keep", "prolong"]);
});

// handing in

test("nothing is handed in before a finding is chosen", () => {
  const reader = drawing().draws(5).meets({ type: "submit" });
  assert.deepEqual(reader.effects, [{ do: "tell", text: "Choose the finding first.", kind: "bad" }]);
  assert.equal(reader.state.phase, "reading");
});

test("a finding without an outline is asked about, and handed in if that is meant", () => {
  const reader = drawing().meets({ type: "picked", finding: "square" }).meets({ type: "submit" });
  assert.deepEqual(reader.does, ["ask"]);
  assert.equal(reader.says(false).state.phase, "reading");
  assert.deepEqual(reader.says().does, ["hand-in"]);
});

test("where the finding alone is wanted, it is handed in unasked, with an outline or without", () => {
  const asked = () =>
    new Reader()
      .opens("a")
      .sees({ image: image({ outline_wanted: false }) })
      .meets({ type: "picked", finding: "square" });
  assert.deepEqual(asked().meets({ type: "submit" }).does, ["hand-in"]);
  assert.deepEqual(asked().draws(5).meets({ type: "submit" }).does, ["hand-in"]);
});

test("one key hands in the finding alone, also where an outline is wanted", () => {
  const reader = drawing().meets({ type: "picked", finding: "square" });
  assert.deepEqual(reader.meets({ type: "without-outline" }).does, ["hand-in"]);
});

test("neither an outline is thrown away by that key, nor nothing handed in", () => {
  const tells = (/** @type {Reader} */ reader) => {
    reader.meets({ type: "without-outline" });
    assert.deepEqual([reader.does, reader.state.phase], [["tell"], "reading"]);
  };
  tells(drawing());
  tells(drawing().meets({ type: "picked", finding: "region" }));
  tells(drawing().draws(5).meets({ type: "picked", finding: "square" }));
});

test("an outline of nothing is cleared before it is handed in", () => {
  const reader = drawing().draws(5).meets({ type: "picked", finding: "nothing" }).meets({ type: "submit" });
  assert.deepEqual(reader.says().does, ["erase", "keep", "hand-in"]);
  assert.equal(reader.state.voxels, 0);
});

test("nothing without an outline is handed in unasked", () => {
  assert.deepEqual(drawing().meets({ type: "picked", finding: "nothing" }).meets({ type: "submit" }).does, ["hand-in"]);
});

test("what is pressed twice is handed in once", () => {
  assert(handing().ignores({ type: "submit" }));
});

test("nothing is drawn, chosen or drawn again while it is being handed in", () => {
  const reader = sending();
  for (const event of /** @type {Happening[]} */ ([{ type: "drawn", voxels: 9, undoable: true }, { type: "picked", finding: "disc" }, { type: "again" }]))
    assert(reader.ignores(event), event.type);
});

test("a label file that cannot be made leaves the outline, and the reason of an earlier refusal", () => {
  const reader = new Reader().opens("a").sees({ draft: draft({ refused: "not now" }) });
  reader.meets({ type: "laid", voxels: 4 }).meets({ type: "submit" }).meets({ type: "not-made", turn: reader.state.turn });
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.voxels, 4);
  assert.equal(reader.state.refused, "not now");
});

test("a label that gets its number after its image was left is not taken for the next one", () => {
  const reader = handing();
  const { turn } = reader.state;
  assert(reader.meets({ type: "next" }).ignores({ type: "numbered", turn, submission: "one" }));
  assert.deepEqual(reader.meets({ type: "delivered", delivery: taken(label()) }).does, ["tell"]);
});

test("what has arrived is looked at again, and explained with its receipt", () => {
  const reader = sending().meets({ type: "delivered", delivery: taken(label()) });
  assert.deepEqual(reader.does, ["look-again"]);
  const settled = image({ status: "settled", own: said() });
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: settled });
  assert.equal(reader.state.phase, "why");
  assert.equal(reader.state.receipt, receipt);
  assert.equal(reader.state.image, settled);
  assert.deepEqual(reader.does, ["explain"]);
});

test("where the server does not say how the image is now, the receipt tells what was handed in", () => {
  const reader = sending();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: null });
  assert.equal(reader.state.image?.own?.finding, "disc");
  assert.equal(reader.state.image?.own?.created_at, NOW / 1000);
  assert(reader.state.image?.may_see);
});

test("what was refused is drawn on again, with the reason, which is told once it is seen", () => {
  const reader = sending().meets({ type: "delivered", delivery: refused(label()) });
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: refused(label()), image: image() });
  assert.deepEqual(reader.does, ["begin", "colour"]);
  assert.equal(reader.state.refused, "not now");
  assert.equal(reader.state.voxels, 5);
  assert(reader.state.kept);
  assert.deepEqual(reader.meets({ type: "seen" }).effects, [{ do: "mark-told", image: "a" }]);
  assert(reader.ignores({ type: "seen" }));
});

test("a refusal that is heard of twice is taken once", () => {
  const reader = sending();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: refused(label()), image: image() });
  assert(reader.ignores({ type: "delivered", delivery: refused(label()) }));
});

test("what was refused because its image has other pixels now is opened anew", () => {
  const reader = sending();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: refused(label()), image: image({ fingerprint: "g" }) });
  assert.equal(reader.state.phase, "loading");
  assert(reader.does.includes("find"));
});

test("a label that is heard of twice is explained once", () => {
  const reader = sending();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: image({ own: said() }) });
  assert.deepEqual(reader.meets({ type: "delivered", delivery: taken(label()) }).does, ["tell"]);
});

test("nothing of what was handed in is a draft any more once it has arrived", () => {
  const unlike = draft({ revises: said({ own: false }), checksum: "0", pixels: "g" });
  const reader = new Reader(REVIEWER).opens("a", 7).sees({ draft: unlike });
  reader.meets({ type: "submit" }).says();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: image({ own: said() }) });
  const { kept, revises, replaced } = reader.state;
  assert.deepEqual({ kept, revises, replaced }, { kept: false, revises: null, replaced: false });
});

test("who goes on while a label arrives stays with the next image", () => {
  const reader = sending().meets({ type: "delivered", delivery: taken(label()) });
  const { turn } = reader.state;
  assert(reader.meets({ type: "next" }).ignores({ type: "arrived", turn, delivery: taken(label()), image: null }));
});

test("an earlier label that arrives is told of, and leaves alone what is in view", () => {
  const other = { ...label(), image: "b", submission: "other" };
  for (const reader of [drawing(), sending()]) {
    const before = reader.state;
    reader.meets({ type: "delivered", delivery: taken(other) });
    assert.equal(reader.state, before);
    assert.deepEqual(reader.effects, [{ do: "tell", text: "b has been handed in.", kind: "good" }]);
    assert(reader.ignores({ type: "delivered", delivery: refused(other) }));
  }
});

// on its way when the page is opened again

test("a label on its way is shown as that, and waited for, also after a reload", () => {
  const reader = new Reader().opens("a").sees({ sent: label() });
  assert.equal(reader.state.phase, "sending");
  assert.deepEqual(reader.does, ["colour", "lay", "go-to-outline", "await"]);
  reader.meets({ type: "delivered", delivery: refused(label()) });
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: refused(label()), image: image() });
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.finding, "disc");
  assert(reader.state.kept);
});

test("a revision on its way is shown as that, although its address asks to revise", () => {
  assert.equal(new Reader(REVIEWER).opens("a", 7).sees({ sent: label() }).state.phase, "sending");
});

test("a label on its way gives way to what was drawn since, and to nothing older", () => {
  const open = (/** @type {number} */ changed) => new Reader().opens("a").sees({ sent: label(), draft: draft({ changed }) });
  assert.equal(open(1).state.phase, "sending");
  assert.equal(open(3).state.phase, "reading");
});

test("a label that arrived while its image was being shown is looked for", () => {
  const reader = new Reader().opens("a").sees({ sent: label() });
  reader.meets({ type: "gone", turn: reader.state.turn });
  assert.equal(reader.state.phase, "loading");
  assert.equal(reader.state.wanted, "a");
});

// drawing again

test("a finding that this page does not know is chosen anew when it is drawn again", () => {
  for (const ofThesePixels of [true, false]) {
    const reader = looking({ own: said({ finding: "unheard of" }) }).meets({ type: "again" });
    const { turn } = reader.state;
    reader.meets({ type: "looked-up", turn, annotations: [said({ finding: "unheard of", of_these_pixels: ofThesePixels })] });
    if (ofThesePixels) reader.meets({ type: "outlined", turn });
    assert.equal(reader.state.phase, "reading");
    assert.equal(reader.state.finding, null);
  }
});

test("to outline what was only looked at, it is leased first", () => {
  const reader = looking({ status: "waiting" }, REVIEWER).meets({ type: "again" });
  const { turn } = reader.state;
  assert.deepEqual(reader.effects, [{ do: "lease", turn, image: "a", byName: true, begun: false }]);
  reader.meets({ type: "leased", turn, image: "a", byName: true, until: LATER });
  assert.deepEqual(reader.does, ["begin", "colour", "empty"]);
  assert(reader.state.byName);
});

test("what was withdrawn by the time it arrived is outlined anew without another lease", () => {
  const reader = sending();
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: image({ may_see: true }) });
  assert.deepEqual(reader.meets({ type: "again" }).does, ["begin", "colour", "empty"]);
  assert.equal(reader.state.receipt, null);
});

test("where it cannot be leased, that is said, and the explanation stays", () => {
  const reader = looking({ status: "waiting" }, REVIEWER).meets({ type: "again" });
  reader.meets({ type: "failed", turn: reader.state.turn, message: "somebody has it" });
  assert.equal(reader.state.phase, "why");
  assert.deepEqual(reader.effects, [{ do: "tell", text: "somebody has it", kind: "bad" }]);
});

test("to outline anew what was handed in, it is begun with, and takes no other's place", () => {
  const reader = done().meets({ type: "again" });
  const { turn } = reader.state;
  assert.deepEqual(reader.does, ["look-up"]);
  assert.deepEqual(reader.meets({ type: "looked-up", turn, annotations: [said({ id: 1 }), said()] }).effects, [{ do: "outline", turn, said: said() }]);
  reader.meets({ type: "laid", voxels: 5 }).meets({ type: "outlined", turn });
  assert.deepEqual(reader.does, ["begin", "colour"]);
  assert.equal(reader.state.finding, "disc");
  assert.equal(reader.state.revises, null);
  assert(!reader.state.kept);
});

test("an outline of other pixels is not begun with", () => {
  const reader = done().meets({ type: "again" });
  reader.meets({ type: "looked-up", turn: reader.state.turn, annotations: [said({ of_these_pixels: false })] });
  assert(reader.state.replaced);
  assert.deepEqual(reader.does, ["begin", "colour", "empty"]);
});

test("what was handed in stands where nothing was drawn since, and is asked about where something was", () => {
  const again = () => {
    const reader = done().meets({ type: "again" });
    const { turn } = reader.state;
    return reader.meets({ type: "looked-up", turn, annotations: [said()] }).meets({ type: "outlined", turn });
  };
  assert.deepEqual(again().meets({ type: "forget" }).does, ["drop", "clear", "name", "find"]);
  const reader = again().draws(6).meets({ type: "forget" });
  assert.deepEqual(reader.does, ["ask"]);
  assert.deepEqual(reader.says().does, ["drop", "clear", "name", "find"]);
});

test("what was drawn before the page was opened again counts as drawn since, and what was handed in does not", () => {
  const resumed = () => new Reader().opens("a").sees({ draft: draft() });
  assert.deepEqual(resumed().meets({ type: "forget" }).does, ["ask"]);
  const reader = resumed().draws(5).meets({ type: "submit" });
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: taken(label()), image: image({ own: said() }) });
  reader.meets({ type: "laid", voxels: 5 }).meets({ type: "again" });
  const { turn } = reader.state;
  reader.meets({ type: "looked-up", turn, annotations: [said()] }).meets({ type: "outlined", turn });
  assert.deepEqual(reader.meets({ type: "forget" }).does, ["drop", "clear", "release", "name", "find"]);
});

test("who forgets what was drawn gives back an image that was only looked at", () => {
  const reader = new Reader().opens("a").sees().draws(5).meets({ type: "forget" });
  assert.deepEqual(reader.says().does, ["drop", "clear", "release", "name", "find"]);
});

// revising

/**
 * A reviewer who opens the image to revise the annotation number 7.
 * @param {Partial<Found>} more
 */
const revising = (more = {}) => new Reader(REVIEWER).opens("a", 7).sees(more);
const others = said({ own: false, reader: "dr_a" });

test("an annotation is revised in its own outline, and that is a draft at once", () => {
  const reader = revising();
  const { turn } = reader.state;
  assert.deepEqual(reader.effects, [{ do: "look-up", turn, image: "a" }]);
  assert.deepEqual(reader.meets({ type: "looked-up", turn, annotations: [others] }).does, ["outline"]);
  assert.deepEqual(reader.meets({ type: "outlined", turn }).does, ["begin", "colour", "go-to-outline", "keep"]);
  assert.equal(reader.state.revises, others);
  assert.equal(reader.state.finding, "disc");
});

test("an annotation of other pixels is revised without its outline, and kept once something is drawn", () => {
  const reader = revising();
  reader.meets({ type: "looked-up", turn: reader.state.turn, annotations: [{ ...others, of_these_pixels: false }] });
  assert(reader.state.replaced);
  assert.deepEqual(reader.does, ["begin", "colour", "go-to-outline"]);
});

test("who has begun something else is asked before it is forgotten", () => {
  assert.deepEqual(revising({ draft: draft() }).says(false).does, ["lay", "begin", "colour", "go-to-outline"]);
  assert.deepEqual(revising({ draft: draft() }).says().does, ["look-up"]);
});

test("another annotation of the image in view can be revised", () => {
  assert.equal(drawing(REVIEWER).opens("a", 7).state.phase, "loading");
});

test("a revision that was begun is gone on with, unasked", () => {
  const reader = revising({ draft: draft({ revises: others }) });
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.revises, others);
});

for (const [why, annotations] of /** @type {[string, Reply.Said[]][]} */ ([
  ["stands no more", [{ ...others, active: false }]],
  ["is another reader's, of an image that one has read", [others, said({ id: 8 })]],
])) {
  test(`an annotation that ${why} is not revised`, () => {
    const reader = revising();
    reader.meets({ type: "looked-up", turn: reader.state.turn, annotations });
    assert.equal(reader.state.phase, "why");
    assert.deepEqual(reader.does, ["explain", "tell"]);
  });
}

test("where there are reviewers, nobody else revises", () => {
  assert.equal(new Reader().opens("a", 7).state.revise, null);
  assert.equal(new Reader({ ...ROOM, reviewers: false }).opens("a", 7).state.revise, 7);
});

test("a revision that is given up leads back to the review", () => {
  const reader = revising({ draft: draft({ revises: others, drawn: false }) }).meets({ type: "forget" });
  assert.deepEqual(reader.does, ["drop", "clear", "name", "list", "go"]);
  assert.equal(reader.state.phase, "idle");
});

test("a revision that was refused can become a reading of one's own", () => {
  const reader = revising({ draft: draft({ revises: others, refused: "it stands no more" }) }).meets({ type: "alone" });
  assert.equal(reader.state.revises, null);
  assert.equal(reader.state.refused, null);
  assert.deepEqual(reader.does, ["keep"]);
});

// a region: an outline without a finding

const region = { ...said({ id: 9, finding: null, region: true, roi_voxels: 3 }) };
const REGION = { type: /** @type {const} */ ("picked"), finding: "region" };
/** The server has the region. */
const kept = () => ({ entry: label({ finding: "region" }), reply: { image: "a", xal: { ...receipt, finding: null, region: true, message: "kept" } } });
/** Somebody who has outlined this image without a finding before. */
const outlinedBefore = (/** @type {Partial<Found>} */ more = {}) => new Reader().opens("a").sees({ image: image({ own_region: region }), ...more });

test("an outline of other pixels than the file has now is not where a finding begins", () => {
  const old = { ...region, of_these_pixels: false };
  assert(outlinedBefore({ image: image({ own_region: old }) }).ignores({ type: "begin-with-region" }));
  assert.deepEqual(outlinedBefore().meets({ type: "begin-with-region" }).does, ["begin-with"]);
});

test("a region is chosen and kept as a finding is, and handed in with its outline alone", () => {
  const reader = drawing().meets(REGION);
  assert.deepEqual(reader.effects, [{ do: "colour", finding: "region" }, { do: "keep" }]);
  assert.equal(reader.meets({ type: "submit" }).state.phase, "reading");
  assert.deepEqual(reader.does, ["tell"]);
  assert.deepEqual(reader.draws(5).meets({ type: "submit" }).does, ["hand-in"]);
});

for (const [what, reader] of /** @type {[string, () => Reader][]} */ ([
  ["where the task takes none", () => drawing({ ...ROOM, regions: false })],
  ["in the place of a finding of one's own", () => new Reader().opens("a").sees({ image: image({ own: said() }), draft: draft() })],
  ["in the place of a finding of another reader", () => revising({ draft: draft({ revises: others }) })],
])) {
  test(`no region is chosen ${what}`, () => {
    assert(reader().ignores(REGION));
  });
}

test("a region that was being outlined is one after a reload, as long as the task takes any", () => {
  const open = (/** @type {Room} */ room, more = {}) => new Reader(room).opens("a").sees({ draft: draft({ finding: "region", ...more }) });
  const reader = open(ROOM);
  assert.deepEqual(reader.does, ["lay", "begin", "colour", "go-to-outline"]);
  assert.equal(reader.state.finding, "region");
  assert.equal(open({ ...ROOM, regions: false }).state.finding, null);
  assert.equal(open(REVIEWER, { revises: others }).state.finding, null);
});

test("who is asked for outlines alone begins with a region", () => {
  const asked = /** @type {Room} */ ({ ...ROOM, asked_for: "region" });
  assert.equal(new Reader(asked).opens("a").sees({}).state.finding, "region");
  assert.equal(new Reader(asked).opens("a").sees({ draft: draft({ finding: "disc" }) }).state.finding, "disc");
  assert.equal(new Reader().opens("a").sees({}).state.finding, null);
});

test("a region that has arrived is told of, nothing is explained, and the next image comes", () => {
  const reader = sending().meets({ type: "delivered", delivery: kept() });
  assert.deepEqual(reader.does, ["tell", "clear", "name", "sample"]);
  assert.deepEqual(reader.effects[0], { do: "tell", text: "a: kept", kind: "good", back: "a" });
  const { phase, receipt: said, sent } = reader.state;
  assert.deepEqual({ phase, said, sent }, { phase: "loading", said: null, sent: null });
  assert.deepEqual(reader.meets({ type: "delivered", delivery: kept() }).does, ["tell"]);
});

test("a region that arrives later leaves alone what is in view", () => {
  const reader = sending().meets({ type: "next" });
  const before = reader.state;
  assert.deepEqual(reader.meets({ type: "delivered", delivery: kept() }).does, ["tell"]);
  assert.equal(reader.state, before);
});

test("a region that was refused is outlined on", () => {
  const reader = drawing().meets(REGION).draws(5).meets({ type: "submit" });
  reader.meets({ type: "numbered", turn: reader.state.turn, submission: "one" });
  reader.meets({ type: "arrived", turn: reader.state.turn, delivery: refused(label()), image: image() });
  assert.equal(reader.state.phase, "reading");
  assert.equal(reader.state.finding, "region");
});

test("a finding begins with the region that was outlined, and that is a draft", () => {
  const reader = outlinedBefore().meets({ type: "picked", finding: "disc" }).meets({ type: "begin-with-region" });
  const { turn } = reader.state;
  assert.deepEqual(reader.effects, [{ do: "begin-with", turn, said: region }]);
  assert.deepEqual(reader.meets({ type: "laid", voxels: 3 }).meets({ type: "outlined", turn }).does, ["begin", "colour", "go-to-outline", "keep"]);
  const { finding, voxels, phase } = reader.state;
  assert.deepEqual({ finding, voxels, phase }, { finding: "disc", voxels: 3, phase: "reading" });
  assert(reader.ignores({ type: "outlined", turn }));
});

test("a region is not begun with over what is drawn, nor once the image was left", () => {
  assert(outlinedBefore().draws(1).ignores({ type: "begin-with-region" }));
  assert(drawing().ignores({ type: "begin-with-region" }), "there is none");
  const reader = outlinedBefore().meets({ type: "begin-with-region" });
  const { turn } = reader.state;
  assert(reader.meets({ type: "next" }).ignores({ type: "outlined", turn }));
});

test("what others outlined is begun with where it is shown, as one's own region is", () => {
  const shown = { drawers: [{ reader: "ada", origin: /** @type {const} */ ("slicer") }] };
  const open = () => new Reader().opens("a").sees({ image: image({ shown_region: shown }) });
  const reader = open().meets({ type: "picked", finding: "disc" }).meets({ type: "begin-with-shown" });
  const { turn } = reader.state;
  assert.deepEqual(reader.effects, [{ do: "begin-with-shown", turn, image: "a" }]);
  assert.deepEqual(reader.meets({ type: "laid", voxels: 3 }).meets({ type: "outlined", turn }).does, ["begin", "colour", "go-to-outline", "keep"]);
  assert.equal(reader.state.finding, "disc");
  assert(open().draws(1).ignores({ type: "begin-with-shown" }), "what is drawn would be lost");
  assert(outlinedBefore().ignores({ type: "begin-with-shown" }), "one's own is no other's");
});

test("the reason of a refusal stands when a finding begins with a region", () => {
  const bare = draft({ runs: Uint32Array.of(SIZE), refused: "not now" });
  const reader = outlinedBefore({ draft: bare }).meets({ type: "begin-with-region" });
  assert.equal(reader.meets({ type: "outlined", turn: reader.state.turn }).state.refused, "not now");
});

test("a region is withdrawn once that was confirmed, and what stands then is shown", () => {
  const reader = outlinedBefore().meets({ type: "withdraw-region" });
  assert.deepEqual(reader.says().effects, [{ do: "withdraw", image: "a", annotation: 9 }]);
  const before = reader.state;
  assert(reader.ignores({ type: "withdrawn", annotation: 8, left: null }), "another one");
  assert.equal(reader.state, before);
  reader.meets({ type: "withdrawn", annotation: 9, left: { ...region, id: 5 } });
  assert.equal(reader.state.image?.own_region?.id, 5);
  assert.equal(reader.meets({ type: "withdrawn", annotation: 5, left: null }).state.image?.own_region, null);
  assert(reader.ignores({ type: "withdraw-region" }));
});

test("a region is never revised, and keeps no reviewer from revising", () => {
  const look = (/** @type {Reply.Said[]} */ annotations) => {
    const reader = revising();
    return reader.meets({ type: "looked-up", turn: reader.state.turn, annotations });
  };
  assert.deepEqual(look([{ ...region, id: 7 }]).does, ["explain", "tell"]);
  assert.deepEqual(look([others, region]).does, ["outline"]);
});

// excluding

test("an image is excluded for a reason, and the next one comes", () => {
  const reader = drawing().draws(5).meets({ type: "exclude" });
  const [asked] = reader.effects;
  assert(asked.do === "ask" && asked.question.text.endsWith("What you have drawn is deleted."));
  const { turn } = reader.state;
  reader.meets({ type: "for-reason", turn, answer: "duplicate" });
  assert.deepEqual(reader.effects, [{ do: "exclude", turn, image: "a", reason: "duplicate" }]);
  assert.deepEqual(reader.meets({ type: "excluded", turn }).does, ["clear", "name", "sample"]);
});
