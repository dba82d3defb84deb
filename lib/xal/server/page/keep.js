/**
 * What must not be lost in this browser: outlines that are being drawn, and labels that have not reached the server.
 *
 * Both lie in IndexedDB, each with the pool and the task that it belongs to. A label goes from the first to the second in one
 * transaction, and leaves the second only when the server has it or has refused it; it is sent under one number, so
 * that however often it arrives it counts once. What the browser does not take (private windows, a full disk) is kept
 * in memory for as long as the page is open, and the page asks before it is left.
 */

import { Failure, get, handIn } from "./api.js";
import { saidBy, toast } from "./dom.js";

const FIRST_PAUSE_MS = 5000;
const LONGEST_PAUSE_MS = 60000;

/** @type {Promise<IDBDatabase> | null} */
let database = null;

function opened() {
  if (database) return database;
  const forget = () => {
    database = null;
  };
  database = new Promise((resolve, reject) => {
    const request = indexedDB.open("xal", 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("drafts", { keyPath: ["pool", "task", "reader", "image"] });
      request.result.createObjectStore("outbox", { keyPath: "submission" });
    };
    request.onerror = () => reject(request.error);
    request.onsuccess = () => {
      request.result.onclose = forget;
      resolve(request.result);
    };
  });
  database.catch(forget);
  return database;
}

/**
 * Run `work` with the stores in one transaction; resolves with its result once the disk has it.
 * @param {("drafts" | "outbox")[]} names
 * @param {IDBTransactionMode} mode
 * @param {(...stores: IDBObjectStore[]) => IDBRequest | void} work
 * @returns {Promise<any>}
 */
async function within(names, mode, work) {
  const transaction = (await opened()).transaction(names, mode);
  return new Promise((resolve, reject) => {
    /** @type {IDBRequest | void} */
    let asked;
    transaction.oncomplete = () => resolve(asked?.result);
    transaction.onabort = () => reject(transaction.error ?? new Error("interrupted"));
    try {
      asked = work(...names.map((name) => transaction.objectStore(name)));
    } catch (error) {
      reject(error);
      transaction.abort();
    }
  });
}

let told = false;

/**
 * What cannot be read counts as not there.
 * @template Value, Otherwise
 * @param {Promise<Value>} reading
 * @param {Otherwise} otherwise
 * @returns {Promise<Value | Otherwise>}
 */
async function ifReadable(reading, otherwise) {
  try {
    return await reading;
  } catch (error) {
    if (!told) toast(`This browser keeps nothing here (${saidBy(error)}): hand in what you draw before you leave the page.`, "bad");
    told = true;
    return otherwise;
  }
}

/**
 * What could not be written: newer than what the disk has.
 * @type {{ drafts: Map<string, Page.Draft>, outbox: Map<string, Page.Entry> }}
 */
const unwritten = { drafts: new Map(), outbox: new Map() };
window.addEventListener("beforeunload", (event) => {
  if (unwritten.drafts.size || unwritten.outbox.size) event.preventDefault();
});

/** @param {Page.DraftKey} of */
const keyOf = (...of) => JSON.stringify(of);

/**
 * @param {Page.Draft} draft
 * @returns {Page.DraftKey}
 */
const ofDraft = ({ pool, task, reader, image }) => [pool, task, reader, image];

/** Another tab has outlined the image since this page read its draft. */
export class Elsewhere extends Error {}

/**
 * When what this page showed or wrote last of a draft was changed. One of another time is another tab's: it is neither
 * written over nor dropped here.
 * @type {Map<string, number>}
 */
const seen = new Map();

/**
 * This page has told of the draft that was changed then.
 * @param {number} changed
 * @param {Page.DraftKey} of
 */
export const knowDraft = (changed, ...of) => void seen.set(keyOf(...of), changed);

/** @param {Page.Draft} draft */
const see = (draft) => seen.set(keyOf(...ofDraft(draft)), draft.changed);

/** @param {Page.Draft | undefined} kept */
const isElsewhere = (kept) => kept !== undefined && kept.changed !== seen.get(keyOf(...ofDraft(kept)));

/**
 * @param {IDBObjectStore} drafts
 * @param {Page.DraftKey} of
 * @param {(kept: Page.Draft | undefined) => void} work what to do where the draft, if there is one, is known here
 * @param {() => void} otherwise
 */
function ifKnown(drafts, of, work, otherwise = () => {}) {
  const kept = drafts.get(of);
  kept.onsuccess = () => (isElsewhere(kept.result) ? otherwise() : work(kept.result));
}

/**
 * Throws where this browser cannot keep it, or another tab has outlined the image since; this page has it all the same.
 * @param {Page.Draft} draft
 */
