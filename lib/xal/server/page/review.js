/** What looks wrong among the annotations, and the images that were excluded: for reviewers to decide. */

import { Failure, get, idPath, post } from "./api.js";
import { ago, ask, colourOf, fill, h, rgb, toast } from "./dom.js";
import { saidIn } from "./findings.js";
import { Endless } from "./lists.js";
import { findingTag, readPath, revisePath, thumbnail } from "./rows.js";
import { sure } from "./sure.js";
import { Watch } from "./watch.js";

/**
 * @typedef {false | (() => unknown)} Deed
 * @typedef {{ open: Deed, accept: Deed, revise: Deed, withdraw: Deed, settle: Deed[] }} Deeds what can be done about a suspect
 */

const KINDS = { disagree: "Readers differ", model: "The model disagrees", far: "Far from the others", region: "Outlined, but called absent" };
/** @type {(keyof Reply.State)[]} */
const CHANGES = ["settled", "open", "review", "doubts", "excluded", "findings", "looked_at"];
const PAUSE_MS = 3000;

export class Review {
  /**
   * @param {Reply.Room} room
   * @param {HTMLElement} root
   */
  constructor(room, root) {
    this.room = room;
    this.suspects = new Endless({
      label: "Annotations to look at",
      fetch: (cursor, limit) => get("/review", { cursor, limit }),
      row: (suspect) => this.#suspect(suspect),
      key: keyOf,
      empty: () => "Nothing looks wrong. What does appears here by itself.",
    });
    this.excluded = new Endless({
      label: "Excluded images",
      fetch: (cursor, limit) => get("/queue", { state: "excluded", cursor, limit }),
      row: (item) => this.#excluded(item),
      key: (item) => item.id,
      empty: () => "No image is excluded.",
    });
    /** @type {[names: string[], what: string][]} */
    const keys = [
      [["↑", "↓"], "move"],
      [["Enter"], "open"],
      [["A"], "accept"],
      [["R"], "revise"],
      [["W"], "withdraw"],
      [["1", "…", "9"], "settle"],
    ];
    fill(
      root,
      h(
        "section",
        { class: "doubts", "aria-labelledby": "doubts" },
        h(
          "div",
          { class: "row head" },
          h("h2", { id: "doubts" }, "To look at"),
          h(
            "p",
            { class: "hints quiet small" },
            keys.map(([names, what]) =>
              h(
                "span",
                {},
                names.map((name) => h("kbd", {}, name)),
                " ",
                what,
              ),
            ),
          ),
        ),
        this.suspects.element,
      ),
      h(
        "section",
        { class: "excluded", "aria-labelledby": "excluded" },
        h("div", { class: "row head" }, h("h2", { id: "excluded" }, "Excluded images")),
        this.excluded.element,
      ),
    );
    this.watch = new Watch(CHANGES, () => this.#refresh(), PAUSE_MS);
    this.tops = [0, 0];
  }

  get #lists() {
    return [this.suspects, this.excluded];
  }

