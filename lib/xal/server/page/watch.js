/** Staying up to date: when to fetch again, and how to replace what is shown without moving the reader. */

import { fill, focusOn } from "./dom.js";
import { live } from "./live.js";

/** Calls `refresh` when what it shows has changed at the server: at once, then no more often than every `pause` ms. */
export class Watch {
  /**
   * @param {(keyof Reply.State | ((state: Reply.State) => any))[]} keys what of the live state tells that something has changed
   * @param {() => Promise<void>} refresh
   * @param {number} pause
   */
  constructor(keys, refresh, pause) {
    this.keys = keys;
    this.refresh = refresh;
    this.pause = pause;
    /** @type {string | null} */
    this.shown = null;
    this.last = 0;
    this.timer = 0;
    this.look = () => this.#look();
  }

  /** From now on; refreshes at once if something has changed since `stop`. */
  start() {
    live.addEventListener("state", this.look);
    this.#look();
  }

  stop() {
    live.removeEventListener("state", this.look);
    clearTimeout(this.timer);
    this.timer = 0;
  }

  /** What is shown is as new as the state. */
  seen() {
    this.shown = this.#signature();
    this.last = Date.now();
  }

  #signature() {
    const { state } = live;
    return state && JSON.stringify(this.keys.map((key) => (typeof key === "function" ? key(state) : (state[key] ?? null))));
  }

  #look() {
    const now = this.#signature();
    if (now === null || now === this.shown || this.timer) return;
    if (this.shown === null) return this.seen(); // the first state: it belongs to what was fetched just now
    this.timer = setTimeout(() => this.#run(), Math.max(0, this.last + this.pause - Date.now()));
  }

  async #run() {
    this.seen();
    try {
      await this.refresh();
    } finally {
      this.timer = 0;
      this.#look();
    }
  }
}

/**
 * Replace everything in `parent`; the focus stays on what has the same `data-focus`.
 * @param {Element} parent
 * @param {...Page.Child} children
 */
export function refill(parent, ...children) {
  const { activeElement } = document;
  const focused = activeElement instanceof HTMLElement && parent.contains(activeElement) ? activeElement.dataset.focus : null;
  fill(parent, ...children);
  if (focused) focusOn(parent, focused, { preventScroll: true });
}
