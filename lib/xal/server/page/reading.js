/**
 * Reading as a pure function: a state and an event give the next state, and a list of effects.
 *
 * `read.js` makes events of what the reader does and of what the server replies, runs the effects, and draws the state.
 * One rule takes care of what comes too late: each step to another image or phase begins a new `turn`, an answer says in
 * which turn it was asked for, and an answer to an earlier turn changes nothing (see `late`).
 */

import { isOffered, REGION, roisOf } from "./findings.js";
import { sure } from "./sure.js";

const REASONS = ["wrong modality", "wrong body part", "not readable", "duplicate", "foreign body hides the region"];

/** @typedef {"idle" | "loading" | "empty" | "error" | "reading" | "sending" | "why"} Phase */

/**
 * What is known of an image before it is shown.
 * @typedef {object} Found
 * @property {Reply.ImageView} image
 * @property {Page.Draft} [draft] what this reader had begun
 * @property {Page.Entry} [sent] what this reader handed in and the server does not have yet
 * @property {Page.Draft[]} unfinished everything that this reader had begun
 */

/**
 * @typedef {object} State
 * @property {Phase} phase
 * @property {number} turn
 * @property {string} message why nothing is in view
 * @property {Page.Draft[]} unfinished
 * @property {string | null} wanted the image that is in view, or will be once it is here
 * @property {number | null} revise the annotation that is to be revised once it is here
 * @property {(Found & { toBeRead: boolean }) | null} found what is known of it until then
 * @property {Reply.ImageView | null} image the image in view
 * @property {number} size its voxels
 * @property {number | null} until when the image is this reader's
 * @property {boolean} byName it became this reader's by being looked at
 * @property {boolean} prolonging the server is being asked for more time
 * @property {string | null} finding or REGION
 * @property {number} voxels of the outline
 * @property {boolean} undoable there are strokes that can be undone
 * @property {boolean} drawn there are strokes that cannot be undone any more
 * @property {boolean} kept there is a draft
 * @property {boolean} replaced the outline was drawn on other pixels
 * @property {Reply.Said | null} revises the annotation in whose place a new one is to come
 * @property {string | null} refused why the server did not take what was handed in
 * @property {boolean} untold that has not been seen
 * @property {string | null} sent the number under which the label in view was sent
 * @property {Reply.Receipt | null} receipt what the server said of it
 */

/**
 * An event: what the reader does, or what answers an effect; an answer says its `turn`.
 * @typedef {{ type: "entered", image: string | null, revise: number | null }
 *   | { type: "next" }
 *   | { type: "rest" }
 *   | { type: "broken", message: string }
 *   | { type: "picked", finding: string, voxels?: number }
 *   | { type: "drawn", voxels: number, undoable: boolean }
 *   | { type: "laid", voxels: number }
 *   | { type: "submit" }
 *   | { type: "without-outline" }
 *   | { type: "again" }
 *   | { type: "alone" }
 *   | { type: "forget" }
 *   | { type: "exclude" }
 *   | { type: "begin-with-region" }
 *   | { type: "begin-with-shown" }
 *   | { type: "withdraw-region" }
 *   | { type: "to-withdraw", image: string, annotation: number }
 *   | { type: "withdrawn", annotation: number, left: Reply.Said | null }
 *   | { type: "discard", draft: Page.Draft }
 *   | { type: "discarded", draft: Page.Draft }
 *   | { type: "seen" }
 *   | { type: "delivered", delivery: Page.Delivery }
 *   | { type: "listed", turn: number, unfinished: Page.Draft[] }
 *   | { type: "sampled", turn: number, image: string, until: number }
 *   | { type: "none-left", turn: number }
 *   | { type: "found", turn: number, found: Found }
 *   | { type: "leased", turn: number, image: string, byName: boolean, until: number | null }
 *   | { type: "fetched", turn: number, file: ArrayBuffer }
 *   | { type: "shown", turn: number, size: number }
 *   | { type: "failed", turn: number, message: string }
 *   | { type: "to-resume", turn: number }
 *   | { type: "to-revise", turn: number }
 *   | { type: "looked-up", turn: number, annotations: Reply.Said[] }
 *   | { type: "outlined", turn: number }
 *   | { type: "prolonged", turn: number, until: number | null }
 *   | { type: "cleared", turn: number }
 *   | { type: "meant", turn: number }
 *   | { type: "numbered", turn: number, submission: string }
 *   | { type: "not-made", turn: number }
 *   | { type: "arrived", turn: number, delivery: Page.Delivery, image: Reply.ImageView | null }
 *   | { type: "gone", turn: number }
 *   | { type: "forgotten", turn: number }
 *   | { type: "for-reason", turn: number, answer?: string }
 *   | { type: "excluded", turn: number }} Happening
 */