  async enter() {
    if (!this.entered) {
      this.entered = true;
      this.watch.seen();
      await Promise.all(this.#lists.map((list) => list.reset()));
    } else this.#lists.forEach((list, at) => (list.element.scrollTop = this.tops[at]));
    this.watch.start();
  }

  leave() {
    this.tops = this.#lists.map((list) => list.element.scrollTop);
    this.watch.stop();
  }

  async #refresh() {
    await Promise.all(this.#lists.map((list) => list.refresh()));
  }

  // one thing to look at

  /** @param {Reply.SuspectReply} suspect */
  #suspect(suspect) {
    const { kind, image, annotations, sentence } = suspect;
    const choices = [...new Set(annotations.map((annotation) => sure(annotation.finding)))]; // a reviewer sees them all
    /** @type {Deeds} */
    const does = {
      open: () => (location.hash = readPath(image)),
      accept: kind !== "disagree" && (() => this.#accept(suspect)),
      revise: annotations.length === 1 && (() => (location.hash = revisePath(annotations[0]))),
      withdraw: annotations.length === 1 && (() => this.#withdraw(suspect, annotations[0])),
      settle: kind === "disagree" ? choices.map((finding) => () => this.#settle(suspect, finding)) : [],
    };
    return h(
      "div",
      {
        class: "item suspect",
        role: "listitem",
        tabindex: 0,
        "aria-label": `${KINDS[kind]}: ${image}`,
        data: { image, kind, main: "" },
        onKeydown: (/** @type {KeyboardEvent} */ event) => key(event, does),
      },
      thumbnail(image),
      h(
        "div",
        { class: "what" },
        h("div", { class: "tags" }, h("span", { class: `tag kind ${kind}` }, KINDS[kind]), h("a", { class: "open", href: readPath(image) }, image)),
        h("p", { class: "sentence" }, sentence),
        h(
          "ul",
          { class: "said plain" },
          annotations.map((annotation) => this.#annotation(suspect, annotation)),
        ),
        h(
          "div",
          { class: "row wrap actions" },
          choices.length > 0 &&
            kind === "disagree" && [h("span", { class: "quiet" }, "Settle on"), choices.map((finding, at) => this.#settleButton(suspect, finding, at))],
          does.accept && h("button", { onClick: does.accept }, "Accept", h("kbd", {}, "A")),
          does.revise && h("button", { onClick: does.revise }, "Revise", h("kbd", {}, "R")),
          does.withdraw && h("button", { onClick: does.withdraw }, "Withdraw", h("kbd", {}, "W")),
          h("a", { class: "button plain", href: readPath(image) }, "Open"),
        ),
      ),
    );
  }

  /**
   * @param {Reply.SuspectReply} suspect
   * @param {string} finding
   * @param {number} at
   */
  #settleButton(suspect, finding, at) {
    return h(
      "button",
      {
        class: "settle",
        css: { "--colour": rgb(colourOf(this.room, finding)) },
        "aria-label": `Settle on ${finding}`,
        onClick: () => this.#settle(suspect, finding),
      },
      h("span", { class: "swatch" }),
      finding,
      h("kbd", {}, at + 1),
    );
  }

  /**
   * @param {Reply.SuspectReply} suspect
   * @param {Reply.AnnotationReply} annotation
   */
  #annotation(suspect, annotation) {
    const { reader, roi_voxels: voxels, revision, created_at: made } = annotation;
    const outlined = voxels ? `${voxels.toLocaleString("en")} ${this.room.dimensions === 2 ? "pixels" : "voxels"} outlined` : "no outline";
    return h(
      "li",
      { class: "row wrap" },
      h("b", {}, reader),
      findingTag(this.room, saidIn(annotation)),
      h("span", { class: "quiet small" }, `${outlined}${revision > 1 ? ` · revision ${revision}` : ""} · ${ago(made)}`),
      suspect.annotations.length > 1 &&
        h("a", { class: "button plain small", "aria-label": `Revise ${reader}’s annotation`, href: revisePath(annotation) }, "Revise"),
      suspect.annotations.length > 1 &&
        h("button", { class: "plain small", "aria-label": `Withdraw ${reader}’s annotation`, onClick: () => this.#withdraw(suspect, annotation) }, "Withdraw"),
    );
  }

  /** @param {Reply.SuspectReply} suspect */
  #accept(suspect) {
    const [annotation] = suspect.annotations;
    return this.#decide(
      suspect,
      () => post(`/review/${annotation.id}/accept`, { kind: suspect.kind }),
      `${annotation.reader}’s annotation of ${suspect.image} stands.`,
    );
  }

  /**
   * @param {Reply.SuspectReply} suspect
   * @param {string} finding
   */
  #settle(suspect, finding) {
    return this.#decide(suspect, () => post(`${idPath(suspect.image)}/settle`, { finding, reason: null }), `${suspect.image} is ${finding}.`);
  }

  /**
   * @param {Reply.SuspectReply} suspect
   * @param {Reply.AnnotationReply} annotation
   */
  async #withdraw(suspect, { id, reader, finding }) {
    const sure = await ask({
      title: "Withdraw this annotation?",
      text: `${reader} said ${finding} of ${suspect.image}. It no longer counts, for training or otherwise; its file is kept.`,
      confirm: "Withdraw",
    });
    if (sure) await this.#decide(suspect, () => post(`/annotations/${id}/withdraw`), `${reader}’s annotation of ${suspect.image} is withdrawn.`);
  }

  /**
   * @param {Reply.SuspectReply} suspect
   * @param {() => Promise<unknown>} request
   * @param {string} done
   */
  async #decide(suspect, request, done) {
    try {
      await request();
      toast(done, "good");
      this.suspects.remove(keyOf(suspect));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
      if (error.status === 404 || error.status === 409) await this.suspects.refresh(); // somebody else was faster
    }
  }

  // excluded images

  /** @param {Reply.QueueItem} item */
  #excluded(item) {
    return h(
      "div",
      { class: "item excluded", role: "listitem", data: { image: item.id } },
      thumbnail(item.id),
      h(
        "div",
        { class: "what" },
        h("a", { class: "open", href: readPath(item.id) }, item.id),
        h("p", { class: "reason" }, item.excluded),
        h("p", { class: "quiet small" }, `by ${item.excluded_by}`),
        h("button", { data: { main: "" }, "aria-label": `Include ${item.id} again`, onClick: () => this.#include(item) }, "Include again"),
      ),
    );
  }

  /** @param {Reply.QueueItem} item */
  async #include(item) {
    try {
      await post(`${idPath(item.id)}/include`);
      toast(`${item.id} is offered again.`, "good");
      this.excluded.remove(item.id);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
    }
  }
}

/** @param {Reply.SuspectReply} suspect */
const keyOf = ({ kind, image, annotations }) => (kind === "disagree" ? `${kind} ${image}` : `${kind} ${annotations[0].id}`);

/**
 * What a key does to the suspect that has the focus.
 * @param {KeyboardEvent} event
 * @param {Deeds} does
 */
function key(event, does) {
  if (event.ctrlKey || event.altKey || event.metaKey || (event.key === "Enter" && event.target !== event.currentTarget)) return;
  const digit = /^[1-9]$/.test(event.key) && does.settle[Number(event.key) - 1];
  const action = digit || { enter: does.open, a: does.accept, r: does.revise, w: does.withdraw }[event.key.toLowerCase()];
  if (!action) return;
  event.preventDefault();
  action();
}
