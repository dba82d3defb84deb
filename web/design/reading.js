/**
 * Reading as a pure function: what is the case, and what has happened → what is the case now, and what is to be done.
 *
 * This is how read.js is meant to be parted, and is not served: there, what is the case lies in fields that every method
 * may change, and each looks after an `await` whether it is still what the reader wants. Here that is asked in two places:
 *
 * - What answers an effect says the `turn` in which it was asked for. Each step to another image or phase is a new turn,
 *   and an answer to an earlier one changes nothing (`late`, which also gives back a lease that nobody wants any more).
 * - A phase lists what can happen in it (`PHASES`); anything else is left alone.
 *
 * Effects are carried out in order, each once the one before is done: so a lease is given back before the next is taken.
 */

/** @typedef {"idle" | "loading" | "empty" | "error" | "reading" | "sending" | "why"} Phase */

/**
 * What is known of an image before it is shown.
 * @typedef {object} Found
 * @property {Reply.ImageView} image
 * @property {Page.Draft} [draft] what this reader had begun
 * @property {Page.Entry} [sent] what of this reader is on its way
 * @property {number | null} until of the lease that came with the image
 * @property {number | null} revise the annotation to begin with
 */

/**
 * @typedef {object} State
 * @property {Phase} phase
 * @property {number} turn
 * @property {string | null} wanted the image in view, or the one that is to come
 * @property {Found | null} found
 * @property {boolean} byName the lease was taken because the image was opened by its name
 * @property {number | null} until when the image is this reader's
 * @property {string | null} finding
 * @property {number} voxels of the outline
 * @property {boolean} strokes there are some that would be lost
 * @property {boolean} kept there is a draft
 * @property {boolean} replaced the outline that was kept is one of other pixels
 * @property {Reply.Said | null} revises
 * @property {string | null} refused why the server did not take what was handed in
 * @property {string | null} sent the number under which it is on its way
 * @property {Reply.Receipt | null} receipt
 * @property {string} message
 */

/**
 * What a reader does, and what answers an effect; the latter says its `turn`.
 * @typedef {{ type: "next" }
 *   | { type: "open", image: string, revise?: number | null }
 *   | { type: "rest" }
 *   | { type: "sampled", turn: number, id: string | null, until: number }
 *   | { type: "found", turn: number, found: Found }
 *   | { type: "leased", turn: number, image: string, byName: boolean, until: number | null }
 *   | { type: "shown", turn: number }
 *   | { type: "failed", turn: number, message: string }
 *   | { type: "begun-with", turn: number, said: Reply.Said | null }
 *   | { type: "picked", finding: string }
 *   | { type: "drawn", voxels: number }
 *   | { type: "submit" }
 *   | { type: "meant", turn: number }
 *   | { type: "not-made", turn: number, message: string }
 *   | { type: "entrusted", turn: number, submission: string }
 *   | { type: "delivered", image: string, submission: string, now: Reply.ImageView | null, reply?: Reply.Receipt, refused?: string }
 *   | { type: "again" }} Happening
 */

/**
 * What is to be done; `name` is what the address says, `clear` empties the picture.
 * @typedef {{ do: "tell", text: string, kind: "good" | "quiet" | "bad" }
 *   | { do: "name", image: string | null }
 *   | { do: "clear" }
 *   | { do: "list-unfinished" }
 *   | { do: "sample", turn: number }
 *   | { do: "find", turn: number, image: string, until: number | null, revise: number | null }
 *   | { do: "lease", turn: number, image: string, byName: boolean, begun: boolean }
 *   | { do: "release", image: string }
 *   | { do: "show", turn: number, image: string }
 *   | { do: "lay", draft: Page.Draft }
 *   | { do: "begin-with", turn: number, image: string, annotation: number }
 *   | { do: "draw", may: boolean }
 *   | { do: "keep" }
 *   | { do: "drop", image: string }
 *   | { do: "ask", turn: number, what: "clear" | "without" }
 *   | { do: "erase" }
 *   | { do: "hand-in", turn: number }
 *   | { do: "explain", turn: number }} Effect
 */

/** @typedef {{ state: State, effects: Effect[] }} Step */
/** @typedef {Pick<Reply.Room, "reader" | "reviewer" | "findings">} Room */

/** @type {State} */
export const START = {
  phase: "idle",
  turn: 0,
  wanted: null,
  found: null,
  byName: false,
  until: null,
  finding: null,
  voxels: 0,
  strokes: false,
  kept: false,
  replaced: false,
  revises: null,
  refused: null,
  sent: null,
  receipt: null,
  message: "",
};

/**
 * @param {State} state
 * @param {Happening} event
 * @param {Room} room
 * @returns {Step}
 */
export function reading(state, event, room) {
  if ("turn" in event && event.turn !== state.turn) return late(state, event);
  if (event.type === "delivered" && !(state.phase === "sending" && state.sent === event.submission)) return delivered(state, event);
  const act = PHASES[state.phase][event.type] ?? ANYWHERE[event.type];
  return act ? act(state, event, room) : still(state);
}