/** @typedef {{ title: string, text: string, confirm: string, input?: string, choices?: string[] }} Question */

/**
 * What is to be done. `sample`, `find` and `list` wait until every `drop` and `release` before them is done: an image is
 * given back before it is taken anew.
 * @typedef {{ do: "tell", text: string, kind: "good" | "quiet" | "bad", back?: string }
 *   | { do: "ask", question: Question, then: Happening, otherwise?: Happening }
 *   | { do: "name", image: string | null }
 *   | { do: "go", to: string }
 *   | { do: "clear" }
 *   | { do: "drop", image: string, changed?: number }
 *   | { do: "release", image: string }
 *   | { do: "list", turn: number }
 *   | { do: "sample", turn: number }
 *   | { do: "find", turn: number, image: string }
 *   | { do: "lease", turn: number, image: string, byName: boolean, begun: boolean }
 *   | { do: "fetch", turn: number, image: string, checksum: string | null }
 *   | { do: "show", turn: number, file: ArrayBuffer }
 *   | { do: "look-up", turn: number, image: string }
 *   | { do: "outline", turn: number, said: Reply.Said }
 *   | { do: "begin-with", turn: number, said: Reply.AnnotationReply }
 *   | { do: "begin-with-shown", turn: number, image: string }
 *   | { do: "withdraw", image: string, annotation: number }
 *   | { do: "lay", runs: Uint32Array }
 *   | { do: "empty" }
 *   | { do: "erase" }
 *   | { do: "colour", finding: string | null }
 *   | { do: "go-to-outline" }
 *   | { do: "begin" }
 *   | { do: "keep" }
 *   | { do: "prolong", turn: number, image: string, until: number }
 *   | { do: "mark-told", image: string }
 *   | { do: "hand-in", turn: number }
 *   | { do: "await", turn: number, image: string }
 *   | { do: "look-again", turn: number, delivery: Page.Delivery }
 *   | { do: "explain", turn: number, image: Reply.ImageView }
 *   | { do: "reveal", turn: number, image: Reply.ImageView }
 *   | { do: "exclude", turn: number, image: string, reason: string }} Effect
 */

/** @typedef {Extract<Effect, { turn: number }>} Answered an effect that an event of the same turn answers */
/** @typedef {Happening extends infer One ? (One extends { turn: number } ? Omit<One, "turn"> : never) : never} Answer that event, its turn not said */
/** @typedef {{ state: State, effects: Effect[] }} Step */
/** @typedef {Pick<Reply.Room, "reader" | "reviewer" | "reviewers" | "findings" | "regions" | "asked_for" | "reveal" | "lease_minutes">} Room */
/**
 * What follows from each event; `now` is in milliseconds.
 * @typedef {{ [Type in Happening["type"]]?: (state: State, event: Extract<Happening, { type: Type }>, room: Room, now: number) => Step }} Acts
 */

/** @type {State} */
export const START = {
  phase: "idle",
  turn: 0,
  message: "",
  unfinished: [],
  wanted: null,
  revise: null,
  found: null,
  image: null,
  size: 0,
  until: null,
  byName: false,
  prolonging: false,
  finding: null,
  voxels: 0,
  undoable: false,
  drawn: false,
  kept: false,
  replaced: false,
  revises: null,
  refused: null,
  untold: false,
  sent: null,
  receipt: null,
};

/**
 * @param {State} state
 * @param {Happening} event
 * @param {Room} room
 * @param {number} now in milliseconds
 * @returns {Step}
 */
export function reading(state, event, room, now) {
  if ("turn" in event && event.turn !== state.turn) return late(state, event);
  const act = /** @type {((state: State, event: Happening, room: Room, now: number) => Step) | undefined} */ (
    PHASES[state.phase][event.type] ?? ANYWHERE[event.type]
  );
  return act ? act(state, event, room, now) : step(state);
}

/**
 * An answer that nobody waits for any more; an image is given back, unless it was asked for again.
 * @param {State} state
 * @param {Happening} event
 */
