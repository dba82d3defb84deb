/** What stands beside the picture, and over it while there is none, in every phase of reading. */

import { get } from "./api.js";
import { clock, colourOf, h, note, rgb, saidBy, share } from "./dom.js";
import { REGION } from "./findings.js";
import { live } from "./live.js";
import { drawnBy } from "./origins.js";
import { mayBeginWith, mayBeginWithShown, mayBeRegion } from "./reading.js";
import { readPath } from "./rows.js";
import { sure } from "./sure.js";

/** @import { Read } from "./read.js" */
/** @import { Phase } from "./reading.js" */

/** @type {Partial<Record<Phase, (read: Read) => Page.Child>>} */
const COVERS = {
  idle: (read) => [h("p", {}, "Ready when you are."), nextButton(read, "Next image")],
  loading: () => h("p", { class: "busy" }, "Loading the image …"),
  empty: () => [h("h2", {}, "Nothing left to read"), h("p", {}, "Every image has been read, or is with somebody else.")],
  error: (read) => [h("h2", {}, "This did not work"), h("p", { role: "alert" }, read.state.message), nextButton(read, "Another image")],
};
/** @type {Record<Phase, (read: Read) => Page.Child>} */
const PANELS = {
  idle: idlePart,
  loading: () => [],
  empty: (read) => [h("h2", {}, "Done"), h("p", { class: "quiet" }, "New images appear by themselves."), nextButton(read, "Ask again"), unfinishedPart(read)],
  error: (read) => [h("h2", {}, "Not opened"), h("button", { onClick: () => read.happens({ type: "rest" }) }, "Back to the start"), unfinishedPart(read)],
  reading: readingPart,
  sending: sendingPart,
  why: whyPart,
};

/**
 * What covers the picture; null where the picture itself is to be seen.
 * @param {Read} read
 */
export const coverOf = (read) => COVERS[read.state.phase]?.(read) ?? null;

/** @param {Read} read */
export const panelOf = (read) => PANELS[read.state.phase](read);

/**
 * @param {Read} read
 * @param {string} text
 */
function nextButton(read, text) {
  return h("button", { class: "primary large", data: { focus: "next" }, onClick: () => read.happens({ type: "next" }) }, text, h("kbd", {}, "N"));
}

/** @param {Read} read */
function idlePart(read) {
  const { room } = read;
  const { state } = live;
  return [
    h("h2", {}, room.title),
    state && h("p", { class: "quiet" }, `${state.open} of ${state.images} images wait; ${state.settled} are settled.`),
    unfinishedPart(read),
    h("h3", {}, "How it goes"),
    h(
      "ol",
      { class: "steps" },
      h("li", {}, room.outline_share < 1 ? "Outline the lesion, where the page asks for that." : "Outline the lesion in the image."),
      h("li", {}, "Choose its finding."),
      h("li", {}, "Hand in. You then see where the model had looked."),
    ),
  ];
}

/**
 * Drafts of other images than the one in view.
 * @param {Read} read
 */
function unfinishedPart(read) {
  const { unfinished: drafts, wanted } = read.state;
  const others = drafts.filter(({ image }) => image !== wanted);
  return (
    others.length > 0 && [
      h("h3", {}, "Unfinished"),
      h(
        "ul",
        { class: "plain" },
        others.map((draft) => unfinished(read, draft)),
      ),
    ]
  );
}

/**
 * @param {Read} read
 * @param {Page.Draft} draft
 */
function unfinished(read, draft) {
  const { image, refused } = draft;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "row" },
      h("a", { href: readPath(image) }, image),
      h(
        "button",
        { class: "plain", "aria-label": `Discard ${image}`, data: { focus: `discard-${image}` }, onClick: () => read.happens({ type: "discard", draft }) },
        "Discard",
      ),
    ),
    refused && h("p", { class: "bad" }, refused),
  );
}

/** @param {Read} read */
function heading({ room, state }) {
  const { phase, until } = state;
  const image = sure(state.image);
  const standing = phase === "reading" && until ? `Yours until ${clock(until)}` : image.status;
  return [
    h("h2", { class: "id" }, image.id),
    room.show_patient && patientOf(image.id),
    h("p", { class: "quiet" }, standing, image.score !== null && ` · score ${share(image.score)}`),
  ];
}

/** @type {Map<string, string>} */
const patients = new Map(); // of this visit only: nothing of them is kept in the browser