/**
 * @param {State} state
 * @param {...Effect} effects
 * @returns {Step}
 */
const still = (state, ...effects) => ({ state, effects });

/**
 * An answer that nobody waits for any more; a lease is given back, unless the same image was asked for again.
 * @param {State} state
 * @param {Happening} event
 */
const late = (state, event) =>
  event.type === "leased" && event.byName && state.wanted !== event.image ? still(state, { do: "release", image: event.image }) : still(state);

/**
 * A label that is not in view any more has arrived, or was refused: that is told elsewhere.
 * @param {State} state
 * @param {Extract<Happening, { type: "delivered" }>} event
 */
const delivered = (state, event) => (event.reply ? still(state, { do: "tell", text: `${event.image} has been handed in.`, kind: "good" }) : still(state));

/**
 * Leave what is in view, for `image` or for none.
 * @param {State} state
 * @param {Phase} phase
 * @param {string | null} image
 * @param {string} message
 * @returns {Step}
 */
function leave(state, phase, image, message = "") {
  const left = { ...START, turn: state.turn + 1, phase, wanted: image, message };
  /** @type {Effect[]} */
  const effects = [];
  const id = state.wanted;
  const forgotten = state.phase === "reading" && !state.replaced && !isWorthKeeping(state);
  if (id !== null && forgotten && state.kept) effects.push({ do: "drop", image: id });
  if (id !== null && state.byName && (forgotten || (state.phase === "loading" && id !== image))) effects.push({ do: "release", image: id });
  return { state: left, effects: [...effects, { do: "clear" }, { do: "name", image }] };
}

/** @param {State} state */
const isWorthKeeping = (state) => state.phase === "reading" && state.kept && Boolean(state.voxels || state.revises || state.refused);

/**
 * Nothing is in view: what is unfinished is offered.
 * @param {State} state
 * @param {"idle" | "empty" | "error"} phase
 * @param {string} message
 * @returns {Step}
 */
function rest(state, phase, message = "") {
  const step = leave(state, phase, null, message);
  return { state: step.state, effects: [...step.effects, { do: "list-unfinished" }] };
}

/**
 * @param {State} state
 * @param {string} image
 * @param {number | null} revise
 * @returns {Step}
 */
function open(state, image, revise = null) {
  const step = leave(state, "loading", image);
  return { state: step.state, effects: [...step.effects, { do: "find", turn: step.state.turn, image, until: null, revise }] };
}

/**
 * Draw from now on.
 * @param {State} state
 * @param {string | null} refused
 * @param {...Effect} first
 */
const begin = (state, refused, ...first) =>
  still({ ...state, phase: "reading", turn: state.turn + 1, refused, sent: null, receipt: null }, ...first, { do: "draw", may: true });

/**
 * Look at what the model had made of it.
 * @param {State} state
 */
function explain(state) {
  const turn = state.turn + 1;
  return still({ ...state, phase: "why", turn }, { do: "draw", may: false }, { do: "explain", turn });
}

/**
 * Keep the draft as it is now; until something is drawn, what was kept of another file stays.
 * @param {State} state
 */
const keep = (state) => (state.replaced ? still(state) : still({ ...state, kept: true }, { do: "keep" }));

/** @param {State} state */
function handIn(state) {
  const turn = state.turn + 1;
  return still({ ...state, phase: "sending", turn }, { do: "draw", may: false }, { do: "hand-in", turn });
}

/**
 * What the image is to be shown for: to be read, which takes a lease, or to be looked at.
 * @param {Found} found
 * @param {Room} room
 */
function purpose({ image, draft, sent, until, revise }, room) {
  const looks = room.reviewer && until === null && image.lease?.reader !== room.reader && !draft; // a reviewer who came by name
  const toBeRead = image.status === "waiting" && !image.own && !sent && !revise && !draft?.revises && !looks;
  return { toBeRead, byName: until === null && toBeRead && image.lease === null };
}

/**
 * Go on with a draft, if it was drawn on the pixels that are in view.
 * @param {State} state
 * @param {Page.Draft} draft
 * @param {Room} room
 */
function resume(state, draft, room) {
  const { image } = /** @type {Found} */ (state.found);
  const ours = draft.pixels ? draft.pixels === image.fingerprint : (draft.checksum ?? image.checksum) === image.checksum;
  const finding = room.findings.some(({ name }) => name === draft.finding) ? draft.finding : null;
  const known = { ...state, finding, revises: draft.revises ?? null, kept: true, replaced: !ours, strokes: ours && Boolean(draft.drawn) };
  /** @type {Effect[]} */
  const laid = ours ? [{ do: "lay", draft }] : [];
  return begin(known, draft.refused ?? null, ...laid);
}

/** @typedef {(state: State, event: any, room: Room) => Step} Act */

