/** The reading view: it tells `reading.js` what happens, runs the effects that are listed there, and draws the state. */

import { bytes, Failure, get, idPath, nextSample, post } from "./api.js";
import { ask, colourOf, fill, focusOn, h, isTyping, saidBy, toast } from "./dom.js";
import { Drafts } from "./drafts.js";
import { REGION, roisOf, segmentsOf } from "./findings.js";
import { entrust, labelOf, markTold, submissionNumber } from "./keep.js";
import { prolong, release, take } from "./leases.js";
import { live } from "./live.js";
import { coverOf, panelOf } from "./parts.js";
import { reading, START } from "./reading.js";
import { readPath } from "./rows.js";
import { sure } from "./sure.js";
import { Tools } from "./tools.js";
import { Viewer } from "./viewer.js";
import { Why } from "./why.js";

/** @import { Answer, Answered, Effect, Happening } from "./reading.js" */
/**
 * @template {Effect["do"]} Do
 * @typedef {Extract<Effect, { do: Do }>} Of an effect of this kind
 */

export class Read {
  /**
   * @param {Reply.Room} room
   * @param {HTMLElement} root
   */
  static async open(room, root) {
    const read = new Read(room, root);
    await read.viewer.start();
    return read;
  }

  /**
   * @param {Reply.Room} room
   * @param {HTMLElement} root
   */
  constructor(room, root) {
    this.room = room;
    this.root = root;
    this.state = START;
    this.drafts = new Drafts(room);
    /**
     * Done once what is left has been dropped or given back.
     * @type {Promise<unknown>}
     */
    this.leaving = Promise.resolve();
    const canvas = h("canvas", { id: "picture", tabindex: 0, role: "img", "aria-label": "The image" });
    this.cover = h("div", { class: "cover" });
    this.panel = h("aside", { class: "panel", tabindex: -1, "aria-label": "Finding and outline" });
    const over = h("canvas", { class: "laid", "aria-hidden": "true" });
    this.viewer = new Viewer(canvas, over);
    this.tools = new Tools(this.viewer, room);
    this.why = new Why(this.viewer, room);
    root.append(
      h("div", { class: "stage" }, this.tools.bar, h("div", { class: "picture" }, canvas, over, this.tools.marks, this.cover), this.tools.slices),
      this.panel,
    );
    this.viewer.addEventListener("drawn", () => this.happens({ type: "drawn", voxels: this.#outline.voxels, undoable: this.#outline.done.length > 0 }));
    this.viewer.addEventListener("laid", () => this.happens({ type: "laid", voxels: this.#outline.voxels }));
    canvas.addEventListener("webglcontextlost", () =>
      this.happens({ type: "broken", message: "The browser has lost its graphics. Go to another image, or reload the page." }),
    );
    document.addEventListener("keydown", (event) => root.hidden || this.#key(event));
    window.addEventListener("xal-delivered", ({ detail }) => this.happens({ type: "delivered", delivery: detail }));
    document.addEventListener("visibilitychange", () => this.#see());
    live.addEventListener("connection", () => root.hidden || this.#draw());
    live.addEventListener("state", () => root.hidden || this.state.phase !== "idle" || this.#draw());
  }

  /**
   * Shown again, perhaps for a certain image, or to revise an annotation of it.
   * @param {string | null} image
   * @param {URLSearchParams} options
   */
  enter(image, options) {
    this.happens({ type: "entered", image, revise: Number(options.get("revise")) || null });
    this.#draw();
  }

  /**
   * Name the finding; a stroke that is being drawn right now counts, too.
   * @param {string} finding
   */
  pick(finding) {
    this.happens({ type: "picked", finding, voxels: this.viewer.outline?.voxels ?? 0 });
  }

  /**
   * Go on from the region that was outlined, unless a stroke is being drawn right now.
   * @param {"begin-with-region" | "begin-with-shown"} type one's own, or what others outlined
   */
  beginWithRegion(type) {
    if (!this.viewer.busy) this.happens({ type });
  }

  /** Hand in, unless a stroke is being drawn right now. */
  submit() {
    if (!this.viewer.busy) this.happens({ type: "submit" });
  }

  /** Hand in the finding alone, unless a stroke is being drawn right now. */
  handInAlone() {
    if (!this.viewer.busy) this.happens({ type: "without-outline" });
  }

  /**
   * Take over the state that follows from this event, run its effects, and draw what has changed.
   * @param {Happening} event
   */
  happens(event) {
    const before = this.state;
    const { state, effects } = reading(before, event, this.room, Date.now());
    this.state = state;
    for (const effect of effects) this.#do(effect);
    if (state !== before) this.#draw();
  }

  // effects

  /** @param {Effect} effect */
  #do(effect) {
    if ("turn" in effect) this.#answer(effect);
    else /** @type {(effect: Effect) => void} */ (this.#acts[effect.do])(effect);
  }

  /**
   * Effects that nothing answers.
   * @type {{ [Do in Exclude<Effect["do"], Answered["do"]>]: (effect: Of<Do>) => void }}
   */
  #acts = {
    tell: ({ text, kind, back }) => toast(text, kind, back ? { text: "Back to it", href: readPath(back) } : null),
    ask: (effect) => this.#ask(effect),
    name: ({ image }) => {
      if (this.root.hidden) return; // the address is another view's; it names the image again once this one is entered
      if (image !== null) history.replaceState(null, "", readPath(image));
      else if (location.hash.startsWith("#/read/")) history.replaceState(null, "", "#/read");
    },
    go: ({ to }) => {
      location.hash = to;
    },
    clear: () => {
      this.viewer.clear();
      this.viewer.lock(true);
    },
    drop: ({ image, changed }) => this.#leave(this.drafts.drop(image, changed)),
    release: ({ image }) => this.#leave(release(image)),
    lay: ({ runs }) => this.viewer.restore(runs),
    empty: () => this.viewer.empty(),
    erase: () => this.viewer.erase(),
    colour: ({ finding }) => this.viewer.setColour(colourOf(this.room, finding ?? roisOf(this.room)[0])),
    "go-to-outline": () => this.viewer.goToOutline(),
    begin: () => {
      this.viewer.hideHeat();
      this.viewer.lock(false);
      this.viewer.setShown(true);
    },
    keep: () => this.drafts.keep(this.#draft()),
    withdraw: async ({ image, annotation }) => {
      try {
        await post(`/annotations/${annotation}/withdraw`);
      } catch (error) {
        return toast(saidBy(error), "bad");
      }
      toast(`Your region of ${image} is withdrawn.`, "good");
      const now = await this.#asItIsNow(image); // an earlier one may stand again
      this.happens({ type: "withdrawn", annotation, left: now?.own_region ?? null });
    },
    "mark-told": async ({ image }) => {
      await markTold(...this.drafts.of, image);
      window.dispatchEvent(new Event("xal-told"));
    },
  };

  /**
   * Effects with the event that answers them; null where nothing happens.
   * @type {{ [Do in Answered["do"]]: (effect: Of<Do>) => Promise<Answer | null> }}
   */
  #answers = {
    list: async () => ({ type: "listed", unfinished: await this.#left(() => this.drafts.all()) }),
    sample: async () => {
      const { id, xal } = await this.#left(nextSample);
      return id ? { type: "sampled", image: id, until: xal.lease_until } : { type: "none-left" };
    },
    find: async ({ image: id }) => {
      const asked = () => Promise.all([get(idPath(id)), this.drafts.get(id), labelOf(...this.drafts.of, id), this.drafts.all()]);
      const [image, draft, sent, unfinished] = await this.#left(asked);
      return { type: "found", found: { image, draft, sent, unfinished } };
    },
    lease: async ({ image, byName, begun }) => ({ type: "leased", image, byName, until: await take(image, begun) }),
    fetch: async ({ image, checksum }) => ({ type: "fetched", file: await bytes(`${idPath(image)}/volume.nii.gz`, { v: checksum }) }),
    show: async ({ file }) => {
      await this.viewer.show(file, this.room.dimensions === 2);
      return { type: "shown", size: this.viewer.outline?.mask.length ?? 0 };
    },
    "look-up": async ({ image }) => ({ type: "looked-up", annotations: (await get(`${idPath(image)}/why`)).annotations }),
    outline: async ({ turn, said }) => {
      const here = this.#during(turn);
      while (!(await this.why.outline(said, here)) && here()); // another's that is chosen meanwhile is not what is begun with
      return { type: "outlined" };
    },
    "begin-with": ({ turn, said }) => this.#beginWith(this.why.outline(said, this.#during(turn))),
    "begin-with-shown": ({ turn, image }) => this.#beginWith(this.why.shownRegion(image, this.#during(turn))),
    prolong: async ({ image, until }) => ({ type: "prolonged", until: await prolong(image, until) }),
    "hand-in": ({ turn }) => {
      const made = this.#handIn(turn);
      this.#leave(made.catch(() => null)); // until it is on its way, the image would be found as a draft
      return made;
    },
    await: async ({ image }) => ((await labelOf(...this.drafts.of, image)) ? null : { type: "gone" }),
    "look-again": async ({ delivery }) => ({ type: "arrived", delivery, image: await this.#asItIsNow(delivery.entry.image) }),
    explain: async ({ turn, image }) => {
      this.viewer.lock(true);
      this.viewer.setShown(true);
      await this.why.show(image, this.#during(turn));
      this.#draw();
      return null;
    },
    reveal: async ({ turn, image }) => {
      await this.why.beside(image, this.#during(turn));
      this.#draw();
      return null;
    },
    exclude: (effect) => this.#exclude(effect),
  };

  /**
   * Run an effect; its answer, or that it failed, is an event of the turn in which it was asked for.
   * @param {Answered} effect
   */
  async #answer(effect) {
    const { turn } = effect;
    /** @type {Answer | null} */
    let answer;
    try {
      answer = await /** @type {(effect: Answered) => Promise<Answer | null>} */ (this.#answers[effect.do])(effect);
    } catch (error) {
      if (!(error instanceof Failure)) console.error(error);
      answer = { type: "failed", message: saidBy(error) };
    }
    if (answer) this.happens({ ...answer, turn });
  }

  /**
   * Drawing goes on once this is laid, or cannot be.
   * @param {Promise<unknown>} laid
   * @returns {Promise<Answer>}
   */
  async #beginWith(laid) {
    this.viewer.lock(true); // what is drawn meanwhile would be lost
    try {
      await laid;
    } catch (error) {
      toast(saidBy(error), "bad");
    }
    return { type: "outlined" };
  }

  /** @param {Of<"ask">} effect */
  async #ask({ question, then, otherwise }) {
    const answer = await ask(question);
    const event = answer ? { ...then, answer } : otherwise;
    if (event) this.happens(event);
  }

  /** @param {Promise<unknown>} work */
  #leave(work) {
    this.leaving = Promise.all([this.leaving, work]);
  }

  /**
   * Once what was in view has been left.
   * @template T
   * @param {() => Promise<T>} work
   */
  async #left(work) {
    await this.leaving;
    return work();
  }

  /**
   * Null where the server does not say.
   * @param {string} image
   */
  async #asItIsNow(image) {
    try {
      return await get(idPath(image));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return null;
    }
  }

  /** @returns {Page.Draft} */
  #draft() {
    const { pool, task, reader } = this.room;
    const { image, finding, revises, refused, drawn, undoable } = this.state;
    const { id, checksum, fingerprint: pixels } = sure(image);
    const runs = this.#outline.runs();
    return { pool, task, reader, image: id, checksum, pixels, finding, revises, refused, drawn: drawn || undoable, runs, changed: Date.now() };
  }

  /**
   * From now on the label is on its way, whatever the reader looks at meanwhile.
   * @param {number} turn
   * @returns {Promise<Answer | null>}
   */
  async #handIn(turn) {
    this.viewer.lock(true);
    const draft = this.#draft();
    const submission = submissionNumber();
    const { reader: client_id, pool, task, checksum, pixels, finding, revises } = draft;
    const segments = segmentsOf(this.room);
    const label_info = segments.map((name, at) => ({ name, idx: at + 1 }));
    /** @type {Record<string, unknown>} */
    const params = { client_id, pool, task, checksum, pixels, submission_id: submission, label_info, origin: "page" };
    if (this.#outline.voxels === 0) params.finding = finding;
    if (revises) params.revises = revises.id;
    let file;
    try {
      file = await this.viewer.labelFile(segments.indexOf(sure(finding)) + 1);
    } catch (error) {
      toast(`${draft.image} could not be handed in: the label file could not be made (${saidBy(error)}). What you have drawn is kept.`, "bad");
      return { type: "not-made" };
    }
    this.happens({ type: "numbered", turn, submission });
    await this.drafts.stop(draft.image);
    await entrust({ submission, ...draft, draft, params, file, made: Date.now() });
    window.dispatchEvent(new Event("xal-entrusted"));
    return null;
  }

  /**
   * Never offer this image again.
   * @param {Of<"exclude">} effect
   * @returns {Promise<Answer | null>}
   */
  async #exclude({ image, reason }) {
    try {
      await post(`${idPath(image)}/exclude`, { reason });
      await this.drafts.drop(image);
    } catch (error) {
      toast(saidBy(error), "bad");
      return null;
    }
    toast(`${image} is excluded: ${reason}`, "good");
    return { type: "excluded" };
  }

  /**
   * What `why.js` asks before it shows a file that may have come too late.
   * @param {number} turn
   * @returns {Page.Here}
   */
  #during(turn) {
    return () => turn === this.state.turn;
  }

  get #outline() {
    return sure(this.viewer.outline);
  }

  // what the reader does

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (isTyping(event) || event.altKey) return;
    const { phase } = this.state;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    if (/^[1-9]$/.test(key) && !command) {
      const finding = this.room.findings[Number(key) - 1];
      if (finding) this.pick(finding.name);
    } else if (key === "g" && !command) this.pick(REGION);
    else if (key === "enter" && !event.metaKey && !(event.target instanceof Element && event.target.closest("button, a"))) event.repeat || this.submit();
    else if (key === "s" && !command && this.room.outline_share < 1) event.repeat || this.handInAlone();
    else if (key === "n" && !command) this.happens({ type: "next" });
    else if (key === "r" && !command) this.happens({ type: "again" });
    else if (key === "a" && !command && (phase === "why" || (phase === "reading" && this.room.reveal === "always"))) this.why.toggle();
    else if (!this.tools.key(event)) return;
    event.preventDefault();
  }

  // what is shown

  #draw() {
    this.#see();
    const { image } = this.state;
    this.viewer.canvas.setAttribute("aria-label", image ? `Image ${image.id}` : "No image");
    const { activeElement } = document;
    const held = this.panel.contains(activeElement) || this.cover.contains(activeElement);
    const cover = coverOf(this);
    this.cover.hidden = cover === null;
    fill(this.cover, cover);
    fill(this.panel, panelOf(this));
    const focused = activeElement instanceof HTMLElement ? activeElement.dataset.focus : null;
    if (focused) for (const part of [this.cover, this.panel]) focusOn(part, focused);
    if (document.activeElement === document.body || document.activeElement === this.panel) this.#placeFocus(held);
    this.tools.refresh();
  }

  /** Who has the refusal in view need not be told of it any more. */
  #see() {
    if (this.state.untold && !this.root.hidden && !document.hidden) this.happens({ type: "seen" });
  }

  /**
   * What had the focus is gone: what the reader will look at next has it, and nothing that a second Enter would press.
   * Until that is there, the panel keeps what it or the cover `held`.
   * @param {boolean} held
   */
  #placeFocus(held) {
    const { phase } = this.state;
    /** @type {HTMLElement | null} */
    const next = phase === "why" ? this.panel.querySelector(".receipt, .sentence") : phase === "reading" ? this.viewer.canvas : null;
    (next ?? (held ? this.panel : null))?.focus({ preventScroll: true });
  }
}
