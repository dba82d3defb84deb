/** The waiting images by uncertainty and misalignment: where the next ones come from, and what else there is. */

import { chartOptions, Plot } from "./charts.js";
import { fill, h, note, share } from "./dom.js";
import { comingFrom } from "./origins.js";
import { readPath } from "./rows.js";
import { sure } from "./sure.js";

/** @typedef {{ raw: { point: Reply.QueuePoint } }} Shown a point as Chart.js gives it */

const KINDS = [
  { source: "drawn", title: "drawn ROI", style: "circle", radius: 4 },
  { source: "proposed", title: "proposed ROI", style: "rectRot", radius: 5 },
  { source: "none", title: "no ROI: the usual misalignment is assumed", style: "triangle", radius: 5 },
];
const LEVELS = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9];
const figures = new Intl.NumberFormat("en");

export class Scatter {
  constructor() {
    /** @type {Reply.QueuePoint[]} */
    this.points = [];
    /** @type {number | null} */
    this.alpha = 0;
    this.at = -1;
    this.failed = false;
    this.plot = new Plot({ tabindex: 0, role: "application", "aria-roledescription": "chart" }, [equalScores]);
    this.said = h("output", { class: "said", "aria-live": "polite" });
    this.status = h("p", { class: "quiet small status", role: "status" }, "Loading …");
    this.legend = h("ul", { class: "legend plain", "aria-label": "Colours" });
    this.over = h("div", { class: "over" });
    this.element = h(
      "figure",
      { class: "scatter", "aria-label": "Uncertainty against misalignment" },
      h("figcaption", {}, h("h2", {}, "Why these come first"), this.status),
      h("div", { class: "held" }, this.plot.element, this.over),
      this.legend,
      this.said,
    );
    const { canvas } = this.plot;
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => this.#mark(-1));
  }

  /**
   * @param {Reply.Points} reply
   * @param {number | null} alpha null where a score is made of something else
   */
  async show({ points, total, shown, withheld }, alpha) {
    this.failed = false;
    this.points = [...points].sort((one, other) => other.score - one.score);
    this.alpha = alpha;
    this.at = -1;
    this.status.textContent = howMany(total, shown, withheld);
    fill(
      this.over,
      shown === 0 &&
        h(
          "p",
          { class: "quiet" },
          withheld
            ? "You read blind: the place of these would tell what they show."
            : total
              ? "Images get their place here once a model has read them."
              : "No image waits.",
        ),
    );
    const present = KINDS.filter(({ source }) => points.some((point) => kindOf(point) === source));
    fill(
      this.legend,
      present.map((kind) => h("li", {}, h("span", { class: `glyph ${kind.source}`, "aria-hidden": "true" }), kind.title)),
      shown > 0 && alpha !== null && h("li", {}, h("span", { class: "glyph level", "aria-hidden": "true" }), `equal score, α = ${alpha}`),
    );
    this.plot.canvas.setAttribute("aria-label", `${this.status.textContent} Left and right go through them from the highest score on, Enter opens one.`);
    await this.plot.draw((colour) => this.#describe(colour));
  }

  /**
   * @param {string} message
   * @param {() => void} retry
   */
  fail(message, retry) {
    this.failed = true;
    this.status.textContent = "";
    fill(this.over, note(message, "bad"), h("button", { onClick: retry }, "Try again"));
  }

  /** @param {import("./charts.js").Palette} colour */
  #describe(colour) {
    const datasets = KINDS.map(({ source, style, radius }) => {
      const data = this.points.filter((point) => kindOf(point) === source).map((point) => ({ x: point.uncertainty, y: heightOf(point, this.alpha), point }));
      return {
        data,
        pointStyle: style,
        radius,
        hoverRadius: radius + 3,
        hitRadius: 3,
        backgroundColor: colour(source),
        borderColor: colour("panel"),
        borderWidth: 1,
        hoverBorderColor: colour("text"),
        hoverBorderWidth: 2,
        clip: 8,
      };
    });
    /** @param {string} title */
    const shares = (title) => ({ title, min: 0, max: 1, ticks: { color: colour("quiet"), stepSize: 0.2, maxRotation: 0 } });
    const options = chartOptions(colour, {
      x: shares("Uncertainty"),
      y: shares("Misalignment"),
      parsing: false,
      interaction: { mode: "nearest", intersect: true },
      onHover: (/** @type {unknown} */ _, /** @type {ChartPoint[]} */ [active]) => {
        this.plot.canvas.classList.toggle("pointing", Boolean(active));
        this.said.textContent = active ? inWords(this.#pointOf(active)) : "";
      },
      onClick: (/** @type {unknown} */ _, /** @type {ChartPoint[]} */ [active]) => active && this.#open(this.#pointOf(active)),
      tooltip: {
        callbacks: {
          title: (/** @type {Shown[]} */ items) => items.slice(0, 1).map((item) => item.raw.point.id),
          label: (/** @type {Shown} */ item) => `score ${share(item.raw.point.score)}`,
        },
        filter: (/** @type {Shown} */ _, /** @type {number} */ at) => at === 0,
      },
      plugins: { equalScores: { alpha: this.alpha, line: colour("level"), text: colour("quiet"), shown: this.points.length > 0 && this.alpha !== null } },
    });
    return { type: "scatter", data: { datasets }, options };
  }

  /**
   * @param {ChartPoint} active
   * @returns {Reply.QueuePoint}
   */
  #pointOf({ datasetIndex, index }) {
    return sure(this.plot.chart).data.datasets[datasetIndex].data[index].point;
  }

