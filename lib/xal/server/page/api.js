/** Talking to the server: who asks is always said, and what it refuses is said in its own words. */

const API = "/xal/api";
const PATIENCE_MS = 30000;
const PATIENCE_WITH_FILES_MS = 60000;
const PAGE = 500;
let reader = "";

/**
 * Everything from now on is asked in this reader's name.
 * @param {string} name
 */
export function speakFor(name) {
  reader = name;
}

/** What the server refused, or that it was not reached (`status` 0), perhaps because it took too long (`late`). */
export class Failure extends Error {
  /**
   * @param {string} message
   * @param {number} status
   * @param {boolean} late
   */
  constructor(message, status, late = false) {
    super(message);
    this.status = status;
    this.late = late;
  }
  /** Whether the same request may go better later. */
  get passing() {
    return this.status === 0 || this.status >= 500 || this.status === 429;
  }
}

/**
 * @param {string} url
 * @param {RequestInit} options
 * @param {number} patience
 */
async function answered(url, options = {}, patience = PATIENCE_MS) {
  const response = await reached(fetch(url, { ...options, signal: AbortSignal.timeout?.(patience) }));
  if (!response.ok) throw new Failure(await reasonOf(response), response.status);
  return response;
}

/**
 * What the server says, or a Failure that tells why nothing came of it.
 * @template T
 * @param {Promise<T>} asked
 */
async function reached(asked) {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof Error && error.name === "TimeoutError") throw new Failure("The server did not answer in time.", 0, true);
    if (error instanceof SyntaxError) throw new Failure("Something else than the server answered.", 0);
    throw new Failure("The server cannot be reached.", 0);
  }
}

/** @param {Response} response */
const json = async (response) => reached(response.json());

/**
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function reasonOf(response) {
  try {
    const { detail } = await response.json();
    if (typeof detail === "string") return detail;
    return /** @type {Reply.ValidationError[]} */ (detail).map((entry) => `${entry.loc.at(-1)}: ${entry.msg}`).join("; ");
  } catch {
    return `The server answered ${response.status}.`;
  }
}

/**
 * The address of something under /xal/api, asked in the reader's name.
 * @param {string} path
 * @param {Record<string, any>} query what is null or empty is not said
 */
export function address(path, query = {}) {
  const search = new URLSearchParams({ client_id: reader });
  for (const [key, value] of Object.entries(query)) {
    if (value !== null && value !== undefined && value !== "") search.set(key, value);
  }
  return `${API}${path}?${search}`;
}

/**
 * @param {string} image
 * @returns {`/images/${string}`}
 */
export const idPath = (image) => `/images/${encodeURIComponent(image)}`;

/**
 * @template {Reply.GetPath} Path
 * @param {Path} path
 * @param {Record<string, any>} [query]
 * @returns {Promise<Reply.Get<Path>>}
 */
export const get = async (path, query) => json(await answered(address(path, query)));

/**
 * Every item of a list that comes in pages.
 * @template {"/leases" | "/versions"} Path
 * @param {Path} path
 * @returns {Promise<Reply.Get<Path>["items"]>}
 */
export async function getAll(path) {
  /** @type {any[]} */
  const items = [];
  /** @type {string | null} */
  let cursor = null;
  do {
    const page = /** @type {{ items: any[], next: string | null }} */ (await get(path, { cursor, limit: PAGE }));
    items.push(...page.items);
    cursor = page.next;
  } while (cursor !== null);
  return items;
}

/**
 * @param {string} path
 * @param {Record<string, any>} [query]
 */
export const bytes = async (path, query) => reached((await answered(address(path, query), {}, PATIENCE_WITH_FILES_MS)).arrayBuffer());

/**
 * @param {string} method
 * @param {string} url
 * @param {object} body
 */
const send = async (method, url, body) => json(await answered(url, { method, headers: { "content-type": "application/json" }, body: JSON.stringify(body) }));

/**
 * @template {Reply.PostPath} Path
 * @param {Path} path
 * @param {object} body
 * @returns {Promise<Reply.Post<Path>>}
 */
export const post = (path, body = {}) => send("POST", `${API}${path}`, { client_id: reader, ...body });

/**
 * Choose images in another way.
 * @param {Reply.State["method"]} method
 * @returns {Promise<Reply.MethodReply>}
 */
export const setMethod = (method) => send("PUT", `${API}/settings/method`, { client_id: reader, method });

/**
 * MONAI Label's own interface: the same that Slicer uses.
 * @returns {Promise<Reply.Sample>}
 */
export const nextSample = () => send("POST", "/activelearning/random", { client_id: reader }); // which is the method in use
export const startTraining = () => send("POST", "/train/classifier", {});
export const stopTraining = async () => json(await answered("/train/", { method: "DELETE" }));
export const startScoring = () => send("POST", "/scoring/xal", {});

/**
 * Hand in a label file; `entry` is what the outbox keeps.
 * @param {Page.Entry} entry
 * @returns {Promise<Reply.HandedIn>}
 */
export async function handIn(entry) {
  const form = new FormData();
  form.append("params", JSON.stringify(entry.params));
  form.append("label", new Blob([entry.file], { type: "application/octet-stream" }), "label.nii.gz");
  const url = `/datastore/label?${new URLSearchParams({ image: entry.image })}`;
  return json(await answered(url, { method: "PUT", body: form }, PATIENCE_WITH_FILES_MS));
}
