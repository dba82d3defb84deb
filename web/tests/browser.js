/** What the page's modules find in a browser and not in Node; for tests of modules that touch it when they are loaded. */

import "fake-indexeddb/auto";

/** @type {[string, unknown][]} */
const missing = [
  ["window", new EventTarget()],
  ["navigator", {}],
];
for (const [name, value] of missing) Object.defineProperty(globalThis, name, { value, configurable: true });

/**
 * Answer what is asked of the server from now on, in order; a request beyond that fails the test that sends it.
 * @param {...(() => Response | Promise<Response>)} replies
 * @returns {{ url: string, options: RequestInit }[]} what is asked
 */
export function answering(...replies) {
  /** @type {{ url: string, options: RequestInit }[]} */
  const requests = [];
  globalThis.fetch = async (url, options = {}) => {
    requests.push({ url: String(url), options });
    const reply = replies.shift();
    if (!reply) throw new Error(`nobody expected ${url} to be asked`);
    return reply();
  };
  return requests;
}

/**
 * A reply in JSON.
 * @param {unknown} body
 * @param {number} status
 */
export const replying =
  (body, status = 200) =>
  () =>
    new Response(JSON.stringify(body), { status });

/**
 * No server at all, as `fetch` says it.
 * @returns {never}
 */
export function unreachable() {
  throw new TypeError("fetch failed");
}