export async function keepDraft(draft) {
  const key = keyOf(...ofDraft(draft));
  unwritten.drafts.set(key, draft);
  let elsewhere = false;
  await within(["drafts"], "readwrite", (drafts) =>
    ifKnown(
      drafts,
      ofDraft(draft),
      () => drafts.put(draft),
      () => (elsewhere = true),
    ),
  );
  if (elsewhere) throw new Elsewhere("it was outlined in another tab meanwhile");
  see(draft);
  if (unwritten.drafts.get(key) === draft) unwritten.drafts.delete(key);
  askToPersist();
}

let asked = false;

/** A browser that is short of room does not throw away what it has agreed to keep; asked when there is something. */
function askToPersist() {
  if (asked) return;
  asked = true;
  navigator.storage?.persist?.().catch(console.warn); // missing where the page did not come by HTTPS
}

/**
 * @param {Page.DraftKey} of
 * @returns {Promise<Page.Draft | undefined>}
 */
const readDraft = (...of) =>
  ifReadable(
    within(["drafts"], "readonly", (drafts) => drafts.get(of)),
    undefined,
  );

/**
 * What the reader goes on with.
 * @param {Page.DraftKey} of
 * @returns {Promise<Page.Draft | undefined>}
 */
export async function draftOf(...of) {
  const here = unwritten.drafts.get(keyOf(...of));
  if (here) return here;
  const written = await readDraft(...of);
  if (written) see(written);
  return written;
}

/** @param {Page.DraftKey} of */
export function dropDraft(...of) {
  unwritten.drafts.delete(keyOf(...of));
  return ifReadable(
    within(["drafts"], "readwrite", (drafts) => ifKnown(drafts, of, () => drafts.delete(of))),
    undefined,
  );
}

/**
 * This reader's unfinished outlines, the latest first.
 * @param {string} pool
 * @param {string} task
 * @param {string} reader
 */
export async function draftsOf(pool, task, reader) {
  const range = () => IDBKeyRange.bound([pool, task, reader], [pool, task, reader, []]);
  /** @type {Page.Draft[]} */
  const written = await ifReadable(
    within(["drafts"], "readonly", (drafts) => drafts.getAll(range())),
    [],
  );
  const here = [...unwritten.drafts.values()].filter((draft) => draft.pool === pool && draft.task === task && draft.reader === reader);
  const others = written.filter((draft) => !unwritten.drafts.has(keyOf(...ofDraft(draft))));
  return [...here, ...others].sort((one, other) => other.changed - one.changed);
}

/**
 * The refusal of this one has been seen.
 * @param {Page.DraftKey} of
 */
export async function markTold(...of) {
  const here = unwritten.drafts.get(keyOf(...of));
  if (here) here.untold = false;
  await ifReadable(
    within(["drafts"], "readwrite", (drafts) => {
      const kept = drafts.get(of);
      kept.onsuccess = () => kept.result?.untold && drafts.put({ ...kept.result, untold: false });
    }),
    undefined,
  );
}

/**
 * This task's labels of this pool that have not reached the server, the oldest first.
 * @param {string} pool
 * @param {string} task
 */
export const waiting = async (pool, task) => (await outbox()).filter((entry) => entry.pool === pool && entry.task === task);

/**
 * This reader's label of an image that has not reached the server yet, the latest one.
 * @param {Page.DraftKey} of
 */
export const labelOf = async (...[pool, task, reader, image]) =>
  (await waiting(pool, task)).findLast((entry) => entry.image === image && entry.reader === reader);

/**
 * What was drawn for another pool or task: it waits until that is served here again.
 * @param {string} pool
 * @param {string} task
 */
export const waitingElsewhere = async (pool, task) => (await outbox()).filter((entry) => entry.pool !== pool || entry.task !== task);

async function outbox() {
  const written = await ifReadable(
    within(["outbox"], "readonly", (labels) => labels.getAll()),
    [],
  );
  return [...written, ...unwritten.outbox.values()].sort((one, other) => one.made - other.made);
}

/**
 * From now on this label is on its way, and its draft is done.
 * @param {Page.Entry} entry
 */
export async function entrust(entry) {
  try {
    await within(["outbox", "drafts"], "readwrite", (outbox, drafts) => {
      outbox.put(entry);
      ifKnown(drafts, ofDraft(entry), () => drafts.delete(ofDraft(entry)));
    });
  } catch (error) {
    console.warn(error);
    unwritten.outbox.set(entry.submission, entry);
  }
  unwritten.drafts.delete(keyOf(...ofDraft(entry)));
}

/**
 * The server has it.
 * @param {Page.Entry} entry
 */
