/** The queue: the pool as Next Sample ranks it, what became of the other images, and who has which. */

import { Failure, get, getAll, idPath, post, setMethod } from "./api.js";
import { fill, h, markCurrent, toast } from "./dom.js";
import { Endless } from "./lists.js";
import { live } from "./live.js";
import { imageRow } from "./rows.js";
import { Scatter } from "./scatter.js";
import { Watch } from "./watch.js";

/**
 * @typedef {"open" | "leases" | "settled" | "review" | "excluded" | "unreadable"} Count of the live state
 * @type {{ name: string, title: string, count?: Count, empty: string }[]}
 */
const STATES = [
  { name: "waiting", title: "Waiting", count: "open", empty: "Nothing waits: every image has been read." },
  { name: "leased", title: "With somebody", count: "leases", empty: "Nobody has an image now." },
  { name: "handed_in", title: "Handed in", empty: "Nothing has been handed in yet." },
  { name: "settled", title: "Settled", count: "settled", empty: "No image has a settled finding yet." },
  { name: "review", title: "In review", count: "review", empty: "No image waits for a decision between readers." },
  { name: "excluded", title: "Excluded", count: "excluded", empty: "No image is excluded." },
  { name: "unreadable", title: "Unreadable", count: "unreadable", empty: "Every image can be read." },
];
const SOURCES = [
  ["", "any ROI"],
  ["drawn", "drawn ROI"],
  ["proposed", "proposed ROI"],
  ["none", "no ROI"],
];
const BY_READER = ["leased", "handed_in"];
/** @type {(keyof Reply.State)[]} */
const CHANGES = ["model_version", "alpha", "method", "lined_up", "open", "leases", "settled", "review", "excluded", "unreadable", "unscored", "looked_at"];
/** @type {Record<Reply.State["method"], string>} */
const METHODS = {
  xal: "xal",
  xal_evidence: "xal by evidence",
  entropy: "entropy",
  margin: "margin",
  uniform: "chance",
  coverage: "coverage",
  k_center: "k-center",
  badge: "BADGE",
  bald: "BALD",
};
/** @type {Reply.State["method"][]} */
const COMPARING = ["xal", "xal_evidence"];
const LIST_PAUSE_MS = 4000;
const POINTS_PAUSE_MS = 15000;
const POINTS = 2000;

/** By which method images are chosen: a reviewer may say another one. */
export class Choice {
  /** @param {Reply.Room} room */
  constructor(room) {
    this.list = h(
      "select",
      { disabled: room.reviewers && !room.reviewer, onChange: () => this.#change() },
      room.methods.map((method) => h("option", { value: method }, METHODS[method])),
    );
    this.said = h("span", { class: "quiet", role: "status" });
    this.element = h("label", { class: "row" }, h("span", { class: "quiet" }, "Chosen by"), this.list, this.said);
    live.addEventListener("state", () => this.#show());
    this.#show();
  }

  #show() {
    if (!live.state) return;
    const { method, lined_up: linedUp, model_version: version } = live.state;
    if (document.activeElement !== this.list) this.list.value = method;
    this.said.textContent = version === null ? "once there is a model" : linedUp ? "" : "being lined up …";
  }

  async #change() {
    try {
      const { method } = await setMethod(/** @type {Reply.State["method"]} */ (this.list.value));
      toast(`Images are chosen by ${METHODS[method]} from now on.`, "good");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
      if (live.state) this.list.value = live.state.method;
    } finally {
      this.list.blur(); // as long as it has the focus it is being chosen from, and does not follow what others set
    }
  }
}

