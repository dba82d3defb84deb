/** Long lists: pages are fetched as they come into view, and those far out of view hold no elements. */

import { Failure } from "./api.js";
import { fill, h, note } from "./dom.js";
import { live } from "./live.js";

const PAGE = 50;
const MOST = 500; // what the server gives at once
const MARGIN = "1500px";
const PLACEHOLDERS = 8;

/**
 * @template Item
 * @typedef {{ items: Item[], next: string | null }} Portion what the server gives at once
 */
/**
 * @template Item
 * @typedef {object} Part a page of the list
 * @property {Item[]} items
 * @property {HTMLElement} element
 * @property {Map<string, { element: HTMLElement, says: string }>} rows
 * @property {boolean} full whether it holds its rows
 */

/** @template Item */
export class Endless {
  /**
   * @param {object} parts
   * @param {string} parts.label what the list is of
   * @param {(cursor: string|null, limit: number) => Promise<Portion<Item>>} parts.fetch
   * @param {(item: Item, position: number) => HTMLElement} parts.row what it shows of an item; what has `data-main` in it gets the focus
   * @param {(item: Item) => string} parts.key
   * @param {() => string|Node} parts.empty said where there is nothing
   */
  constructor({ label, fetch, row, key, empty }) {
    this.fetch = fetch;
    this.row = row;
    this.key = key;
    this.empty = empty;
    /** @type {Part<Item>[]} */
    this.pages = [];
    /** @type {string | null} */
    this.next = null;
    this.turn = 0;
    this.loading = false;
    this.failed = false;
    this.list = h("div", { class: "pages", role: "list", "aria-label": label });
    this.foot = h("div", { class: "foot" });
    this.element = h("div", { class: "endless", onKeydown: (/** @type {KeyboardEvent} */ event) => this.#key(event) }, this.list, this.foot);
    this.observer = new IntersectionObserver((entries) => entries.forEach((entry) => this.#moved(entry)), { root: this.element, rootMargin: MARGIN });
    live.addEventListener("connection", () => live.connected && this.failed && this.#more());
  }

  get count() {
    return this.pages.reduce((sum, page) => sum + page.items.length, 0);
  }

  /** Show the list from its start. */
  async reset() {
    this.turn += 1;
    Object.assign(this, { pages: [], next: null, loading: false, failed: false });
    this.observer.disconnect();
    this.element.scrollTop = 0;
    fill(this.list);
    fill(
      this.foot,
      Array.from({ length: PLACEHOLDERS }, () => h("div", { class: "item placeholder", "aria-hidden": "true" })),
      h("p", { class: "unseen", role: "status" }, "Loading …"),
    );
    await this.#more();
  }

  /** Fetch anew what is shown, in place; false where that is too much, and only `reset` helps. */
  async refresh() {
    if (this.failed || this.loading) return true;
    if (this.count > MOST) return false;
    const { turn } = this;
    let reply;
    try {
      reply = await this.fetch(null, Math.max(PAGE, this.count));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return true; // what is shown is old, but more than nothing; the next change tries again
    }
    if (turn !== this.turn || this.loading) return true;
    this.#replace(reply);
    return true;
  }

  /**
   * Take an item away; the focus goes to the one behind it, or before it.
   * @param {string} key
   */
  remove(key) {
    const page = this.pages.find(({ items }) => items.some((item) => this.key(item) === key));
    if (!page) return;
    const element = page.rows.get(key)?.element;
    const neighbour = element && (this.#neighbour(element, 1) ?? this.#neighbour(element, -1));
    page.items = page.items.filter((item) => this.key(item) !== key);
    page.rows.delete(key);
    element?.remove();
    if (neighbour) main(neighbour)?.focus();
    if (this.count === 0) this.next === null ? this.#end() : this.#more();
  }

  async #more() {
    if (this.loading || (this.next === null && this.pages.length > 0)) return;
    const { turn } = this;
    this.loading = true;
    this.failed = false;
    this.element.setAttribute("aria-busy", "true");
    try {
      const reply = await this.fetch(this.next, PAGE);
      if (turn !== this.turn) return;
      this.next = reply.next;
      const known = new Set(this.pages.flatMap((page) => page.items.map(this.key)));
      this.#add(reply.items.filter((item) => !known.has(this.key(item)))); // the order may have moved between two pages
      this.#end();
    } catch (error) {
      if (turn !== this.turn) return;
      if (!(error instanceof Failure)) throw error;
      this.failed = true;
      fill(this.foot, note(error.message, "bad"), h("button", { onClick: () => this.#more() }, "Try again"));
    } finally {
      if (turn === this.turn) {
        this.loading = false;
        this.element.removeAttribute("aria-busy");
        if (!this.failed) this.#watchFoot();
      }
    }
  }

  /** What stands below the last row. */
  #end() {
    if (this.count === 0) fill(this.foot, h("div", { class: "empty", role: "status" }, this.empty()));
    else fill(this.foot, this.next !== null && h("p", { class: "quiet busy" }, "More …"));
  }

  #watchFoot() {
    this.observer.unobserve(this.foot);
    if (this.next !== null) this.observer.observe(this.foot); // says at once whether it is in view
  }

  /** @param {Item[]} items */
  #add(items) {
    /** @type {Part<Item>} */
    const page = { items, element: h("div", { class: "page" }), rows: new Map(), full: false };
    this.pages.push(page);
    this.#render(page);
    this.list.append(page.element);
    this.observer.observe(page.element);
  }

  /** @param {Portion<Item>} reply */
  #replace(reply) {
    const { scrollTop } = this.element;
    const focused = document.activeElement?.closest(".item");
    const lost = focused instanceof HTMLElement && this.list.contains(focused) ? focused.dataset.key : null;
    /** @type {Item[][]} */
    const chunks = [];
    for (let at = 0; at < reply.items.length; at += PAGE) chunks.push(reply.items.slice(at, at + PAGE));
    for (const page of this.pages.splice(chunks.length)) {
      this.observer.unobserve(page.element);
      page.element.remove();
    }
    chunks.forEach((items, at) => {
      const page = this.pages[at];
      if (!page) return this.#add(items);
      page.items = items;
      if (page.full) this.#render(page);
    });
    this.next = reply.next;
    this.#end();
    this.#watchFoot();
    this.element.scrollTop = scrollTop;
    if (lost && !this.list.contains(document.activeElement)) main(this.list.querySelector(`[data-key="${CSS.escape(lost)}"]`))?.focus({ preventScroll: true });
  }

  /**
   * The elements of a page; a row that says the same as before keeps its own.
   * @param {Part<Item>} page
   */
  #render(page) {
    const before = page.rows;
    let position = this.pages.slice(0, this.pages.indexOf(page)).reduce((sum, earlier) => sum + earlier.items.length, 0);
    page.rows = new Map();
    for (const item of page.items) {
      position += 1;
      const key = this.key(item);
      const says = JSON.stringify([position, item]);
      const known = before.get(key);
      const element = known?.says === says ? known.element : this.row(item, position);
      element.dataset.key = key;
      page.rows.set(key, { element, says });
    }
    page.element.style.height = "";
    page.element.replaceChildren(...[...page.rows.values()].map((row) => row.element));
    page.full = true;
  }

  /** @param {IntersectionObserverEntry} entry */
  #moved({ target, isIntersecting, boundingClientRect }) {
    if (target === this.foot) return isIntersecting && this.#more();
    const page = this.pages.find(({ element }) => element === target);
    if (!page) return;
    if (isIntersecting && !page.full) this.#render(page);
    else if (!isIntersecting && page.full && boundingClientRect.height && !target.contains(document.activeElement)) {
      page.element.style.height = `${boundingClientRect.height}px`;
      page.element.replaceChildren();
      page.rows = new Map();
      page.full = false;
    }
  }

  /**
   * @param {Element} element
   * @param {number} step
   */
  #neighbour(element, step) {
    const rows = [...this.list.querySelectorAll(".item")];
    return rows[rows.indexOf(element) + step] ?? null;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key, target } = event;
    const step = key === "ArrowDown" ? 1 : key === "ArrowUp" ? -1 : 0;
    if (!step || !(target instanceof Element) || event.altKey || event.ctrlKey || event.metaKey || target.matches("input, select")) return;
    const row = target.closest(".item");
    if (!row) return;
    const next = this.#neighbour(row, step);
    if (next) main(next)?.focus();
    event.preventDefault();
  }
}

/**
 * What of a row has the focus when one goes from row to row.
 * @param {Element | null} row
 * @returns {HTMLElement | null}
 */
const main = (row) => (row instanceof HTMLElement && row.matches("[data-main]") ? row : (row?.querySelector("[data-main]") ?? null));