/**
 * The patient, asked of the archive once for each image.
 * @param {string} image
 */
function patientOf(image) {
  const line = h("p", { class: "patient" }, patients.get(image) ?? "…");
  if (!patients.has(image)) {
    get(`/images/${encodeURIComponent(image)}/patient`)
      .then(({ name, id, birth_date: born, sex }) => [name, id, born, sex].filter(Boolean).join(" · ") || "The archive names no patient.", saidBy)
      .then((text) => {
        patients.set(image, text);
        line.textContent = text;
      });
  }
  return line;
}

/** @param {Read} read */
function readingPart(read) {
  const { room, state } = read;
  const { finding: chosen, refused, replaced, revises, voxels } = state;
  const { own, lease } = sure(state.image);
  return [
    heading(read),
    wish(read),
    revises && note(`You revise what ${revises.reader} said (${revises.finding}). What you hand in takes its place.`),
    own && note(`You handed this in as ${own.finding} (revision ${own.revision}). This will be revision ${own.revision + 1}.`),
    replaced && note("The file of this image was replaced since this was outlined: please outline it anew.", "bad"),
    refused && note(`The server did not take it: ${refused}`, "bad"),
    lease && lease.reader !== room.reader && note(`${lease.reader} is reading this image.`, "bad"),
    h(
      "fieldset",
      { class: "findings" },
      h("legend", {}, "Finding"),
      room.findings.map((finding, at) => findingChoice(read, finding, at)),
      mayBeRegion(state, room) && regionChoice(read),
    ),
    ownRegion(read),
    shownRegion(read),
    h("p", { class: "measure" }, measure(read)),
    h(
      "div",
      { class: "column" },
      h(
        "button",
        { class: "primary large", data: { focus: "submit" }, disabled: chosen === null, onClick: () => read.submit() },
        "Hand in",
        h("kbd", {}, "Enter"),
      ),
      room.outline_share < 1 &&
        h(
          "button",
          {
            title: "Hand in the finding alone, without an outline",
            data: { focus: "without-outline" },
            disabled: chosen === null || chosen === REGION || voxels > 0,
            onClick: () => read.handInAlone(),
          },
          "Finding alone",
          h("kbd", {}, "S"),
        ),
      refused && revises && h("button", { data: { focus: "alone" }, onClick: () => read.happens({ type: "alone" }) }, "Make it a reading of my own"),
      h("button", { data: { focus: "next" }, onClick: () => read.happens({ type: "next" }) }, "Next without handing in", h("kbd", {}, "N")),
      (revises || own) &&
        h(
          "button",
          { class: "plain", data: { focus: "forget" }, onClick: () => read.happens({ type: "forget" }) },
          revises ? `Leave it as ${revises.reader} said` : `Keep revision ${own?.revision} as it is`,
        ),
      h("button", { class: "plain", data: { focus: "exclude" }, onClick: () => read.happens({ type: "exclude" }) }, "Exclude this image …"),
    ),
    room.reveal === "always" && read.why.part(),
    h(
      "p",
      { class: "quiet small" },
      live.connected === false ? "Not connected. Your outline is kept in this browser." : "Your outline is kept in this browser until it is handed in.",
    ),
    unfinishedPart(read),
  ];
}

/**
 * What is wanted of this image, where that is not the same for all of them.
 * @param {Read} read
 */
function wish({ room, state }) {
  if (room.outline_share === 1 || room.asked_for === "region") return null;
  const wanted = sure(state.image).outline_wanted;
  const text = wanted ? "Please outline this one, and choose its finding." : "The finding alone is enough here. You may outline it, too.";
  return h("p", { class: `wish ${wanted ? "outline" : ""}` }, text);
}

/** @param {Read} read */
function measure({ state: { voxels }, room }) {
  return voxels ? `${counted(voxels, room)} outlined` : "Nothing outlined yet";
}

/**
 * @param {number} voxels
 * @param {Reply.Room} room
 */
const counted = (voxels, { dimensions }) => `${voxels} ${dimensions === 2 ? "pixel" : "voxel"}${voxels === 1 ? "" : "s"}`;

/**
 * @param {Read} read
 * @param {Reply.RoomFinding} finding
 * @param {number} at
 */
const findingChoice = (read, { name }, at) => choice(read, name, name, { focus: `finding-${at}`, kbd: at < 9 && at + 1 });