const late = (state, event) =>
  event.type === "leased" && event.byName && state.wanted !== event.image ? step(state, { do: "release", image: event.image }) : step(state);

// steps

/**
 * @param {State} state
 * @param {...Effect} effects
 * @returns {Step}
 */
const step = (state, ...effects) => ({ state, effects });

/**
 * The same, and more to be done.
 * @param {Step} first
 * @param {...Effect} effects
 */
const also = (first, ...effects) => step(first.state, ...first.effects, ...effects);

/**
 * One step after the other.
 * @param {Step} first
 * @param {(state: State) => Step} then
 */
function and(first, then) {
  const second = then(first.state);
  return step(second.state, ...first.effects, ...second.effects);
}

// which image

/**
 * Leave what is in view, for an image or for none.
 * @param {State} state
 * @param {Phase} phase
 * @param {string | null} wanted
 */
function leave(state, phase, wanted = null, message = "") {
  const left = { ...START, turn: state.turn + 1, unfinished: state.unfinished, phase, wanted, message };
  return step(left, { do: "clear" }, ...givenBack(state, wanted), { do: "name", image: wanted });
}

/**
 * Where nothing was drawn, a draft is not worth keeping, and who has only looked at an image of a list does not keep it from others.
 * @param {State} state
 * @param {string | null} wanted
 * @returns {Effect[]}
 */
function givenBack(state, wanted) {
  const { phase, wanted: image, byName } = state;
  if (image === null) return [];
  /** @type {Effect[]} */
  const release = byName ? [{ do: "release", image }] : [];
  if (phase === "loading") return image === wanted ? [] : release;
  if (phase !== "reading" || state.replaced || isWorthKeeping(state)) return [];
  return state.kept ? [{ do: "drop", image }, ...release] : release;
}

/** @param {State} state */
const isWorthKeeping = ({ phase, kept, voxels, revises, refused }) => phase === "reading" && kept && Boolean(voxels || revises || refused);

/**
 * No image: what is unfinished is offered.
 * @param {State} state
 * @param {"idle" | "empty" | "error"} phase
 */
const rest = (state, phase, message = "") => and(leave(state, phase, null, message), (left) => step(left, { do: "list", turn: left.turn }));

/**
 * The best image that nobody else has.
 * @param {State} state
 */
function next(state) {
  const left = leave(state, "loading");
  /** @type {Effect} */
  const sample = { do: "sample", turn: left.state.turn };
  if (!isWorthKeeping(state)) return also(left, sample);
  return also(left, { do: "tell", text: `${state.wanted} is kept.`, kind: "quiet", back: sure(state.wanted) }, sample);
}

/**
 * An image by name: one that was being drawn, or one from a list; perhaps to revise an annotation of it.
 * @param {State} state
 * @param {string} image
 * @param {number | null} revise
 */
const open = (state, image, revise = null) => and(leave(state, "loading", image), (left) => step({ ...left, revise }, { do: "find", turn: left.turn, image }));

/**
 * Whether the image will be read, so that it has to be this reader's, and not only looked at.
 * @param {State} state
 * @param {Found} found
 * @param {Room} room
 */
function isToBeRead({ until, revise }, { image, draft, sent }, { reader, reviewer }) {
  const looks = reviewer && until === null && image.lease?.reader !== reader && !draft; // a reviewer who came by name
  return image.status === "waiting" && !image.own && !sent && !revise && !draft?.revises && !looks;
}

/** @param {State} state */
function fetchFile(state) {
  const { id, checksum } = sure(state.found).image;
  return step(state, { do: "fetch", turn: state.turn, image: id, checksum });
}

/**
 * Forget an unfinished image that is not in view, as it was when it was listed.
 * @param {State} state
 * @param {Page.Draft} draft
 */
const discard = (state, { image, changed }) =>
  step({ ...state, unfinished: state.unfinished.filter((draft) => draft.image !== image) }, { do: "drop", image, changed });

/**
 * What was handed in stands; what was drawn since is forgotten.
 * @param {State} state
 * @param {Room} room
 */
function forget(state, { reviewer }) {
  const image = sure(state.wanted);
  const dropped = step({ ...state, kept: false }, { do: "drop", image });
  if (!state.revises) return and(dropped, (left) => open(left, image));
  const rested = and(dropped, (left) => rest(left, "idle")); // opened, the image might be taken from the queue
  return reviewer ? also(rested, { do: "go", to: "#/review" }) : rested;
}

