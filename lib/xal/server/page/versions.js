/** The model versions, why each was published or refused, and bringing one back. */

import { Failure, post } from "./api.js";
import { ask, h, share, toast } from "./dom.js";
import { refill } from "./watch.js";

const FIRST = 8; // versions that are shown before one asks for all
const day = new Intl.DateTimeFormat([], { dateStyle: "medium" });
const hour = new Intl.DateTimeFormat([], { timeStyle: "short" });

export class Versions {
  /** @param {Reply.Room} room */
  constructor(room) {
    this.mayPublish = room.reviewer || !room.reviewers;
    this.element = h("section", { class: "card versions", "aria-labelledby": "versions" });
    /** @type {number | null} */
    this.busy = null;
    this.all = false;
    /** @type {Reply.Version[]} */
    this.listed = [];
  }

  /**
   * `listed` is what /versions lists, newest first.
   * @param {Reply.Version[]} listed
   */
  show(listed) {
    this.listed = listed;
    refill(
      this.element,
      h("h2", { id: "versions" }, "Model versions"),
      listed.length === 0
        ? h("p", { class: "quiet" }, "No model has been trained yet. Training needs two settled annotations of each of two findings.")
        : h("div", { class: "wide", tabindex: 0, role: "region", "aria-labelledby": "versions" }, this.#table()),
      listed.length > FIRST &&
        h(
          "div",
          { class: "row" },
          h(
            "button",
            { class: "plain", "aria-expanded": String(this.all), data: { focus: "all" }, onClick: () => this.#showAll() },
            this.all ? "Show the newest only" : `Show all ${listed.length} versions`,
          ),
        ),
    );
  }

  #showAll() {
    this.all = !this.all;
    this.show(this.listed);
  }

  /** The newest, and the one in use. */
  #shown() {
    return this.listed.filter((version, at) => this.all || at < FIRST || version.current);
  }

  #table() {
    const heads = ["Version", "State", "Labels", "Balanced accuracy", "Energy in ROI", "Trained", "Why"];
    return h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          heads.map((head) => h("th", { scope: "col", class: ["Labels", "Balanced accuracy", "Energy in ROI"].includes(head) ? "number" : "" }, head)),
          this.mayPublish && h("th", { scope: "col" }, h("span", { class: "unseen" }, "Bring back")),
        ),
      ),
      h(
        "tbody",
        {},
        this.#shown().map((version) => this.#row(version)),
      ),
    );
  }

  /** @param {Reply.Version} version */
  #row(version) {
    const { interval } = version;
    const made = new Date(version.created_at * 1000);
    return h(
      "tr",
      { class: version.current ? "current" : "" },
      h("th", { scope: "row" }, `v${version.version}`),
      h("td", {}, h("span", { class: `state ${version.current ? "current" : version.state}` }, version.current ? "in use" : version.state)),
      h("td", { class: "number" }, version.labels ?? "–"),
      h(
        "td",
        { class: "number" },
        share(version.balanced_accuracy),
        interval && [" ", h("span", { class: "quiet small together" }, `(${share(interval[0])}–${share(interval[1])})`)],
      ),
      h("td", { class: "number" }, share(version.energy_in_roi)),
      h("td", {}, h("span", { class: "together" }, day.format(made)), " ", h("span", { class: "together" }, hour.format(made))),
      h(
        "td",
        { class: "why" },
        version.reasons.map((reason) => h("p", {}, reason)),
      ),
      this.mayPublish &&
        h(
          "td",
          {},
          !version.current &&
            h(
              "button",
              {
                disabled: this.busy !== null,
                data: { focus: `back-${version.version}` },
                "aria-label": `Bring back v${version.version}`,
                onClick: () => this.#bringBack(version),
              },
              "Bring back",
            ),
        ),
    );
  }

  /** @param {Reply.Version} version */
  async #bringBack({ version, state, reasons }) {
    const warning = state === "refused" ? ` The gate had said: ${reasons.join(" ")}` : "";
    if (
      !(await ask({
        title: `Use v${version} from now on?`,
        text: `The whole pool is scored anew with it, and the queue changes.${warning}`,
        confirm: "Bring back",
      }))
    )
      return;
    this.busy = version;
    this.show(this.listed);
    try {
      await post(`/versions/${version}/publish`);
      toast(`v${version} is in use.`, "good");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
    } finally {
      this.busy = null;
      this.show(this.listed);
    }
  }
}