  /** @param {Reply.QueuePoint} point */
  #open(point) {
    location.hash = readPath(point.id);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && this.at >= 0) this.#open(this.points[this.at]);
    else if (event.key === "Escape") this.#mark(-1);
    else if (step && this.points.length) this.#mark(Math.min(this.points.length - 1, Math.max(0, this.at + step)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /**
   * Point at one of the images, by its place from the highest score on.
   * @param {number} at
   */
  #mark(at) {
    this.at = at;
    const { chart } = this.plot;
    if (!chart) return;
    const point = this.points[at];
    this.said.textContent = point ? inWords(point) : "";
    /** @type {ChartPoint[]} */
    const active = [];
    if (point) {
      const datasetIndex = KINDS.findIndex(({ source }) => source === kindOf(point));
      active.push({ datasetIndex, index: chart.data.datasets[datasetIndex].data.findIndex((entry) => entry.point === point) });
    }
    chart.setActiveElements(active);
    chart.tooltip.setActiveElements(active, { x: 0, y: 0 });
    chart.update("none");
  }
}

/**
 * How much of the pool is seen here.
 * @param {number} total
 * @param {number} shown
 * @param {number} withheld
 */
function howMany(total, shown, withheld) {
  if (withheld) return `${figures.format(shown)} of ${figures.format(total)} images: the place of ${figures.format(withheld)} would tell what they show.`;
  const [all, some, half] = [total, shown, Math.ceil(shown / 2)].map((count) => figures.format(count));
  if (shown === 0) return total ? "No image has a score yet." : "";
  if (shown === total) return `${all} waiting images.`;
  if (shown >= 1000) return `${some} of ${all} images: the ${half} highest scores and others by chance.`;
  return `${some} of ${all} images: those that have a score.`;
}

/** @param {Reply.QueuePoint} point */
const kindOf = (point) => (point.misalignment === null ? "none" : (point.roi_source ?? "none"));

/**
 * An image without a misalignment stands where its score places it, or in the middle.
 * @param {Reply.QueuePoint} point
 * @param {number | null} alpha
 */
function heightOf({ uncertainty, misalignment, score }, alpha) {
  if (misalignment !== null) return misalignment;
  if (alpha === null) return 0.5;
  return alpha < 1 ? Math.min(1, Math.max(0, (score - alpha * uncertainty) / (1 - alpha))) : 0;
}

/** @param {Reply.QueuePoint} point */
const inWords = (point) =>
  `${point.id}: score ${share(point.score)}, uncertainty ${share(point.uncertainty)}, misalignment ${share(point.misalignment)}` +
  (point.roi_origin?.length ? `, ROI ${comingFrom(point.roi_origin)}` : "");

/**
 * Lines along which α · uncertainty + (1 − α) · misalignment is the same.
 * @type {ChartPlugin}
 */
const equalScores = {
  id: "equalScores",
  beforeDatasetsDraw({ ctx, chartArea, scales: { x, y } }, _, { alpha, line, text, shown }) {
    if (!shown) return;
    ctx.save();
    ctx.font = "11px system-ui, sans-serif";
    ctx.textAlign = "right";
    ctx.textBaseline = "bottom";
    for (const level of LEVELS) {
      const [[left, top], [right, bottom]] = endsOf(level, alpha).map(([u, m]) => [x.getPixelForValue(u), y.getPixelForValue(m)]);
      ctx.strokeStyle = line;
      ctx.setLineDash([4, 4]);
      ctx.beginPath();
      ctx.moveTo(left, top);
      ctx.lineTo(right, bottom);
      ctx.stroke();
      ctx.fillStyle = text;
      if (bottom > chartArea.top + 14) ctx.fillText(level.toFixed(1), Math.min(right, chartArea.right) - 3, Math.min(bottom, chartArea.bottom) - 2);
    }
    ctx.restore();
  },
};

/**
 * Where the line of a score leaves the unit square: at its upper left and its lower right.
 * @param {number} level
 * @param {number} alpha
 * @returns {number[][]}
 */
function endsOf(level, alpha) {
  if (alpha === 0)
    return [
      [0, level],
      [1, level],
    ];
  if (alpha === 1)
    return [
      [level, 1],
      [level, 0],
    ];
  /** @param {number} u */
  const height = (u) => (level - alpha * u) / (1 - alpha);
  /** @param {number} m */
  const width = (m) => (level - (1 - alpha) * m) / alpha;
  const left = height(0) <= 1 ? [0, height(0)] : [width(1), 1];
  const right = height(1) >= 0 ? [1, height(1)] : [width(0), 0];
  return [left, right];
}