/**
 * The outline without a finding, apart from the findings.
 * @param {Read} read
 */
function regionChoice(read) {
  const title = "Outline what is to be seen without naming it: the image stays in the pool";
  return choice(read, REGION, "Region only", { focus: "region", kbd: "G", kind: "region", title });
}

/**
 * @param {Read} read
 * @param {string} finding
 * @param {string} name
 * @param {{ focus: string, kbd: Page.Child, kind?: string, title?: string }} how
 */
function choice(read, finding, name, { focus, kbd, kind = "", title }) {
  /** @param {MouseEvent} event */
  const goOn = (event) => event.detail > 0 && setTimeout(() => read.viewer.canvas.focus({ preventScroll: true })); // else the arrows, meant for slices, would choose the next finding
  return h(
    "label",
    { class: `choice ${kind}`, title, css: { "--colour": rgb(colourOf(read.room, finding)) }, onClick: goOn },
    h("input", {
      type: "radio",
      name: "finding",
      checked: read.state.finding === finding,
      data: { focus },
      onChange: () => read.pick(finding),
    }),
    h("span", { class: "swatch" }),
    h("span", { class: "name" }, name),
    kbd && h("kbd", {}, kbd),
  );
}

/**
 * What this reader has outlined here without a finding: it may be taken back, or be where a finding begins.
 * @param {Read} read
 */
function ownRegion(read) {
  const { room, state } = read;
  const region = state.image?.own_region;
  if (!region || !room.regions) return null;
  return h(
    "div",
    { class: "own-region quiet small" },
    h("span", { role: "status" }, `You outlined a region here (${counted(region.roi_voxels ?? 0, room)}).`),
    h(
      "span",
      {},
      startButton(read, "begin-with-region", mayBeginWith(state)),
      h("button", { class: "plain small", data: { focus: "withdraw-region" }, onClick: () => read.happens({ type: "withdraw-region" }) }, "Withdraw"),
    ),
  );
}

/**
 * What others have outlined here without a finding, where the task shows it to be corrected.
 * @param {Read} read
 */
function shownRegion(read) {
  const { state } = read;
  const shown = state.image?.shown_region;
  if (!shown) return null;
  return h(
    "div",
    { class: "own-region shown-region quiet small" },
    h("span", { role: "status" }, shown.drawers.map(drawnBy).join(" ")),
    " ",
    startButton(read, "begin-with-shown", mayBeginWithShown(state)),
  );
}

/**
 * @param {Read} read
 * @param {"begin-with-region" | "begin-with-shown"} type
 * @param {boolean} may
 */
const startButton = (read, type, may) =>
  h(
    "button",
    { class: "plain small", title: "Go on from that outline", data: { focus: type }, disabled: !may, onClick: () => read.beginWithRegion(type) },
    "Start from it",
  );

/** @param {Read} read */
function sendingPart(read) {
  const waits = "Kept here. It is sent as soon as the server is back.";
  return [heading(read), h("p", { class: "busy" }, live.connected === false ? waits : "Handing in …"), nextButton(read, "Next image")];
}

/** @param {Read} read */
function whyPart(read) {
  const { image, receipt } = read.state;
  return [
    heading(read),
    receipt && h("p", { class: "receipt", role: "status", tabindex: -1 }, receiptOf(receipt, read.why.said !== null)),
    read.why.part(),
    h(
      "div",
      { class: "column" },
      nextButton(read, "Next image"),
      h(
        "button",
        { data: { focus: "again" }, onClick: () => read.happens({ type: "again" }) },
        sure(image).own ? "Draw again" : "Outline it myself",
        h("kbd", {}, "R"),
      ),
    ),
    unfinishedPart(read),
  ];
}

/**
 * That it has arrived; what the model had thought stands below, if there was a model.
 * @param {Reply.Receipt} receipt
 * @param {boolean} explained
 */
function receiptOf(receipt, explained) {
  const arrived = `Handed in as ${receipt.finding}${receipt.revision > 1 ? `, revision ${receipt.revision}` : ""}.`;
  if (!explained) return `${arrived} ${receipt.message}`;
  const drawers = receipt.shown.map(({ reader }) => reader ?? "the archive");
  return drawers.length ? `${arrived} You were shown what was outlined by ${drawers.join(" and ")}.` : arrived;
}