// drawing

/**
 * Draw from now on.
 * @param {State} state
 * @param {Room} room
 * @param {string | null} refused
 */
function begin(state, room, refused = null) {
  const turn = state.turn + 1;
  /** @type {State} */
  const begun = { ...state, phase: "reading", turn, found: null, prolonging: false, refused, untold: refused !== null, sent: null, receipt: null };
  if (begun.finding === null && room.asked_for === "region" && mayBeRegion(begun, room)) begun.finding = REGION;
  const first = step(begun, { do: "begin" }, { do: "colour", finding: begun.finding });
  return room.reveal === "always" ? also(first, { do: "reveal", turn, image: sure(state.image) }) : first;
}

/**
 * Go on with a draft.
 * @param {State} state
 * @param {Page.Draft} draft
 * @param {Room} room
 */
function resume(state, draft, room) {
  const revises = draft.revises ?? null;
  const known = { ...state, finding: knownOf({ ...state, revises }, room, draft.finding), revises, kept: true };
  const begun = and(lay(known, draft), (laid) => begin(laid, room, draft.refused ?? null));
  return also(begun, { do: "go-to-outline" });
}

/**
 * Lay a kept outline over the image, if it was drawn on that.
 * @param {State} state
 * @param {Page.Draft} draft
 */
function lay(state, { checksum, pixels, runs, drawn = runs.length > 1 }) {
  const { checksum: now, fingerprint } = sure(state.image);
  const samePixels = (checksum ?? now) === now || (Boolean(pixels) && pixels === fingerprint); // an earlier page kept neither
  const fits = runs.reduce((sum, length) => sum + length, 0) === state.size;
  if (!samePixels || !fits) return step({ ...state, replaced: true, drawn: false });
  return step({ ...state, replaced: false, drawn }, { do: "lay", runs });
}

/**
 * Begin with what a reader said, to hand in something better in its place.
 * @param {State} state
 * @param {Room} room
 * @param {number} now
 */
const beginToRevise = (state, room, now) => and(also(begin(state, room), { do: "go-to-outline" }), (begun) => keep(begun, room, now));

/**
 * Whether only a region may be outlined here: neither in the place of a finding that somebody named, nor of one's own.
 * @param {Pick<State, "image" | "revises">} state
 * @param {Pick<Room, "regions">} room
 */
export const mayBeRegion = ({ image, revises }, { regions }) => regions && !revises && !image?.own;

/**
 * Whether one's own region may be where a finding's outline begins: nothing that is drawn is lost, and it lies on these pixels.
 * @param {Pick<State, "image" | "voxels">} state
 */
export const mayBeginWith = ({ image, voxels }) => Boolean(image?.own_region?.of_these_pixels) && voxels === 0;

/**
 * The same of what others outlined, where the task shows it; the server tells of what lies on these pixels only.
 * @param {Pick<State, "image" | "voxels">} state
 */
export const mayBeginWithShown = ({ image, voxels }) => Boolean(image?.shown_region) && voxels === 0;

/**
 * @param {State} state
 * @param {Room} room
 * @param {string | null} name
 */
const isKnown = (state, room, name) => isOffered(room, name) && (name !== REGION || mayBeRegion(state, room));

/**
 * @param {State} state
 * @param {Room} room
 * @param {string | null} name
 */
const knownOf = (state, room, name) => (isKnown(state, room, name) ? name : null);

/**
 * Keep the draft as it is now, and the image with it: until something is drawn, what was kept of another file stays.
 * @param {State} state
 * @param {Room} room
 * @param {number} now
 */
function keep(state, room, now) {
  if (state.replaced) return step(state);
  const kept = step({ ...state, kept: true }, { do: "keep" });
  const { turn, until, wanted, prolonging } = state;
  if (prolonging || !until || until * 1000 - now > room.lease_minutes * 30000) return kept;
  return and(kept, (before) => step({ ...before, prolonging: true }, { do: "prolong", turn, image: sure(wanted), until }));
}

/**
 * Whether there are strokes that would be lost with the draft.
 * @param {State} state
 */
const isDrawnSince = ({ drawn, undoable }) => drawn || undoable;

// handing in

