/** Who has handed in what, how far readers agree, and how long it takes them. */

import { colourOf, duration, h, rgb, share } from "./dom.js";

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((one, other) => one + other, 0);

/**
 * Labels per finding and reader, as a table whose cells are bars.
 * @param {Reply.Room} room
 * @param {Reply.LabelCount[]} labels
 * @param {string[]} readers
 */
export function labelsTable(room, labels, readers) {
  const heading = h("h2", { id: "labels" }, "Labels");
  if (labels.length === 0)
    return h("section", { class: "card", "aria-labelledby": "labels" }, heading, h("p", { class: "quiet" }, "Nothing has been handed in yet."));
  const count = new Map(labels.map((label) => [JSON.stringify([label.finding, label.reader]), label.count]));
  /**
   * @param {string} finding
   * @param {string} reader
   */
  const at = (finding, reader) => count.get(JSON.stringify([finding, reader])) ?? 0;
  const known = room.findings.map((finding) => finding.name);
  const findings = [...known, ...new Set(labels.map((label) => label.finding).filter((name) => !known.includes(name)))];
  const most = Math.max(...labels.map((label) => label.count));
  /** @param {string} finding */
  const ofFinding = (finding) => sum(readers.map((reader) => at(finding, reader)));
  /** @param {string} reader */
  const ofReader = (reader) => sum(findings.map((finding) => at(finding, reader)));
  /** @param {string} finding */
  const head = (finding) =>
    h("th", { scope: "col", class: "number" }, h("span", { class: "swatch", css: { "--colour": rgb(colourOf(room, finding)) } }), " ", finding);
  return h(
    "section",
    { class: "card", "aria-labelledby": "labels" },
    heading,
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-labelledby": "labels" },
      h(
        "table",
        { class: "labels", css: { "min-width": `${8 + 5.5 * (findings.length + 1)}em` } },
        h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Reader"), findings.map(head), h("th", { scope: "col", class: "number" }, "All"))),
        h(
          "tbody",
          {},
          readers.map((reader) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, reader),
              findings.map((finding) =>
                h(
                  "td",
                  { class: "number counted" },
                  h("span", { class: "fill", css: { "--share": at(finding, reader) / most, "--colour": rgb(colourOf(room, finding)) } }),
                  h("span", { class: "figure" }, at(finding, reader)),
                ),
              ),
              h("td", { class: "number" }, ofReader(reader)),
            ),
          ),
        ),
        h(
          "tfoot",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "row" }, "All"),
            findings.map((finding) => h("td", { class: "number" }, ofFinding(finding))),
            h("td", { class: "number" }, sum(labels.map((label) => label.count))),
          ),
        ),
      ),
    ),
  );
}

/**
 * Cohen's κ and the mean Dice of ROIs, on images that more than one reader has handed in.
 * @param {Reply.Agreement} agreement
 */
export function agreementPart({ images, pairs, kappa, dice, pending }) {
  /** @param {...Page.Child} children */
  const section = (...children) =>
    h("section", { class: "card", "aria-labelledby": "agreement" }, h("h2", { id: "agreement" }, "Agreement between readers"), children);
  const later = pending > 0 && h("p", { class: "quiet small" }, `${pending} still to be compared.`);
  if (images === 0) return section(h("p", { class: "quiet" }, "No image has been read by two readers yet."), later);
  /**
   * @param {Page.Child} value
   * @param {string} name
   * @param {string} meaning
   */
  const figure = (value, name, meaning) => h("div", { class: "stat" }, h("dd", {}, value), h("dt", {}, name), h("dd", { class: "quiet small" }, meaning));
  return section(
    h(
      "dl",
      { class: "stats" },
      figure(share(kappa), "Cohen’s κ", "of the findings: 1 always, 0 as by chance"),
      figure(share(dice), "ROI Dice", "mean, where both outlined one finding"),
      figure(images, images === 1 ? "image" : "images", "read by more than one"),
    ),
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": "Pairs of readers" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Readers"),
            ["Images", "κ", "Dice"].map((head) => h("th", { scope: "col", class: "number" }, head)),
          ),
        ),
        h(
          "tbody",
          {},
          pairs.map((pair) =>
            h(
              "tr",
              {},
              h("th", { scope: "row" }, `${pair.one} and ${pair.other}`),
              [pair.images, share(pair.kappa), share(pair.dice)].map((value) => h("td", { class: "number" }, value)),
            ),
          ),
        ),
      ),
    ),
    later,
  );
}

/**
 * How long readings took, with an outline and without.
 * @param {Reply.Durations} durations
 */
export function durationsPart({ outlined, alone, idle_seconds: longest }) {
  const heading = h("h2", { id: "durations" }, "Time");
  if (outlined.images + alone.images === 0)
    return h("section", { class: "card", "aria-labelledby": "durations" }, heading, h("p", { class: "quiet" }, "No reading has been timed yet."));
  /**
   * @param {string} name
   * @param {Reply.Duration} of
   */
  const row = (name, { images, median_seconds: middle, total_seconds: total }) =>
    h(
      "tr",
      {},
      h("th", { scope: "row" }, name),
      [images, middle === null ? "–" : duration(middle), images ? duration(total) : "–"].map((value) => h("td", { class: "number" }, value)),
    );
  const idle = outlined.idle + alone.idle;
  return h(
    "section",
    { class: "card", "aria-labelledby": "durations" },
    heading,
    h(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-labelledby": "durations" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            h("th", { scope: "col" }, "Handed in"),
            ["Images", "Median", "Together"].map((head) => h("th", { scope: "col", class: "number" }, head)),
          ),
        ),
        h("tbody", {}, row("with an outline", outlined), row("the finding alone", alone)),
      ),
    ),
    h(
      "p",
      { class: "quiet small" },
      `From Next image to the hand-in. Who takes longer than ${duration(longest)} was away: that counts as ${duration(longest)}`,
      idle ? `, as it did ${idle === 1 ? "once" : `${idle} times`}.` : ".",
    ),
  );
}