/** @type {Record<string, Act>} */
const ANYWHERE = {
  next(state) {
    const kept = isWorthKeeping(state) ? state.wanted : null;
    const step = leave(state, "loading", null);
    /** @type {Effect[]} */
    const told = kept === null ? [] : [{ do: "tell", text: `${kept} is kept.`, kind: "quiet" }];
    return { state: step.state, effects: [...step.effects, ...told, { do: "sample", turn: step.state.turn }] };
  },
  open: (state, { image, revise }) => open(state, image, revise ?? null),
  rest: (state) => rest(state, "idle"),
  failed: (state, { message }) => rest(state, "error", message),
};

/** @type {Record<Phase, Record<string, Act>>} */
const PHASES = {
  idle: {},
  empty: {},
  error: {},
  loading: {
    next: (state) => still(state), // one is on its way
    sampled(state, { id, until, turn }) {
      if (id === null) return rest(state, "empty");
      return still({ ...state, wanted: id }, { do: "name", image: id }, { do: "find", turn, image: id, until, revise: null });
    },
    found(state, { found, turn }, room) {
      const { toBeRead, byName } = purpose(found, room);
      const image = found.image.id;
      const known = { ...state, found, until: found.until };
      if (toBeRead && found.until === null) return still(known, { do: "lease", turn, image, byName, begun: found.draft !== undefined });
      return still(known, { do: "show", turn, image });
    },
    leased: (state, { until, byName, image, turn }) => still({ ...state, until, byName }, { do: "show", turn, image }),
    shown(state, { turn }, room) {
      const found = /** @type {Found} */ (state.found);
      const { image, draft, sent, revise } = found;
      if (revise !== null && !sent && draft?.revises?.id !== revise) return still(state, { do: "begin-with", turn, image: image.id, annotation: revise });
      if (draft && !(sent && sent.draft.changed >= draft.changed)) return resume(state, draft, room);
      if (sent)
        return still({ ...state, phase: "sending", turn: turn + 1, sent: sent.submission, finding: sent.draft.finding }, { do: "lay", draft: sent.draft });
      return image.may_see && !purpose(found, room).toBeRead ? explain(state) : begin(state, null);
    },
    "begun-with"(state, { said }, room) {
      if (!said) return explain(state);
      const finding = room.findings.some(({ name }) => name === said.finding) ? said.finding : null;
      const step = begin({ ...state, revises: said, finding, replaced: !said.of_these_pixels }, null);
      const kept = keep(step.state);
      return { state: kept.state, effects: [...step.effects, ...kept.effects] };
    },
  },
  reading: {
    picked: (state, { finding }) => keep({ ...state, finding }),
    drawn(state, { voxels }, room) {
      const rois = room.findings.filter(({ absent }) => !absent);
      return keep({ ...state, voxels, strokes: true, replaced: false, finding: state.finding ?? (rois.length === 1 ? rois[0].name : null) });
    },
    submit(state, _, room) {
      if (state.finding === null) return still(state, { do: "tell", text: "Choose the finding first.", kind: "bad" });
      const { absent } = room.findings.find(({ name }) => name === state.finding) ?? { absent: false };
      if (absent === state.voxels > 0) return still(state, { do: "ask", turn: state.turn, what: absent ? "clear" : "without" });
      return handIn(state);
    },
    meant(state, _, room) {
      const { absent } = room.findings.find(({ name }) => name === state.finding) ?? { absent: false };
      const step = handIn(absent ? { ...state, voxels: 0 } : state);
      return absent ? { state: step.state, effects: [{ do: "erase" }, ...step.effects] } : step;
    },
  },
  sending: {
    entrusted: (state, { submission }) => still({ ...state, sent: submission }),
    "not-made": (state, { message }) => begin(state, state.refused, { do: "tell", text: message, kind: "bad" }),
    delivered(state, { now, reply, refused }) {
      const found = /** @type {Found} */ (state.found);
      const kept = { ...state, kept: refused !== undefined, found: now ? { ...found, image: now } : found };
      if (refused === undefined) return explain({ ...kept, receipt: reply, revises: null, strokes: false });
      return now && now.fingerprint !== found.image.fingerprint ? open(state, now.id) : begin(kept, refused);
    },
  },
  why: {
    again(state) {
      const { turn, until } = state;
      const { own, id, status } = /** @type {Found} */ (state.found).image;
      if (own) return still(state, { do: "begin-with", turn, image: id, annotation: own.id });
      if (status === "waiting" && until === null) return still(state, { do: "lease", turn, image: id, byName: true, begun: false });
      return begin({ ...state, finding: null, voxels: 0 }, null);
    },
    leased: (state, { until }) => begin({ ...state, until, byName: true, finding: null, voxels: 0 }, null),
    "begun-with"(state, { said }) {
      const { own } = /** @type {Found} */ (state.found).image;
      return begin({ ...state, finding: own?.finding ?? null, replaced: said !== null && !said.of_these_pixels }, null);
    },
    failed: (state, { message }) => still(state, { do: "tell", text: message, kind: "bad" }),
  },
};