/** @param {State} state */
function handIn(state) {
  const turn = state.turn + 1;
  return step({ ...state, phase: "sending", turn }, { do: "hand-in", turn });
}

/**
 * Show what is on its way, until it has arrived.
 * @param {State} state
 * @param {Page.Entry} entry
 */
function awaitArrival(state, { submission, image, draft }) {
  const turn = state.turn + 1;
  /** @type {State} */
  const sending = { ...state, phase: "sending", turn, found: null, sent: submission, finding: draft.finding, revises: draft.revises ?? null };
  const coloured = step(sending, { do: "colour", finding: draft.finding });
  return also(
    and(coloured, (before) => lay(before, draft)),
    { do: "go-to-outline" },
    { do: "await", turn, image },
  );
}

/**
 * That a label has arrived; of a region what the server says, and the way back to its image, which still waits.
 * @param {Page.Entry} entry
 * @param {Reply.Receipt} receipt
 * @returns {Effect}
 */
const thanks = ({ image }, { region, message }) =>
  region ? { do: "tell", text: `${image}: ${message}`, kind: "good", back: image } : { do: "tell", text: `${image} has been handed in.`, kind: "good" };

/** @param {State} state */
function explain(state) {
  const turn = state.turn + 1;
  return step({ ...state, phase: "why", turn, found: null, replaced: false, sent: null }, { do: "explain", turn, image: sure(state.image) });
}

/**
 * Why something was not done.
 * @param {string} text
 * @returns {Effect}
 */
const bad = (text) => ({ do: "tell", text, kind: "bad" });

// what follows from what, in each phase

/** @type {Acts} */
const ANYWHERE = {
  entered(state, { image, revise }, room) {
    const revised = room.reviewer || !room.reviewers ? revise : null;
    if (image !== null && (revised !== null || image !== state.wanted)) return open(state, image, revised);
    if (state.wanted !== null) return step(state, { do: "name", image: state.wanted }); // the address names it again
    return state.phase === "loading" ? step(state) : rest(state, "idle");
  },
  next,
  rest: (state) => rest(state, "idle"),
  broken: (state, { message }) => rest(state, "error", message),
  listed: (state, { unfinished }) => step({ ...state, unfinished }),
  laid: (state, { voxels }) => step({ ...state, voxels, undoable: false }),
  discard(state, { draft }) {
    const { image, runs } = draft;
    if (runs.length <= 1) return discard(state, draft);
    const question = { title: "Discard this outline?", text: `What you have drawn of ${image} is deleted.`, confirm: "Discard" };
    return step(state, { do: "ask", question, then: { type: "discarded", draft } });
  },
  discarded: (state, { draft }) => discard(state, draft),
  delivered(state, { delivery }) {
    const { entry, reply } = delivery;
    const told = reply ? step(state, thanks(entry, reply.xal)) : step(state); // a refusal is told to all views
    if (state.sent !== entry.submission) return told;
    if (reply?.xal.region) return and(told, (thanked) => next({ ...thanked, kept: false })); // nothing is explained to who named no finding
    return step(state, { do: "look-again", turn: state.turn, delivery });
  },
  "to-withdraw": (state, { image, annotation }) => step(state, { do: "withdraw", image, annotation }),
  withdrawn(state, { annotation, left }) {
    const { image } = state;
    return step(image?.own_region?.id === annotation ? { ...state, image: { ...image, own_region: left } } : state);
  },
};