async function done(entry) {
  if (!unwritten.outbox.delete(entry.submission)) return within(["outbox"], "readwrite", (outbox) => outbox.delete(entry.submission));
  const left = unwritten.drafts.get(keyOf(...ofDraft(entry))) ?? (await readDraft(...ofDraft(entry)));
  if (left && !isNewer(left, entry)) await dropDraft(...ofDraft(entry));
}

/**
 * The server did not want it: it is a draft again, with the reason; one that was outlined since then stays, and gets the reason.
 * @param {Page.Entry} entry
 * @param {string} reason
 */
async function giveBack(entry, reason) {
  /** @param {Page.Draft | undefined} draft */
  const again = (draft) =>
    draft && (isElsewhere(draft) || isNewer(draft, entry)) && draft.runs.length > 1
      ? { ...draft, refused: reason, untold: true }
      : { ...entry.draft, refused: reason, untold: true, changed: Date.now() };
  if (unwritten.outbox.delete(entry.submission)) {
    const here = unwritten.drafts.get(keyOf(...ofDraft(entry)));
    const written = await readDraft(...ofDraft(entry));
    if (here || !isElsewhere(written)) return keepDraft(again(here ?? written));
    return within(["drafts"], "readwrite", (drafts) => drafts.put(again(written)));
  }
  return within(["outbox", "drafts"], "readwrite", (outbox, drafts) => {
    const kept = drafts.get(ofDraft(entry));
    kept.onsuccess = () => {
      const draft = again(kept.result);
      if (!isElsewhere(kept.result)) see(draft);
      drafts.put(draft);
    };
    outbox.delete(entry.submission);
  });
}

/**
 * @param {Page.Draft} draft
 * @param {Page.Entry} entry
 */
const isNewer = (draft, entry) => draft.changed > (entry.draft.changed ?? entry.made);

/** A number that nobody else has; `randomUUID` is missing where the page did not come by HTTPS. */
export function submissionNumber() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Hand in a label now. Returns {entry, reply} or {entry, refused}; throws a passing Failure if it may go better later.
 * @param {Page.Entry} entry
 * @returns {Promise<Page.Delivery>}
 */
async function sendNow(entry) {
  try {
    return { entry, reply: await handIn(entry) };
  } catch (error) {
    if (!(error instanceof Failure) || error.passing) throw error;
    if (!(await isServed(entry))) throw new Failure(error.message, 503); // it waits, like a label of an earlier visit
    return { entry, refused: error.message };
  }
}

/**
 * Whether the server still has what this was drawn for; it may have been started anew with something else.
 * @param {Page.Entry} entry
 */
async function isServed({ pool, task }) {
  const room = await get("/room");
  return room.pool === pool && room.task === task;
}

/** @type {Promise<void> | null} */
let sending = null;

/**
 * Send what waits for this task of this pool, and what comes to it meanwhile; `tell` hears at once what became of each:
 * {entry, reply} or {entry, refused}. What could not be sent stays. Once at a time in a tab, and only one tab at a time
 * where the browser can see to that.
 * @param {string} pool
 * @param {string} task
 * @param {(result: Page.Delivery) => void} tell
 */
export function sendAll(pool, task, tell) {
  const send = () => sendWaiting(pool, task, tell);
  sending ??= (navigator.locks ? navigator.locks.request("xal-outbox", send) : send()).finally(() => {
    sending = null;
  });
  return sending;
}

/**
 * Per submission: how often it failed, and until when it is left alone.
 * @type {Map<string, { failed: number, until: number }>}
 */
const pauses = new Map();

/** @param {Page.Entry} entry */
function putOff({ submission }) {
  const failed = (pauses.get(submission)?.failed ?? 0) + 1;
  pauses.set(submission, { failed, until: Date.now() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failed) });
}

/** @param {Page.Entry} entry */
const isDue = ({ submission }) => (pauses.get(submission)?.until ?? 0) <= Date.now();

/**
 * @param {string} pool
 * @param {string} task
 * @param {(result: Page.Delivery) => void} tell
 */
async function sendWaiting(pool, task, tell) {
  for (;;) {
    const entry = (await waiting(pool, task)).find(isDue);
    if (!entry) return;
    let result;
    try {
      result = await sendNow(entry);
    } catch (error) {
      const failure = error instanceof Failure ? error : null;
      if (!failure) console.error(error);
      if (failure?.status !== 0 || failure.late) putOff(entry); // what takes too long does not keep the others waiting next time
      if (failure?.status === 0) return;
      continue;
    }
    pauses.set(entry.submission, { failed: 0, until: Infinity }); // it is settled, even if the disk should not take that
    await (result.refused ? giveBack(entry, result.refused) : done(entry)).catch(console.warn);
    tell(result);
  }
}
