/** Reading: the next image, its outline and finding, handing in, and why the image was chosen. */

import { bytes, Failure, get, idPath, nextSample, post } from "./api.js";
import { ask, colourOf, fill, focusOn, h, isTyping, saidBy, toast } from "./dom.js";
import { Drafts } from "./drafts.js";
import { entrust, markTold, submissionNumber, waiting } from "./keep.js";
import { live } from "./live.js";
import { coverOf, panelOf } from "./parts.js";
import { readPath } from "./rows.js";
import { sure } from "./sure.js";
import { Tools } from "./tools.js";
import { Viewer } from "./viewer.js";
import { Why } from "./why.js";

const REASONS = ["wrong modality", "wrong body part", "not readable", "duplicate", "foreign body hides the region"];

/** @typedef {"idle" | "loading" | "empty" | "error" | "reading" | "sending" | "why"} Phase */

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
    this.rois = room.findings.filter((finding) => !finding.absent).map((finding) => finding.name);
    this.absent = room.findings.find((finding) => finding.absent)?.name ?? null;
    /** @type {Reply.ImageView | null} */
    this.image = null;
    /** @type {string | null} */
    this.finding = null;
    /** @type {Phase} */
    this.phase = "idle";
    this.message = ""; // why nothing is in view
    /**
     * The image that is in view, or will be once it is here.
     * @type {string | null}
     */
    this.wanted = null;
    /**
     * Until when the image is this reader's.
     * @type {number | null}
     */
    this.until = null;
    this.byName = false; // it became this reader's by being looked at
    /**
     * The annotation in whose place a new one is to come.
     * @type {Reply.Said | null}
     */
    this.revises = null;
    /**
     * Why the server did not take what was handed in.
     * @type {string | null}
     */
    this.refused = null;
    this.untold = false; // that has not been seen
    this.replaced = false; // the outline was drawn on other pixels
    this.kept = false; // there is a draft
    this.drawn = false; // it has strokes that cannot be undone any more
    /**
     * What the server said of what was handed in.
     * @type {Reply.Receipt | null}
     */
    this.receipt = null;
    /**
     * The number under which the label in view was sent.
     * @type {string | null}
     */
    this.sent = null;
    this.prolonging = false;
    /**
     * Done once what was in view has been left.
     * @type {Promise<unknown>}
     */
    this.leaving = Promise.resolve();
    this.turn = 0; // counts what was asked for, so that what arrives late for something earlier is dropped
    this.drafts = new Drafts(room);
    /** @type {Page.Draft[]} */
    this.unfinished = [];
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
    this.viewer.addEventListener("drawn", () => this.#drawn());
    canvas.addEventListener("webglcontextlost", () =>
      this.#failed(new Failure("The browser has lost its graphics. Go to another image, or reload the page.", 0)),
    );
    document.addEventListener("keydown", (event) => root.hidden || this.#key(event));
    window.addEventListener("xal-delivered", ({ detail }) => this.#delivered(detail));
    document.addEventListener("visibilitychange", () => this.#markTold());
    live.addEventListener("connection", () => root.hidden || this.#draw());
    live.addEventListener("state", () => root.hidden || this.phase !== "idle" || this.#draw());
  }

  /** The image in view, where there is one. */
  get #shown() {
    return sure(this.image);
  }

  /** Its outline. */
  get #outline() {
    return sure(this.viewer.outline);
  }

  /**
   * Shown again, perhaps for a certain image, or to revise an annotation of it.
   * @param {string | null} image
   * @param {URLSearchParams} options
   */
  async enter(image, options) {
    const { reviewer, reviewers } = this.room;
    const revised = ((reviewer || !reviewers) && Number(options.get("revise"))) || null;
    if (image && (revised || image !== this.wanted)) return this.#open(image, revised);
    if (!this.wanted && this.phase !== "loading") return this.without("idle");
    if (this.wanted) this.#want(this.wanted); // the address names it again
    this.#draw();
  }

  // which image

  /**
   * No image: what is unfinished is offered.
   * @param {"idle" | "empty" | "error"} phase
   */
  async without(phase, message = "") {
    const here = this.#reset(phase, message);
    if (phase !== "idle") this.#draw();
    await this.leaving;
    const unfinished = await this.drafts.all();
    if (!here()) return;
    this.unfinished = unfinished;
    this.#draw();
  }

  /**
   * Leave the image in view. Returns a function that says whether this is still what the reader last asked for.
   * @param {Phase} phase
   */
  #reset(phase, message = "") {
    this.leaving = Promise.all([this.leaving, this.#leave()]);
    this.turn += 1;
    this.wanted = null;
    this.image = null;
    this.finding = null;
    this.revises = null;
    this.refused = null;
    this.replaced = false;
    this.kept = false;
    this.drawn = false;
    this.receipt = null;
    this.phase = phase;
    this.message = message;
    this.viewer.clear();
    this.viewer.lock(true);
    this.tools.refresh();
    if (location.hash.startsWith("#/read/")) history.replaceState(null, "", "#/read");
    return this.#here();
  }

  /** Where nothing was drawn, a draft is not worth keeping, and who has only looked at an image of a list does not keep it from others. */
  async #leave() {
    if (this.phase !== "reading") return;
    const { id } = this.#shown;
    const { byName } = this;
    if (this.replaced || this.#isWorthKeeping()) return;
    if (this.kept) await this.drafts.drop(id);
    if (byName) await this.#release(id);
  }

  /** @param {string} id */
  async #release(id) {
    await post(`${idPath(id)}/release`).catch(console.warn);
  }

  #isWorthKeeping() {
    return this.phase === "reading" && this.kept && Boolean(this.#outline.voxels || this.revises || this.refused);
  }

  /**
   * @param {Phase | null} phase
   * @returns {Page.Here}
   */
  #here(phase = null) {
    const { turn } = this;
    return () => turn === this.turn && (phase === null || phase === this.phase);
  }

  /** @param {string} image */
  #want(image) {
    this.wanted = image;
    history.replaceState(null, "", readPath(image));
  }

  /** The best image that nobody else has. */
  async next() {
    if (this.phase === "loading") return;
    const left = this.#isWorthKeeping() ? this.#shown.id : null;
    const here = this.#reset("loading");
    if (left) toast(`${left} is kept.`, "quiet", { text: "Back to it", href: readPath(left) });
    this.#draw();
    try {
      await this.leaving;
      const sample = await nextSample();
      if (!here()) return;
      if (!sample.id) return this.without("empty");
      this.#want(sample.id);
      await this.#load(sample.id, sample.xal.lease_until, here);
    } catch (error) {
      if (here()) this.#failed(error);
    }
  }

  /**
   * An image by name: one that was being drawn, or one from a list; perhaps to revise an annotation of it.
   * @param {string} image
   * @param {number | null} revised
   */
  async #open(image, revised = null) {
    const here = this.#reset("loading");
    this.#want(image);
    this.#draw();
    try {
      await this.#load(image, null, here, revised);
    } catch (error) {
      if (here()) this.#failed(error);
    }
  }

  /** @param {unknown} error */
  #failed(error) {
    if (!(error instanceof Failure)) console.error(error);
    this.without("error", saidBy(error));
  }

  /**
   * @param {string} id
   * @param {number | null} leaseUntil
   * @param {Page.Here} here
   * @param {number | null} revised
   */
  async #load(id, leaseUntil, here, revised = null) {
    await this.leaving;
    const [image, draft, sent, unfinished] = await Promise.all([get(idPath(id)), this.drafts.get(id), this.#onItsWay(id), this.drafts.all()]);
    if (!here()) return;
    this.unfinished = unfinished;
    const looks = this.room.reviewer && leaseUntil === null && image.lease?.reader !== this.room.reader && !draft; // a reviewer who came by name
    const toBeRead = image.status === "waiting" && !image.own && !sent && !revised && !draft?.revises && !looks;
    const byName = leaseUntil === null && toBeRead && image.lease === null;
    const until = leaseUntil ?? (toBeRead ? await this.#lease(id, draft !== undefined) : null);
    try {
      const file = await bytes(`${idPath(id)}/volume.nii.gz`, { v: image.checksum });
      if (here()) await this.viewer.show(file, this.room.dimensions === 2);
    } catch (error) {
      if (byName) await this.#release(id);
      throw error;
    }
    if (!here()) return byName && this.wanted !== id && this.#release(id);
    this.image = image;
    this.until = until;
    this.byName = byName;
    this.tools.refresh();
    if (revised && !sent && draft?.revises?.id !== revised) return this.#revise(revised, draft, here);
    if (draft && !(sent && sent.draft.changed >= draft.changed)) return this.#resume(draft);
    if (sent) return this.#await(sent);
    if (image.may_see && !toBeRead) return this.#explain();
    this.#begin();
  }

  /**
   * Take the image, until when; who has begun may go on although somebody else has it by now: both will count.
   * @param {string} id
   * @param {boolean} begun
   * @returns {Promise<number | null>}
   */
  async #lease(id, begun) {
    try {
      return (await post(`${idPath(id)}/lease`)).until;
    } catch (error) {
      if (error instanceof Failure && error.status === 409 && begun) return null;
      throw error;
    }
  }

  /** @param {string | null} refused */
  #begin(refused = null) {
    this.phase = "reading";
    this.refused = refused;
    this.untold = refused !== null;
    this.viewer.hideHeat();
    this.viewer.lock(false);
    this.viewer.setShown(true);
    if (this.room.reveal === "always") this.#reveal();
    this.#choose(this.finding);
  }

  /** What the model thinks, for who has given up blind reading. */
  async #reveal() {
    const here = this.#here("reading");
    await this.why.beside(this.#shown, here);
    if (here()) this.#draw();
  }

  /**
   * Begin with what a reader said, to hand in something better in its place.
   * @param {number} number
   * @param {Page.Draft | undefined} draft
   * @param {Page.Here} here
   */
  async #revise(number, draft, here) {
    if (
      draft &&
      !(await ask({
        title: "Forget your unfinished outline?",
        text: `You have begun ${draft.revises ? `to revise what ${draft.revises.reader} said` : "an outline of your own"} of ${draft.image}.`,
        confirm: "Forget it and revise",
      }))
    )
      return here() && this.#resume(draft);
    const { annotations } = await get(`${idPath(this.#shown.id)}/why`);
    const said = annotations.find((annotation) => annotation.id === number && annotation.active);
    if (!here()) return;
    if (!said) {
      toast("That annotation stands no more.", "bad");
      return this.#explain();
    }
    if (!said.own && annotations.some((annotation) => annotation.own && annotation.active)) {
      toast("You have read this image yourself: settle the finding, or withdraw the wrong annotation.", "bad");
      return this.#explain();
    }
    await this.#startFrom(said, here);
    if (!here()) return;
    this.revises = said;
    this.finding = this.#known(said.finding);
    this.#begin();
    this.viewer.goToOutline();
    this.#keep();
  }

  /**
   * The outline of what was said, unless it was drawn on other pixels.
   * @param {Reply.Said} said
   * @param {Page.Here} here
   */
  async #startFrom(said, here) {
    if (said.of_these_pixels) return this.why.outline(said, here);
    this.viewer.empty();
    this.replaced = true;
  }

  /** @param {string | null} name */
  #known(name) {
    return this.room.findings.some((finding) => finding.name === name) ? name : null;
  }

  /** @param {Page.Draft} draft */
  #resume(draft) {
    this.finding = this.#known(draft.finding);
    this.revises = draft.revises ?? null;
    this.#lay(draft);
    this.kept = true;
    this.#begin(draft.refused ?? null);
    this.viewer.goToOutline();
  }

  /**
   * Lay a kept outline over the image, if it was drawn on that.
   * @param {Page.Draft} draft
   */
  #lay({ checksum, pixels, runs, drawn = runs.length > 1 }) {
    const fits = runs.reduce((sum, length) => sum + length, 0) === this.#outline.mask.length;
    const { checksum: now, fingerprint } = this.#shown;
    this.replaced = !fits || ((checksum ?? now) !== now && !(pixels && pixels === fingerprint)); // an earlier page kept neither
    this.drawn = !this.replaced && drawn;
    if (!this.replaced) this.viewer.restore(runs);
  }

  /**
   * This reader's label of an image that has not reached the server yet.
   * @param {string} image
   */
  async #onItsWay(image) {
    const { pool, task, reader } = this.room;
    return (await waiting(pool, task)).findLast((entry) => entry.image === image && entry.reader === reader);
  }

  /**
   * Show what is on its way, until it has arrived.
   * @param {Page.Entry} entry
   */
  async #await({ submission, image, draft }) {
    const here = this.#here();
    this.phase = "sending";
    this.sent = submission;
    this.finding = draft.finding;
    this.revises = draft.revises ?? null;
    this.viewer.setColour(colourOf(this.room, draft.finding));
    this.#lay(draft);
    this.viewer.goToOutline();
    this.#draw();
    if (!(await this.#onItsWay(image)) && here() && this.phase === "sending") await this.#open(image); // it arrived meanwhile
  }

  // the finding and the outline

  /** @param {string | null} finding */
  #choose(finding) {
    this.finding = finding;
    this.viewer.setColour(colourOf(this.room, finding ?? this.rois[0]));
    this.#draw();
  }

  /**
   * The reader chose this finding.
   * @param {string} finding
   */
  pick(finding) {
    if (this.phase !== "reading") return;
    this.#choose(finding);
    this.#keep();
  }

  #drawn() {
    if (this.phase !== "reading") return;
    this.replaced = false;
    if (this.finding === null && this.rois.length === 1) this.finding = this.rois[0];
    this.#draw();
    this.#keep();
  }

  /** Keep the draft as it is now. */
  #keep() {
    if (this.phase !== "reading" || this.replaced) return; // until something is drawn, what was kept of the other file stays
    this.kept = true;
    this.drafts.keep(this.#draft());
    this.#prolong();
  }

  /** Whether there are strokes that would be lost with the draft. */
  #isDrawnSince() {
    return this.drawn || this.#outline.done.length > 0;
  }

  /** @returns {Page.Draft} */
  #draft() {
    const { pool, task, reader } = this.room;
    return {
      pool,
      task,
      reader,
      image: this.#shown.id,
      checksum: this.#shown.checksum,
      pixels: this.#shown.fingerprint,
      finding: this.finding,
      revises: this.revises,
      refused: this.refused,
      drawn: this.#isDrawnSince(),
      runs: this.#outline.runs(),
      changed: Date.now(),
    };
  }

  /** Who draws keeps the image. */
  async #prolong() {
    if (this.prolonging || !this.until || this.until * 1000 - Date.now() > this.room.lease_minutes * 30000) return;
    const here = this.#here();
    this.prolonging = true;
    try {
      const { until } = await post(`${idPath(this.#shown.id)}/lease`);
      if (here()) this.until = until;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (!error.passing && here()) this.until = null; // somebody else has it by now; what is handed in still counts
    } finally {
      this.prolonging = false;
    }
  }

  // handing in

  /** Hand in, once it is clear that this is meant. */
  async submit() {
    if (this.phase !== "reading" || this.viewer.busy) return;
    if (this.finding === null) return toast("Choose the finding first.", "bad");
    const here = this.#here();
    const drawn = this.#outline.voxels > 0;
    if (this.finding === this.absent && drawn) {
      const meant = await ask({ title: `Clear the outline?`, text: `“${this.absent}” has no outline.`, confirm: "Clear it and hand in" });
      if (!meant || !here()) return;
      this.viewer.erase();
    }
    if (this.finding !== this.absent && !drawn) {
      const meant = await ask({
        title: "Hand in without an outline?",
        text: `“${this.finding}” will count as a finding, but teach nothing about where it is.`,
        confirm: "Hand in",
      });
      if (!meant || !here()) return;
    }
    await this.#handIn();
  }

  async #handIn() {
    const draft = this.#draft();
    const submission = submissionNumber();
    const label_info = this.rois.map((name, at) => ({ name, idx: at + 1 }));
    /** @type {Record<string, unknown>} */
    const params = {
      client_id: draft.reader,
      pool: draft.pool,
      task: draft.task,
      checksum: draft.checksum,
      pixels: draft.pixels,
      submission_id: submission,
      label_info,
    };
    if (this.#outline.voxels === 0) params.finding = draft.finding;
    if (draft.revises) params.revises = draft.revises.id;
    this.phase = "sending";
    this.sent = submission;
    this.viewer.lock(true);
    this.#draw();
    const here = this.#here("sending");
    let file;
    try {
      file = await this.viewer.labelFile(this.rois.indexOf(sure(draft.finding)) + 1);
    } catch (error) {
      toast(`${draft.image} could not be handed in: the label file could not be made (${saidBy(error)}). What you have drawn is kept.`, "bad");
      if (here()) this.#begin(draft.refused);
      return;
    }
    await this.drafts.stop(draft.image);
    await entrust({ submission, ...draft, draft, params, file, made: Date.now() });
    window.dispatchEvent(new Event("xal-entrusted"));
  }

  /**
   * What became of a label, be it the one in view or an earlier one.
   * @param {Page.Delivery} delivery
   */
  async #delivered({ entry, reply, refused }) {
    if (this.sent !== entry.submission || this.phase !== "sending") {
      if (reply) toast(`${entry.image} has been handed in.`, "good");
      return;
    }
    const here = this.#here();
    const image = await this.#asItIsNow(entry.image);
    if (!here()) return;
    this.kept = Boolean(refused);
    if (refused && image && image.fingerprint !== this.#shown.fingerprint) return this.#open(image.id); // other pixels than those in view
    if (!reply) return this.#begin(refused);
    const { annotation: id, revision, finding, roi_voxels } = reply.xal;
    const own = { id, image: entry.image, reader: entry.reader, revision, finding, roi_voxels, created_at: Date.now() / 1000 };
    this.image = image ?? { ...this.#shown, own, may_see: true };
    this.revises = null;
    this.drawn = false;
    this.receipt = reply.xal;
    await this.#explain();
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

  async #explain() {
    this.phase = "why";
    const here = this.#here("why");
    this.viewer.lock(true);
    this.viewer.setShown(true);
    const shown = this.why.show(this.#shown, here);
    this.#draw();
    await shown;
    if (here()) this.#draw();
  }

  /** Outline anew: from what this reader handed in, or from nothing. */
  async again() {
    if (this.phase !== "why") return;
    const here = this.#here("why");
    const { id, own, status } = this.#shown;
    try {
      if (status === "waiting" && !own && !this.until) {
        const until = await this.#lease(id, false);
        if (!here()) return this.wanted !== id && this.#release(id);
        Object.assign(this, { until, byName: true });
      }
      const said = own && (await get(`${idPath(id)}/why`)).annotations.find((annotation) => annotation.id === own.id);
      if (!here()) return;
      if (said) await this.#startFrom(said, here);
      else this.viewer.empty();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      return toast(error.message, "bad");
    }
    if (!here()) return;
    this.finding = own?.finding ?? null;
    this.replaced = Boolean(own) && this.replaced;
    this.receipt = null;
    this.#begin();
  }

  /** What cannot be handed in as a revision becomes a reading of one's own. */
  alone() {
    this.revises = null;
    this.refused = null;
    this.#draw();
    this.#keep();
  }

  /** What was handed in stands; what was drawn since is forgotten. */
  async forget() {
    const here = this.#here("reading");
    const { revises } = this;
    const { id } = this.#shown;
    if (
      this.#isDrawnSince() &&
      !(await ask({ title: "Delete what you have drawn?", text: `What was handed in of ${id} stays as it is.`, confirm: "Delete it" }))
    )
      return;
    if (!here()) return;
    await this.drafts.drop(id);
    if (!here()) return;
    this.kept = false;
    if (!revises) return this.#open(id);
    await this.without("idle"); // opened, the image might be taken from the queue
    if (this.room.reviewer) location.hash = "#/review";
  }

  /**
   * Forget an unfinished image that is not in view.
   * @param {Page.Draft} draft
   */
  async discard({ image, runs }) {
    if (runs.length > 1 && !(await ask({ title: "Discard this outline?", text: `What you have drawn of ${image} is deleted.`, confirm: "Discard" }))) return;
    await this.drafts.drop(image);
    this.unfinished = this.unfinished.filter((draft) => draft.image !== image);
    this.#draw();
  }

  /** Never offer this image again. */
  async exclude() {
    const { id } = this.#shown;
    const here = this.#here();
    const lost = this.#isDrawnSince() ? " What you have drawn is deleted." : "";
    const reason = await ask({
      title: "Never offer this image again",
      text: `${id} will be left out for everybody, with your reason.${lost}`,
      input: "the reason",
      choices: REASONS,
      confirm: "Exclude",
    });
    if (!reason) return;
    try {
      await post(`${idPath(id)}/exclude`, { reason });
      await this.drafts.drop(id);
      toast(`${id} is excluded: ${reason}`, "good");
      if (!here()) return;
      this.kept = false;
      await this.next();
    } catch (error) {
      toast(saidBy(error), "bad");
    }
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (isTyping(event) || event.altKey) return;
    const key = event.key.toLowerCase();
    const command = event.ctrlKey || event.metaKey;
    if (/^[1-9]$/.test(key) && !command) {
      const finding = this.room.findings[Number(key) - 1];
      if (finding) this.pick(finding.name);
    } else if (key === "enter" && !event.metaKey && !(event.target instanceof Element && event.target.closest("button, a"))) event.repeat || this.submit();
    else if (key === "n" && !command) this.next();
    else if (key === "r" && !command) this.again();
    else if (key === "a" && !command && (this.phase === "why" || (this.phase === "reading" && this.room.reveal === "always"))) this.why.toggle();
    else if (!this.tools.key(event)) return;
    event.preventDefault();
  }

  // what is shown

  #draw() {
    this.#markTold();
    this.viewer.canvas.setAttribute("aria-label", this.image ? `Image ${this.image.id}` : "No image");
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
  async #markTold() {
    if (this.phase !== "reading" || !this.untold || this.root.hidden || document.hidden) return;
    this.untold = false;
    await markTold(...this.drafts.of, this.#shown.id);
    window.dispatchEvent(new Event("xal-told"));
  }

  /**
   * What had the focus is gone: what the reader will look at next has it, and nothing that a second Enter would press.
   * Until that is there, the panel keeps what it or the cover `held`.
   * @param {boolean} held
   */
  #placeFocus(held) {
    /** @type {HTMLElement | null} */
    const next = this.phase === "why" ? this.panel.querySelector(".receipt, .sentence") : this.phase === "reading" ? this.viewer.canvas : null;
    (next ?? (held ? this.panel : null))?.focus({ preventScroll: true });
  }
}