/** @type {Acts} */
const LOADING = {
  next: (state) => step(state), // one is on its way
  sampled: (state, { turn, image, until }) => step({ ...state, wanted: image, until }, { do: "name", image }, { do: "find", turn, image }),
  "none-left": (state) => rest(state, "empty"),
  found(state, { turn, found }, room) {
    const toBeRead = isToBeRead(state, found, room);
    const known = { ...state, unfinished: found.unfinished, found: { ...found, toBeRead } };
    if (!toBeRead || state.until !== null) return fetchFile(known);
    const { id, lease } = found.image;
    return step(known, { do: "lease", turn, image: id, byName: lease === null, begun: found.draft !== undefined });
  },
  leased: (state, { byName, until }) => fetchFile({ ...state, byName, until }),
  fetched: (state, { turn, file }) => step(state, { do: "show", turn, file }),
  shown(state, { turn, size }, room) {
    const { image, draft, sent, toBeRead } = sure(state.found);
    const shown = { ...state, image, size };
    if (state.revise !== null && !sent && draft?.revises?.id !== state.revise) {
      return draft ? step(shown, askToForget(draft, turn)) : step(shown, { do: "look-up", turn, image: image.id });
    }
    if (draft && !(sent && sent.draft.changed >= draft.changed)) return resume(shown, draft, room);
    if (sent) return awaitArrival(shown, sent);
    return image.may_see && !toBeRead ? explain(shown) : begin(shown, room);
  },
  "to-resume": (state, _, room) => resume(state, sure(sure(state.found).draft), room),
  "to-revise": (state, { turn }) => step(state, { do: "look-up", turn, image: sure(state.wanted) }),
  "looked-up"(state, { turn, annotations }, room, now) {
    const findings = annotations.filter((annotation) => annotation.active && !annotation.region);
    const said = findings.find((annotation) => annotation.id === state.revise);
    if (!said) return also(explain(state), bad("That annotation stands no more."));
    if (!said.own && findings.some((annotation) => annotation.own)) {
      return also(explain(state), bad("You have read this image yourself: settle the finding, or withdraw the wrong annotation."));
    }
    const revising = { ...state, revises: said, finding: knownOf(state, room, said.finding) };
    if (said.of_these_pixels) return step(revising, { do: "outline", turn, said });
    return beginToRevise({ ...revising, replaced: true }, room, now);
  },
  outlined: (state, _, room, now) => beginToRevise(state, room, now),
  failed: (state, { message }) => rest(state, "error", message),
};

/**
 * @param {Page.Draft} draft
 * @param {number} turn
 * @returns {Effect}
 */
function askToForget({ image, revises }, turn) {
  const question = {
    title: "Forget your unfinished outline?",
    text: `You have begun ${revises ? `to revise what ${revises.reader} said` : "an outline of your own"} of ${image}.`,
    confirm: "Forget it and revise",
  };
  return { do: "ask", question, then: { type: "to-revise", turn }, otherwise: { type: "to-resume", turn } };
}

/** @type {Acts} */
const READING = {
  picked(state, { finding, voxels = state.voxels }, room, now) {
    if (!isKnown(state, room, finding)) return step(state);
    return and(step({ ...state, finding, voxels }, { do: "colour", finding }), (picked) => keep(picked, room, now));
  },
  drawn(state, { voxels, undoable }, room, now) {
    const rois = roisOf(room);
    const finding = state.finding ?? (rois.length === 1 ? rois[0] : null);
    return keep({ ...state, voxels, undoable, replaced: false, finding }, room, now);
  },
  prolonged: (state, { until }) => step({ ...state, until, prolonging: false }),
  seen: (state) => (state.untold ? step({ ...state, untold: false }, { do: "mark-told", image: sure(state.wanted) }) : step(state)),
  submit(state, _, room) {
    const { turn, finding, voxels } = state;
    if (finding === null) return step(state, bad("Choose the finding first."));
    if (finding === REGION && voxels === 0) return step(state, bad("Outline the region first: without a finding there is nothing else to hand in."));
    const absent = room.findings.some(({ name, absent }) => absent && name === finding);
    if (absent && voxels > 0) {
      const question = { title: "Clear the outline?", text: `“${finding}” has no outline.`, confirm: "Clear it and hand in" };
      return step(state, { do: "ask", question, then: { type: "cleared", turn } });
    }
    if (!absent && voxels === 0 && sure(state.image).outline_wanted) {
      const text = `“${finding}” will count as a finding, but teach nothing about where it is.`;
      return step(state, { do: "ask", question: { title: "Hand in without an outline?", text, confirm: "Hand in" }, then: { type: "meant", turn } });
    }
    return handIn(state);
  },
  cleared: (state) => and(step({ ...state, voxels: 0 }, { do: "erase" }, { do: "keep" }), handIn),
  meant: handIn,
  "without-outline"(state) {
    const { finding, voxels } = state;
    if (voxels > 0) return step(state, bad("There is an outline: clear it first (Del), or hand it in (Enter)."));
    return finding === null || finding === REGION ? step(state, bad("Choose the finding first.")) : handIn(state);
  },
  alone: (state, _, room, now) => keep({ ...state, revises: null, refused: null }, room, now),
  forget(state, _, room) {
    const { turn, wanted } = state;
    if (!isDrawnSince(state)) return forget(state, room);
    const question = { title: "Delete what you have drawn?", text: `What was handed in of ${wanted} stays as it is.`, confirm: "Delete it" };
    return step(state, { do: "ask", question, then: { type: "forgotten", turn } });
  },
  forgotten: (state, _, room) => forget(state, room),
  exclude(state) {
    const lost = isDrawnSince(state) ? " What you have drawn is deleted." : "";
    const question = {
      title: "Never offer this image again",
      text: `${state.wanted} will be left out for everybody, with your reason.${lost}`,
      input: "the reason",
      choices: REASONS,
      confirm: "Exclude",
    };
    return step(state, { do: "ask", question, then: { type: "for-reason", turn: state.turn } });
  },
  "for-reason": (state, { turn, answer }) => step(state, { do: "exclude", turn, image: sure(state.wanted), reason: sure(answer) }),
  excluded: (state) => next({ ...state, kept: false }),
  "begin-with-region"(state) {
    const said = state.image?.own_region;
    if (!said || !mayBeginWith(state)) return step(state);
    const turn = state.turn + 1;
    return step({ ...state, turn, prolonging: false }, { do: "begin-with", turn, said });
  },
  "begin-with-shown"(state) {
    if (!mayBeginWithShown(state)) return step(state);
    const turn = state.turn + 1;
    return step({ ...state, turn, prolonging: false }, { do: "begin-with-shown", turn, image: sure(state.wanted) });
  },
  outlined(state, _, room, now) {
    const begun = also(begin({ ...state, replaced: false }, room, state.refused), { do: "go-to-outline" });
    return and(begun, (before) => keep(before, room, now));
  },
  "withdraw-region"(state) {
    const said = state.image?.own_region;
    if (!said) return step(state);
    const { image, id: annotation } = said;
    const text = `What you outlined of ${image} without a finding no longer counts; its file is kept.`;
    return step(state, {
      do: "ask",
      question: { title: "Withdraw your region?", text, confirm: "Withdraw" },
      then: { type: "to-withdraw", image, annotation },
    });
  },
};

