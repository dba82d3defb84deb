/** How far the pool and its models have come, what is being computed, and taking the annotations out. */

import { address, Failure, get, getAll } from "./api.js";
import { Curve } from "./curve.js";
import { fill, h, note, toast } from "./dom.js";
import { Jobs } from "./jobs.js";
import { live } from "./live.js";
import { agreementPart, durationsPart, labelsTable } from "./readers.js";
import { Versions } from "./versions.js";
import { refill, Watch } from "./watch.js";

/** @type {(keyof Reply.State | ((state: Reply.State) => any))[]} */
const CHANGES = ["model_version", "settled", "open", "review", "findings", "looked_at", trainings];
const PAUSE_MS = 3000;
/** @type {["images" | "settled" | "open" | "review" | "excluded" | "unreadable", string][]} */
const POOL = [
  ["images", "images"],
  ["settled", "settled"],
  ["open", "waiting"],
  ["review", "in review"],
  ["excluded", "excluded"],
  ["unreadable", "unreadable"],
];

export class Progress {
  /**
   * @param {Reply.Room} room
   * @param {HTMLElement} root
   */
  constructor(room, root) {
    this.room = room;
    this.jobs = new Jobs();
    this.versions = new Versions(room);
    this.accuracy = new Curve("balanced_accuracy", "Balanced accuracy", "mean share of each finding that is recognised, on the validation images");
    this.energy = new Curve("energy_in_roi", "Energy in ROI", "share of the attention that lies in the readers’ outlines");
    this.pool = h("dl", { class: "stats pool-stats" });
    this.archive = h("p", { class: "quiet", hidden: true });
    this.labels = h("div", { class: "labels-part" });
    this.agreement = h("div", { class: "agreement-part" });
    this.durations = h("div", { class: "durations-part" });
    this.trouble = h("div", { class: "trouble" });
    const key = h(
      "ul",
      { class: "legend plain", "aria-label": "Points" },
      h("li", {}, h("span", { class: "glyph published", "aria-hidden": "true" }), "published"),
      h("li", {}, h("span", { class: "glyph refused", "aria-hidden": "true" }), "refused"),
    );
    this.body = h(
      "div",
      { class: "cards", "aria-busy": "true" },
      h("section", { class: "card pool-card", "aria-labelledby": "pool" }, h("h2", { id: "pool" }, "Pool"), this.pool, this.archive),
      this.jobs.element,
      h(
        "section",
        { class: "card curves", "aria-labelledby": "curves" },
        h("div", { class: "row head" }, h("h2", { id: "curves" }, "Learning curve"), key),
        h("div", { class: "pair" }, this.accuracy.element, this.energy.element),
      ),
      this.versions.element,
      this.labels,
      this.agreement,
      this.durations,
      this.#exports(),
    );
    fill(root, this.trouble, this.body);
    this.watch = new Watch(CHANGES, () => this.#fetch(), PAUSE_MS);
    live.addEventListener("state", () => this.#state());
    live.addEventListener("connection", () => live.connected && this.trouble.firstChild && this.#fetch());
    this.#state();
    this.root = root;
    this.top = 0;
  }

  async enter() {
    if (!this.entered) {
      this.entered = true;
      await this.#fetch();
    } else this.root.scrollTop = this.top;
    this.watch.start();
  }

  leave() {
    this.top = this.root.scrollTop;
    this.watch.stop();
  }

  async #fetch() {
    this.watch.seen();
    try {
      const [{ labels, readers, agreement, durations }, versions] = await Promise.all([get("/progress"), getAll("/versions")]);
      fill(this.trouble);
      this.versions.show(versions);
      refill(this.labels, labelsTable(this.room, labels, readers));
      refill(this.agreement, agreementPart(agreement));
      refill(this.durations, durationsPart(durations));
      await Promise.all([this.accuracy.show(versions), this.energy.show(versions)]);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      fill(this.trouble, note(error.message, "bad"), h("button", { onClick: () => this.#fetch() }, "Try again"));
    } finally {
      this.body.removeAttribute("aria-busy");
    }
  }

  #state() {
    const { state } = live;
    fill(
      this.pool,
      POOL.map(([key, name]) => h("div", { class: "stat" }, h("dd", {}, state ? state[key].toLocaleString("en") : "–"), h("dt", {}, name))),
    );
    this.archive.hidden = !state?.archive;
    if (state?.archive) this.archive.textContent = tellArchive(state.archive);
  }

  #exports() {
    const heading = h("h2", { id: "export" }, "Export");
    const may = this.room.reviewer || !this.room.reviewers;
    /**
     * @param {string} path
     * @param {object} query
     * @param {string} text
     * @param {(event: Event) => void} [onClick]
     */
    const link = (path, query, text, onClick) => h("a", { class: "button", href: address(path, query), download: "", onClick }, text);
    return h(
      "section",
      { class: "card", "aria-labelledby": "export" },
      heading,
      may
        ? [
            h(
              "p",
              { class: "quiet" },
              "Every annotation as a line of a table; or the settled images with their masks, labels.csv and provenance, as a folder that can be imported again.",
            ),
            h(
              "div",
              { class: "row wrap" },
              link("/export/annotations.csv", {}, "Annotations (CSV)"),
              link("/export/annotations.csv", { withdrawn: true }, "With withdrawn ones (CSV)"),
              link("/export/dataset.zip", {}, "Dataset (ZIP)", sayWhatComes),
            ),
          ]
        : h("p", { class: "quiet" }, "Reviewers export annotations and the dataset here."),
    );
  }
}

/**
 * A link says nothing of what it waits for, nor why nothing comes.
 * @param {Event} event
 */
function sayWhatComes(event) {
  if (live.state?.settled === 0) {
    event.preventDefault();
    toast("No image is settled yet: there is no data set to export.", "bad");
  } else toast("The data set is being made. Its download begins by itself, which may take minutes.", "quiet");
}

/**
 * A refused version changes nothing else of the state: the end of its training does.
 * @param {Reply.State} state
 */
function trainings({ jobs }) {
  return jobs.filter((job) => job.kind === "train").map((job) => [job.id, job.state]);
}

/**
 * What of the annotations is in the archive, and why not all of it.
 * @param {Reply.ArchiveState} archive
 */
function tellArchive({ problem, waiting, sent, rejected, dropped, not_sent: reason }) {
  const parts = [
    `${sent} ${sent === 1 ? "annotation is" : "annotations are"} in the archive`,
    waiting && `${waiting} to be sent${reason ? ` (${reason})` : ""}`,
    dropped && `${dropped} not sent`,
    rejected && `${rejected} rejected there after being withdrawn`,
  ];
  return `${parts.filter(Boolean).join("; ")}.${problem ? ` Now: ${problem}.` : ""}`;
}
