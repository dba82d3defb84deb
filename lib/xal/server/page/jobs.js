/** What the server works at now: training and scoring with their progress, to start and to stop. */

import { Failure, startScoring, startTraining, stopTraining } from "./api.js";
import { ago, ask, duration, h, share, toast } from "./dom.js";
import { live } from "./live.js";
import { refill } from "./watch.js";

/**
 * @typedef {Reply.Job["kind"]} Kind
 * @type {Record<Kind, string>}
 */
const KINDS = { train: "Training", score: "Scoring" };
const PATIENCE_MS = 90_000; // what a process may take to begin; after that it has failed without a word
/** @type {Partial<Record<Reply.Job["state"], string>>} */
const ENDS = { done: "done", failed: "failed", stopped: "stopped", lost: "lost: the server had ended" };

export class Jobs {
  constructor() {
    /** @type {Partial<Record<Kind, { at: number, after: number }>>} */
    this.asked = {};
    this.element = h("section", { class: "card jobs", "aria-labelledby": "now" });
    live.addEventListener("state", () => this.show());
    this.show();
  }

  show() {
    const jobs = live.state?.jobs ?? [];
    const running = jobs.filter((job) => job.state === "running");
    const training = running.some((job) => job.kind === "train");
    /** @param {Kind} kind */
    const begin = (kind) => this.#begins(kind, jobs) && !running.some((job) => job.kind === kind);
    const waits = /** @type {Kind[]} */ (Object.keys(KINDS)).filter(begin);
    const over = jobs.filter((job) => job.state !== "running").slice(0, 4);
    refill(
      this.element,
      h(
        "div",
        { class: "row head" },
        h("h2", { id: "now" }, "Now"),
        training
          ? h("button", { data: { focus: "train" }, onClick: () => this.#stop() }, "Stop training")
          : button("train", "Train", !waits.includes("train"), () => this.#start("train", startTraining), { class: "primary" }),
        button(
          "score",
          "Score now",
          Boolean(live.state?.model_version) && !waits.includes("score") && !running.some((job) => job.kind === "score"),
          () => this.#start("score", startScoring),
          { title: live.state?.model_version ? "Read again whatever has no score, or an old one" : "There is no model yet" },
        ),
      ),
      h(
        "div",
        { class: "work", "aria-live": "off" },
        waits.map((kind) => h("p", { class: "busy" }, `${KINDS[kind]} begins …`)),
        running.map(describe),
        running.length + waits.length === 0 && h("p", { class: "quiet" }, live.state ? `Nothing is being computed. ${nextTraining(live.state)}` : "Loading …"),
      ),
      over.length > 0 && h("ul", { class: "past plain", "aria-label": "What was computed last" }, over.map(past)),
    );
  }

  /**
   * Whether this kind of work was asked for, and has not shown itself yet.
   * @param {Kind} kind
   * @param {Reply.Job[]} jobs
   */
  #begins(kind, jobs) {
    const asked = this.asked[kind];
    if (!asked) return false;
    const begun = jobs.some((job) => job.kind === kind && job.id > asked.after);
    if (begun || Date.now() - asked.at > PATIENCE_MS) delete this.asked[kind];
    return kind in this.asked;
  }

  /**
   * @param {Kind} kind
   * @param {() => Promise<unknown>} request
   */
  async #start(kind, request) {
    this.asked[kind] = { at: Date.now(), after: Math.max(0, ...(live.state?.jobs ?? []).map((job) => job.id)) };
    this.show();
    try {
      await request();
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      delete this.asked[kind];
      toast(error.message, "bad");
    }
    this.show();
  }

  async #stop() {
    if (!(await ask({ title: "Stop training?", text: "What it has learnt so far is lost; the model in use stays.", confirm: "Stop" }))) return;
    try {
      await stopTraining();
      toast("Training is stopped.", "good");
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      toast(error.message, "bad");
    }
  }
}

/**
 * When a training begins by itself, in words.
 * @param {Pick<Reply.State, "next_training">} state
 */
export function nextTraining({ next_training: left }) {
  if (left === null) return "";
  if (left === 0) return "A training begins by itself as soon as there are enough labels of two findings.";
  return `The next training begins by itself after ${left.toLocaleString("en")} more ${left === 1 ? "label" : "labels"}.`;
}

/**
 * A button that keeps the focus while it does nothing.
 * @param {string} name
 * @param {string} text
 * @param {boolean} ready
 * @param {() => void} act
 * @param {object} more
 */
const button = (name, text, ready, act, more) =>
  h("button", { ...more, "aria-disabled": !ready && "true", data: { focus: name }, onClick: ready ? act : () => {} }, text);

/**
 * How far a job is: training counts epochs, scoring images.
 * @param {Reply.Job} job
 * @returns {{ done: number, total: number | null, unit: string }}
 */
export function stepsOf({ kind, progress }) {
  return kind === "train"
    ? { done: progress.epoch ?? 0, total: progress.total_epochs ?? null, unit: "epochs" }
    : { done: progress.done ?? 0, total: progress.total ?? null, unit: "images" };
}

/** @param {Reply.Job} job */
function describe(job) {
  const { done, total, unit } = stepsOf(job);
  const figures = total === null ? "getting ready" : `${done.toLocaleString("en")} of ${total.toLocaleString("en")} ${unit}`;
  const { progress } = job;
  const more = [
    progress.loss !== undefined && `loss ${progress.loss.toFixed(3)}`,
    typeof progress.metric === "number" && `balanced accuracy ${share(progress.metric)}`,
    progress.seconds && total !== null && total > done && `about ${duration((progress.seconds / done) * (total - done))} left`,
  ].filter(Boolean);
  return h(
    "div",
    { class: "job" },
    h("div", { class: "row" }, h("b", {}, KINDS[job.kind]), h("span", { class: "figure quiet" }, figures)),
    h("progress", { max: total ?? 1, value: total === null ? null : done, "aria-label": `${KINDS[job.kind]}: ${figures}` }),
    h("p", { class: "quiet small figure" }, more.length ? more.join(" · ") : `started ${ago(job.started_at)}`),
  );
}

/** @param {Reply.Job} job */
function past(job) {
  const took = job.finished_at ? `, took ${duration(job.finished_at - job.started_at)}` : "";
  return h(
    "li",
    { class: "small" },
    h("span", { class: job.state === "done" ? "good" : job.state === "stopped" ? "quiet" : "bad" }, `${KINDS[job.kind]} ${ENDS[job.state]}`),
    h("span", { class: "quiet" }, ` ${ago(job.finished_at ?? job.started_at)}${took}`),
    job.message && job.state !== "done" && h("p", { class: "quiet" }, job.message),
  );
}