/** @type {Acts} */
const SENDING = {
  numbered: (state, { submission }) => step({ ...state, sent: submission }),
  "not-made": (state, _, room) => begin(state, room, state.refused),
  arrived(state, { delivery: { entry, reply, refused }, image }, room, now) {
    const shown = sure(state.image);
    if (!reply) return image && image.fingerprint !== shown.fingerprint ? open(state, image.id) : begin({ ...state, kept: true }, room, refused);
    const { annotation: id, revision, finding, roi_voxels } = reply.xal;
    const own = { id, image: entry.image, reader: entry.reader, revision, finding, region: false, roi_voxels, created_at: now / 1000 };
    const seen = image ?? { ...shown, own, may_see: true };
    return explain({ ...state, image: seen, kept: false, drawn: false, revises: null, receipt: reply.xal });
  },
  gone: (state) => open(state, sure(state.wanted)), // it arrived meanwhile
};

/** @type {Acts} */
const WHY = {
  again(state, _, room) {
    const { turn, until } = state;
    const { id, own, status } = sure(state.image);
    if (own) return step(state, { do: "look-up", turn, image: id });
    if (status === "waiting" && !until) return step(state, { do: "lease", turn, image: id, byName: true, begun: false });
    return beginWithNothing(state, null, room);
  },
  leased: (state, { byName, until }, room) => beginWithNothing({ ...state, byName, until }, null, room),
  "looked-up"(state, { turn, annotations }, room) {
    const own = sure(sure(state.image).own);
    const said = annotations.find((annotation) => annotation.id === own.id);
    if (said?.of_these_pixels) return step(state, { do: "outline", turn, said });
    return beginWithNothing({ ...state, replaced: said !== undefined }, knownOf(state, room, own.finding), room);
  },
  outlined: (state, _, room) => begin({ ...state, finding: knownOf(state, room, sure(sure(state.image).own).finding) }, room),
  failed: (state, { message }) => step(state, bad(message)),
};

/**
 * @param {State} state
 * @param {string | null} finding
 * @param {Room} room
 */
const beginWithNothing = (state, finding, room) => also(begin({ ...state, finding }, room), { do: "empty" });

/** @type {Record<Phase, Acts>} */
const PHASES = { idle: {}, loading: LOADING, empty: {}, error: {}, reading: READING, sending: SENDING, why: WHY };
