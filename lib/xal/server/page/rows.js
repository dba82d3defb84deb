/** An image as a line of a list: what may be shown of it, and nothing that the server did not say. */

import { address, idPath } from "./api.js";
import { ago, clock, colourOf, h, rgb, share } from "./dom.js";
import { inWords } from "./findings.js";
import { comingFrom } from "./origins.js";

/**
 * Whose ROI a score has used, as people say it.
 * @type {Record<string, string>}
 */
const SOURCES = { drawn: "ROI drawn by a reader", proposed: "ROI proposed by the model", none: "no ROI to compare with" };

/**
 * The same, and where it was drawn if that is known.
 * @param {Reply.QueueItem} item
 */
const sourceOf = ({ roi_source: source, roi_origin: origins }) => (origins?.length ? `ROI ${comingFrom(origins)}` : (SOURCES[source ?? ""] ?? ""));

/** @param {string} image */
export const readPath = (image) => `#/read/${encodeURIComponent(image)}`;
/** @param {{ image: string, id: number }} annotation */
export const revisePath = ({ image, id }) => `${readPath(image)}?revise=${id}`;

/** After so many milliseconds, or twice as many, a picture is asked for again: the server may have been busy. */
const ASK_AGAIN = 4000;

/**
 * The image in small, in a place of fixed size.
 * @param {string} image
 * @param {boolean} readable
 */
export function thumbnail(image, readable = true) {
  const missing = () => h("span", { class: "thumb missing" }, "no picture");
  if (!readable) return missing();
  const src = address(`${idPath(image)}/thumbnail.png`);
  const picture = h("img", { class: "thumb", src, loading: "lazy", decoding: "async", width: 96, height: 96, alt: "", draggable: "false" });
  picture.addEventListener(
    "error",
    () => {
      picture.addEventListener("error", () => picture.replaceWith(missing()));
      setTimeout(
        () => {
          picture.src = src;
        },
        ASK_AGAIN * (1 + Math.random()),
      );
    },
    { once: true },
  );
  return picture;
}

/**
 * A finding in its colour.
 * @param {Reply.Room} room
 * @param {string | null} name
 * @param {...Page.Child} more
 */
export function findingTag(room, name, ...more) {
  return h("span", { class: "tag", css: { "--colour": rgb(colourOf(room, name)) } }, h("span", { class: "swatch" }), h("span", {}, inWords(name), more));
}

/**
 * A line of the queue.
 * @param {Reply.Room} room
 * @param {Reply.QueueItem} item
 * @param {{position: number, alpha: number | null, ranked: boolean, include: (item: Reply.QueueItem) => void}} how
 */
export function imageRow(room, item, { position, alpha, ranked, include }) {
  return h(
    "div",
    { class: ranked ? "item image ranked" : "item image", role: "listitem", data: { image: item.id } },
    ranked && h("span", { class: "rank", title: "Place in the queue" }, h("span", { class: "unseen" }, "Place "), position.toLocaleString("en")),
    thumbnail(item.id, item.status !== "unreadable"),
    h(
      "div",
      { class: "what" },
      h("a", { class: "open", href: readPath(item.id), data: { main: "" } }, item.id),
      h("div", { class: "tags" }, tags(room, item)),
      item.excluded !== null && h("p", { class: "reason" }, `Excluded by ${item.excluded_by}: ${item.excluded}`),
      item.problem !== null && h("p", { class: "reason bad" }, item.problem),
      item.excluded !== null && h("button", { class: "again", onClick: () => include(item) }, "Include again"),
    ),
    parts(item, alpha),
  );
}

/**
 * @param {Reply.Room} room
 * @param {Reply.QueueItem} item
 */
function tags(room, item) {
  const { annotation, lease } = item;
  const mine = lease && lease.reader === room.reader;
  return [
    annotation &&
      h("span", { class: "tag" }, `${annotation.reader}${annotation.revision > 1 ? `, revision ${annotation.revision}` : ""}, ${ago(annotation.created_at)}`),
    annotation?.finding && findingTag(room, annotation.finding),
    item.finding !== null && item.finding !== annotation?.finding && findingTag(room, item.finding),
    item.predicted !== null && findingTag(room, item.predicted, h("span", { class: "quiet" }, ` says the model (${share(item.probability)})`)),
    item.overlap !== null && h("span", { class: "tag quiet" }, `overlap ${share(item.overlap)}`),
    lease && h("span", { class: "tag lease" }, mine ? `yours until ${clock(lease.until)}` : `with ${lease.reader} until ${clock(lease.until)}`),
    !item.may_see &&
      ["settled", "review", "handed_in"].includes(annotation ? "handed_in" : item.status) &&
      h("span", { class: "tag quiet", title: "The finding is shown once you have handed in the image" }, "not shown: you read blind"),
  ];
}

/**
 * The score and, for who may know, what it is made of; without an α it is made of something else.
 * @param {Reply.QueueItem} item
 * @param {number | null} alpha
 */
function parts(item, alpha) {
  if (item.score === null) return h("p", { class: "parts quiet" }, item.status === "waiting" && "no score yet");
  const version = item.model_version !== null && ` · v${item.model_version}`;
  if (alpha === null && item.score === 0) return h("p", { class: "parts quiet" }, "chosen without a score", version);
  if (item.uncertainty === null)
    return h(
      "dl",
      { class: "parts" },
      h("dt", {}, "Score"),
      h("dd", { class: "total" }, bar(["whole", item.score]), h("b", { class: "figure" }, share(item.score))),
      h("dd", { class: "source" }, "parts shown after handing in", version),
    );
  const unsure = (alpha ?? 0) * item.uncertainty;
  const rest = Math.max(0, item.score - unsure);
  const assumed = item.misalignment === null;
  /** @type {[kind: string, length: number][]} */
  const pieces =
    alpha === null
      ? [["whole", item.score]]
      : [
          ["unsure", unsure],
          [assumed ? "assumed" : "apart", rest],
        ];
  return h(
    "dl",
    { class: "parts" },
    h("dt", {}, "Score"),
    h("dd", { class: "total" }, bar(...pieces), h("b", { class: "figure" }, share(item.score))),
    h("dt", {}, "Uncertainty"),
    h("dd", {}, bar(["unsure", item.uncertainty]), h("span", { class: "figure" }, share(item.uncertainty))),
    h("dt", {}, "Misalignment"),
    h(
      "dd",
      { title: assumed ? "It has no meaning here" : "" },
      bar(["apart", item.misalignment ?? 0]),
      h("span", { class: "figure" }, share(item.misalignment)),
    ),
    h("dd", { class: "source" }, h("span", { class: `glyph ${item.roi_source}`, "aria-hidden": "true" }), sourceOf(item), version),
  );
}

/** @param {...[kind: string, length: number]} pieces */
function bar(...pieces) {
  return h(
    "span",
    { class: "mini", "aria-hidden": "true" },
    pieces.map(([kind, length]) => h("span", { class: kind, css: { width: `${100 * Math.min(1, length)}%` } })),
  );
}
