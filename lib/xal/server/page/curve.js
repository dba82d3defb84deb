/** A measure of the model versions against the number of labels they were trained on. */

import { chartOptions, Plot } from "./charts.js";
import { fill, h, share } from "./dom.js";

/**
 * @typedef {"balanced_accuracy" | "energy_in_roi"} Measure
 * @typedef {Reply.Version & { labels: number }} Known a version that was measured
 * @typedef {{ x: number, y: number, version: Known, interval: [number, number] | null }} Point
 * @typedef {{ raw: Point }} Shown a point as Chart.js gives it
 */

const LINE = 52; // characters of a line that a tooltip has room for

export class Curve {
  /**
   * `key` is the measure's name in a version of /versions.
   * @param {Measure} key
   * @param {string} title
   * @param {string} meaning
   */
  constructor(key, title, meaning) {
    this.key = key;
    this.plot = new Plot({ role: "img" }, [intervals]);
    this.over = h("div", { class: "over" });
    this.element = h(
      "figure",
      { class: "curve" },
      h("figcaption", {}, h("h3", {}, title), h("p", { class: "quiet small" }, meaning)),
      h("div", { class: "held" }, this.plot.element, this.over),
    );
    this.title = title;
  }

  /**
   * `versions` is what /versions lists, newest first.
   * @param {Reply.Version[]} versions
   */
  async show(versions) {
    const known = /** @type {Known[]} */ (versions.filter((version) => version.labels !== null && version[this.key] !== null)).reverse();
    fill(
      this.over,
      known.length === 0 &&
        h("p", { class: "quiet" }, versions.length ? "No version was measured on validation images." : "The first training makes the first point."),
    );
    this.plot.canvas.setAttribute(
      "aria-label",
      known.length ? `${this.title}: ${known.map((version) => this.#inWords(version)).join("; ")}.` : `${this.title}: nothing yet.`,
    );
    await this.plot.draw((colour) => this.#describe(known, colour));
  }

  /** @param {Known} version */
  #inWords(version) {
    return `version ${version.version}, ${version.state}, ${version.labels} labels, ${share(version[this.key])}`;
  }

  /**
   * @param {Known[]} known
   * @param {import("./charts.js").Palette} colour
   */
  #describe(known, colour) {
    /**
     * @param {Known[]} versions
     * @returns {Point[]}
     */
    const points = (versions) =>
      versions
        .map((version) => ({ x: version.labels, y: Number(version[this.key]), version, interval: this.key === "balanced_accuracy" ? version.interval : null }))
        .sort((one, other) => one.x - other.x || one.version.version - other.version.version);
    const round = {
      radius: (/** @type {{ raw?: Point }} */ context) => (context.raw?.version.current ? 7 : 5),
      hoverRadius: 8,
      hitRadius: 6,
      borderColor: colour("accent"),
      borderWidth: 2,
      clip: false,
    };
    const datasets = [
      { label: "published", data: points(known.filter(wasPublished)), ...round, showLine: true, pointBackgroundColor: colour("accent"), tension: 0 },
      {
        label: "refused",
        data: points(known.filter((version) => !wasPublished(version))),
        ...round,
        showLine: false,
        borderColor: colour("quiet"),
        pointBackgroundColor: colour("panel"),
      },
    ];
    const most = Math.max(10, ...known.map((version) => version.labels)) * 1.05;
    const options = chartOptions(colour, {
      x: {
        title: "Labels it was trained on",
        min: 0,
        suggestedMax: most,
        ticks: { color: colour("quiet"), precision: 0, maxRotation: 0, autoSkipPadding: 16 },
      },
      y: { title: this.title, min: 0, max: 1 },
      parsing: false,
      interaction: { mode: "nearest", intersect: true },
      tooltip: {
        callbacks: { title: (/** @type {Shown[]} */ [item]) => titleOf(item.raw.version), label: (/** @type {Shown} */ item) => this.#lines(item.raw) },
      },
      plugins: { intervals: { colour: colour("accent") } },
    });
    return { type: "scatter", data: { datasets }, options };
  }

  /** @param {Point} point */
  #lines({ y, version, interval }) {
    return [
      `${this.title} ${share(y)}${interval ? ` (${share(interval[0])} to ${share(interval[1])})` : ""}, ${version.labels} labels`,
      ...version.reasons.flatMap(wrapped),
    ];
  }
}

/**
 * A version counts as published if it ever was, also when another one has taken its place.
 * @param {Reply.Version} version
 */
export const wasPublished = (version) => version.published_at !== null;

/** @param {Reply.Version} version */
const titleOf = (version) => `v${version.version}, ${version.current ? "in use" : version.state}`;

/** @param {string} text */
function wrapped(text) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (`${lines.at(-1)} ${word}`.length > LINE) lines.push(word);
    else lines[lines.length - 1] = `${lines.at(-1)} ${word}`.trim();
  }
  return lines;
}

/**
 * From where to where a measure may lie, where that is known.
 * @type {ChartPlugin}
 */
const intervals = {
  id: "intervals",
  beforeDatasetsDraw({ ctx, data, scales: { x, y } }, _, { colour }) {
    ctx.save();
    ctx.strokeStyle = colour;
    ctx.globalAlpha = 0.6;
    for (const { x: labels, interval } of data.datasets.flatMap((dataset) => /** @type {Point[]} */ (dataset.data))) {
      if (!interval) continue;
      const [at, low, high] = [x.getPixelForValue(labels), ...interval.map((value) => y.getPixelForValue(value))];
      ctx.beginPath();
      ctx.moveTo(at, low);
      ctx.lineTo(at, high);
      for (const end of [low, high]) {
        ctx.moveTo(at - 5, end);
        ctx.lineTo(at + 5, end);
      }
      ctx.stroke();
    }
    ctx.restore();
  },
};
