/** Charts: the library is fetched when the first is drawn; colours come from the style sheet and follow the theme. */

import { fill, h, note } from "./dom.js";

/**
 * @typedef {(name: string) => string} Palette a colour of the style sheet by its name
 * @typedef {{ title: string, [option: string]: any }} Axis
 */

/** @type {Promise<typeof Chart | null> | null} */
let library = null;

/** Chart.js, or null where the server does not have it. */
function chartLibrary() {
  library ??= import("./vendor/chart.js").then(
    () => globalThis.Chart ?? null,
    () => null,
  );
  return library;
}

/**
 * The colours of the style sheet, by name without dashes.
 * @returns {Palette}
 */
function palette() {
  const style = getComputedStyle(document.documentElement);
  return (name) => style.getPropertyValue(`--${name}`).trim();
}

/** One chart, drawn anew when its figures or the theme change. */
export class Plot {
  /**
   * @param {object} canvas attributes of the canvas: its role and what a person who cannot see it is told
   * @param {ChartPlugin[]} plugins of Chart.js
   */
  constructor(canvas, plugins = []) {
    this.plugins = plugins;
    this.canvas = h("canvas", canvas);
    this.element = h("div", { class: "plot" }, this.canvas);
    /** @type {((colour: Palette) => ChartParts) | null} */
    this.describe = null;
    /** @type {Chart | null} */
    this.chart = null;
    window.addEventListener("xal-theme", () => this.#draw());
  }

  /**
   * `describe` makes {type, data, options} of the palette.
   * @param {(colour: Palette) => ChartParts} describe
   */
  async draw(describe) {
    this.describe = describe;
    if (!(await chartLibrary())) fill(this.element, note("Charts are not installed on this server: run `make page` there, then reload.", "bad"));
    else await this.#draw();
  }

  async #draw() {
    if (!this.describe) return;
    const Chart = await chartLibrary();
    if (!Chart) return;
    const { type, data, options } = this.describe(palette());
    if (this.chart) {
      Object.assign(this.chart, { data, options });
      this.chart.update("none");
    } else {
      this.chart = new Chart(this.canvas, { type, data, options, plugins: this.plugins });
    }
  }
}

/**
 * What all charts share.
 * @param {Palette} colour
 * @param {{ x: Axis, y: Axis, tooltip: object, plugins?: object, [option: string]: any }} more
 * @returns {object}
 */
export function chartOptions(colour, { x, y, tooltip, ...rest }) {
  /** @param {Axis} axis */
  const axis = ({ title, ...more }) => ({
    title: { display: true, text: title, color: colour("quiet") },
    grid: { color: colour("line"), tickColor: colour("line") },
    border: { color: colour("line") },
    ticks: { color: colour("quiet"), maxRotation: 0, autoSkipPadding: 12 },
    ...more,
  });
  return {
    animation: false,
    responsive: true,
    maintainAspectRatio: false,
    font: { family: "system-ui, sans-serif", size: 12 },
    scales: { x: axis(x), y: axis(y) },
    ...rest,
    plugins: {
      legend: { display: false },
      tooltip: {
        backgroundColor: colour("raised"),
        borderColor: colour("quiet"),
        borderWidth: 1,
        titleColor: colour("text"),
        bodyColor: colour("text"),
        displayColors: false,
        padding: 10,
        ...tooltip,
      },
      ...rest.plugins,
    },
  };
}