export class Queue {
  /**
   * @param {Reply.Room} room
   * @param {HTMLElement} root
   */
  constructor(room, root) {
    this.room = room;
    this.state = STATES[0];
    this.source = "";
    this.reader = "";
    this.top = 0;
    this.list = new Endless({
      label: "Images",
      fetch: (cursor, limit) => get("/queue", { state: this.state.name, source: this.#filters("source"), reader: this.#filters("reader"), cursor, limit }),
      row: (item, position) =>
        imageRow(room, item, { position, alpha: this.#alpha(), ranked: this.state.name === "waiting", include: (image) => this.#include(image) }),
      key: (item) => (item.annotation ? `${item.id} ${item.annotation.id}` : item.id),
      empty: () => (this.source || this.reader ? "No image fits this filter." : this.state.empty),
    });
    this.scatter = new Scatter();
    this.picker = h(
      "nav",
      { class: "chips", "aria-label": "State of the images" },
      STATES.map((state) =>
        h("a", { class: "chip", href: `#/queue/${state.name}` }, state.title, state.count && h("span", { class: "count", data: { of: state.count } })),
      ),
    );
    this.filters = h("div", { class: "filters" });
    this.method = new Choice(room);
    this.moved = h("p", { class: "moved", role: "status", hidden: true }, "The order has changed. ", h("button", { onClick: () => this.#reset() }, "Show it"));
    fill(root, h("div", { class: "pool" }, h("div", { class: "picks" }, this.picker, this.filters), this.moved, this.list.element), this.scatter.element);
    this.watch = new Watch(CHANGES, () => this.#refresh(), LIST_PAUSE_MS);
    this.pointsWatch = new Watch(["model_version", "alpha", "method", "open", "unscored"], () => this.#points(), POINTS_PAUSE_MS);
    live.addEventListener("state", () => this.#count());
    live.addEventListener("connection", () => live.connected && this.scatter.failed && this.#points());
    this.#count();
    this.#pick();
  }

  /**
   * Come in, perhaps at one of the states: `#/queue/excluded`.
   * @param {string | null} name
   */
  async enter(name) {
    const wanted = STATES.find((state) => state.name === name) ?? this.state;
    if (!this.entered || wanted !== this.state) {
      this.state = wanted;
      this.source = this.reader = "";
      this.#pick();
      if (!this.entered) this.#points();
      this.entered = true;
      await this.#reset();
    } else this.list.element.scrollTop = this.top;
    this.watch.start();
    this.pointsWatch.start();
  }

  leave() {
    this.top = this.list.element.scrollTop;
    this.watch.stop();
    this.pointsWatch.stop();
  }

  /** @param {"source" | "reader"} which */
  #filters(which) {
    if (which === "source") return this.state.name === "waiting" ? this.source : null;
    return BY_READER.includes(this.state.name) ? this.reader : null;
  }

  /** What weighs uncertainty in a score; null where scores are made of something else. */
  #alpha() {
    const { state } = live;
    return state && !COMPARING.includes(state.method) ? null : (state?.alpha ?? this.room.alpha);
  }

  async #reset() {
    this.moved.hidden = true;
    this.watch.seen();
    await this.list.reset();
  }

  async #refresh() {
    this.moved.hidden = await this.list.refresh();
  }

  async #points() {
    this.pointsWatch.seen();
    try {
      await this.scatter.show(await get("/queue/points", { limit: POINTS }), this.#alpha());
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      this.scatter.fail(error.message, () => this.#points());
    }
  }

  // which images

  #pick() {
    STATES.forEach((state, at) => markCurrent(this.picker.children[at], state === this.state));
    const {
      state: { name },
      room,
    } = this;
    if (name === "waiting")
      fill(
        this.filters,
        (room.reviewer || room.reveal === "always") && this.#select("ROI used", SOURCES, (value) => (this.source = value)),
        this.method.element,
      );
    else if (BY_READER.includes(name)) this.#offerReaders();
    else fill(this.filters);
  }

  #count() {
    if (!live.state) return;
    for (const badge of this.picker.querySelectorAll("span")) {
      const count = live.state[/** @type {Count} */ (badge.dataset.of)];
      badge.textContent = (count ?? 0).toLocaleString("en");
    }
  }

  async #offerReaders() {
    const { state } = this;
    /** @param {string[]} names */
    const offer = (names) =>
      fill(
        this.filters,
        this.#select("Reader", [["", "every reader"], ...names.map((name) => [name, name])], (value) => (this.reader = value)),
      );
    offer([]);
    try {
      const names = state.name === "leased" ? (await getAll("/leases")).map((lease) => lease.reader) : (await get("/progress")).readers;
      if (state === this.state && !this.reader) offer([...new Set(names)].sort());
    } catch (error) {
      if (!(error instanceof Failure)) throw error; // the list itself says what is wrong
    }
  }

  /**
   * @param {string} label
   * @param {string[][]} choices
   * @param {(value: string) => void} choose
   */
  #select(label, choices, choose) {
    const change = () => {
      choose(list.value);
      this.#reset();
    };
    const list = h(
      "select",
      { onChange: change },
      choices.map(([value, text]) => h("option", { value }, text)),
    );
    return h("label", { class: "row" }, h("span", { class: "quiet" }, label), list);
  }

  /** @param {Reply.QueueItem} item */
  async #include(item) {
    try {
      await post(`${idPath(item.id)}/include`);
      toast(`${item.id} is offered again.`, "good");
      this.list.remove(item.id);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
    }
  }
}
