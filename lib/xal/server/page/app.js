/** The frame: who reads, which view is open, whether the server is there. */

import { Failure, get, speakFor } from "./api.js";
import { fill, h, isTyping, markCurrent, note, saidBy, toast } from "./dom.js";
import { stepsOf } from "./jobs.js";
import { draftsOf, sendAll, waiting, waitingElsewhere } from "./keep.js";
import { listen, live } from "./live.js";
import { Progress } from "./progress.js";
import { Queue } from "./queue.js";
import { Review } from "./review.js";
import { readPath } from "./rows.js";
import { shortcuts } from "./shortcuts.js";
import { sure } from "./sure.js";

/**
 * The views, as the tabs name them.
 * @typedef {{ name: string, title: string, make?: new (room: Reply.Room, root: HTMLElement) => Page.View, reviewers?: boolean }} Wanted
 * @typedef {{ root: HTMLElement, view: Page.View | null, failed: boolean, ready: Promise<void> }} Opened
 * @type {Wanted[]}
 */
const VIEWS = [
  { name: "read", title: "Read" },
  { name: "queue", title: "Queue", make: Queue },
  { name: "progress", title: "Progress", make: Progress },
  { name: "review", title: "Review", make: Review, reviewers: true },
];
const READER = "xal.reader";
const THEME = "xal.theme";
const RETRY_MS = 5000;

/** @param {string} id */
const byId = (id) => sure(document.getElementById(id));
const place = byId("view");
/** @type {Map<string, Opened>} */
const opened = new Map();
const tabsOfMine = new BroadcastChannel("xal");
/** @type {Reply.Room} */
let room;
let turn = 0; // counts visits, so that a view that comes late is not entered for an earlier one

start();

async function start() {
  setTheme(localStorage.getItem(THEME) ?? "dark");
  byId("theme").addEventListener("click", () => setTheme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
  byId("reader").addEventListener("click", askName);
  sure(document.querySelector(".skip")).addEventListener("click", skip);
  byId("help").addEventListener("click", showShortcuts);
  document.addEventListener("keydown", (event) => event.key === "?" && !isTyping(event) && showShortcuts());
  const name = localStorage.getItem(READER);
  if (!name) return askName();
  await enter(name);
}

/**
 * Go in as this reader.
 * @param {string} name
 */
async function enter(name) {
  speakFor(name);
  try {
    room = await get("/room");
  } catch (error) {
    fill(place, note(saidBy(error), "bad"), h("button", { onClick: () => enter(name) }, "Try again"));
    return;
  }
  document.title = `${room.title} · xal`;
  byId("title").textContent = room.title;
  fill(byId("reader"), h("span", { class: "quiet" }, room.reviewer ? "reviewer " : "reader "), room.reader);
  listen();
  fill(
    byId("tabs"),
    tabs().map(({ name: view, title }) => h("a", { href: `#/${view}`, data: { view } }, title, h("span", { class: "count", data: { count: view } }))),
  );
  live.addEventListener("state", showState);
  live.addEventListener("connection", showConnection);
  window.addEventListener("hashchange", show);
  tabsOfMine.addEventListener("message", ({ data }) => heardOf(data));
  setInterval(deliver, RETRY_MS);
  deliver();
  tellOfOthers();
  place.replaceChildren();
  await show();
}

/** The view that the address names. */
async function show() {
  const visit = ++turn;
  const { wanted } = asked();
  for (const link of byId("tabs").querySelectorAll("a")) markCurrent(link, link.dataset.view === wanted.name, "page");
  showState();
  for (const [name, { root, failed }] of opened) {
    if (!failed) continue;
    root.remove();
    opened.delete(name);
  }
  if (!opened.has(wanted.name)) opened.set(wanted.name, open(wanted));
  const shown = sure(opened.get(wanted.name));
  for (const other of opened.values()) {
    if (other !== shown && !other.root.hidden) other.view?.leave?.();
    other.root.hidden = other !== shown;
  }
  await shown.ready;
  const now = asked();
  if (visit === turn && now.wanted === wanted) await shown.view?.enter?.(now.rest.map(decoded).join("/") || null, now.options);
}

/**
 * What cannot be decoded is what somebody typed, and no name of anything.
 * @param {string} part
 */
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** The view that the address names, and what else it says. */
function asked() {
  const [path, options] = location.hash.split("?");
  const [, name = "read", ...rest] = path.split("/");
  return { wanted: tabs().find((view) => view.name === name) ?? tabs()[0], rest, options: new URLSearchParams(options) };
}

const tabs = () => VIEWS.filter((view) => !view.reviewers || room.reviewer);

/**
 * A view and its place; the view is there once it is `ready`, unless it `failed`: then the place says why.
 * @param {Wanted} wanted
 * @returns {Opened}
 */
function open(wanted) {
  const section = () => h("section", { class: `view ${wanted.name}`, "aria-label": wanted.title });
  /** @type {Opened} */
  const entry = { root: section(), view: null, failed: false, ready: Promise.resolve() };
  place.append(entry.root);
  entry.ready = make(wanted, entry.root).then(
    (view) => {
      entry.view = view;
    },
    (error) => {
      if (!(error instanceof Failure)) console.error(error);
      const broken = entry.root;
      entry.failed = true;
      entry.root = fill(section(), note(error.message, "bad"), h("button", { onClick: show }, "Try again"));
      entry.root.hidden = broken.hidden;
      broken.replaceWith(entry.root);
      broken.hidden = true; // what it listens to looks at that
    },
  );
  return entry;
}

/**
 * @param {Wanted} view
 * @param {HTMLElement} root
 * @returns {Promise<Page.View>}
 */
async function make(view, root) {
  if (view.make) return new view.make(room, root);
  if (!hasWebGL2())
    throw new Failure("This browser cannot draw images: WebGL 2 is missing or switched off. Switch on hardware acceleration, or use another browser.", 0);
  const { Read } = await import("./read.js").catch(explainMissing);
  return Read.open(room, root);
}

function hasWebGL2() {
  const context = document.createElement("canvas").getContext("webgl2");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return context !== null;
}

/**
 * Why the viewer could not be loaded.
 * @param {unknown} error
 * @returns {Promise<never>}
 */
async function explainMissing(error) {
  const response = await fetch(new URL("./vendor/niivue.js", import.meta.url), { method: "HEAD" }).catch(() => null);
  if (response === null) throw new Failure("The server cannot be reached. Reload once it is back.", 0);
  if (response.status === 404) throw new Failure("The viewer is not installed on this server: run `make page` there, then reload.", 404);
  throw error;
}

// what waits to be sent

async function deliver() {
  if ((await waiting(room.pool, room.task)).length) await sendAll(room.pool, room.task, delivered);
  await countWaiting();
}
window.addEventListener("xal-entrusted", deliver);
window.addEventListener("xal-told", countWaiting);

/** What is not sent from here, once when the page is opened. */
async function tellOfOthers() {
  const others = await waitingElsewhere(room.pool, room.task);
  if (!others.length) return;
  const names = [...new Set(others.map(({ task, image }) => `${image} (${task})`))].slice(0, 5).join(", ");
  toast(`${counted(others.length, "label")} kept here for another task or other images: ${names}. Sent once that is served here again.`, "bad");
}

/**
 * What became of a label that this tab has sent.
 * @param {Page.Delivery} result
 */
function delivered(result) {
  const { file, ...entry } = result.entry;
  tabsOfMine.postMessage({ ...result, entry });
  tell(result);
}

/**
 * Another tab has sent a label, perhaps one of this tab's; nobody may be looking at that tab.
 * @param {Page.Delivery} result
 */
function heardOf(result) {
  if (result.entry.pool !== room.pool || result.entry.task !== room.task || result.entry.reader !== room.reader) return countWaiting();
  tell(result);
  countWaiting();
}

/** @param {Page.Delivery} result */
function tell(result) {
  if (result.refused) toast(`${result.entry.image}: ${result.refused}`, "bad");
  window.dispatchEvent(new CustomEvent("xal-delivered", { detail: result }));
}

async function countWaiting() {
  const { pool, task, reader } = room;
  const [labels, drafts] = await Promise.all([waiting(pool, task), draftsOf(pool, task, reader)]);
  showBanner(
    labels.length,
    drafts.filter((draft) => draft.untold),
  );
}

/**
 * What is on its way; and what was refused, until it has been looked at.
 * @param {number} count
 * @param {Page.Draft[]} refused
 */
function showBanner(count, refused) {
  const said = [other === null ? sayWaiting(count) : sayOther(), refused.length > 0 && sayRefused(refused), troubles].filter(Boolean);
  const text = /** @type {any[]} */ (said)
    .flat(Infinity)
    .map((part) => part.textContent ?? part)
    .join("");
  const banner = byId("banner");
  banner.hidden = said.length === 0;
  if (banner.textContent !== text) fill(banner, said); // an alert is read out whenever it is filled, and has links that may be focused
}

/** @param {Page.Draft[]} refused */
const sayRefused = (refused) => [
  `${refused.length === 1 ? "1 label was" : `${refused.length} labels were`} refused: `,
  refused.map(({ image }) => [h("a", { href: readPath(image) }, image), " "]),
];

const sayOther = () => [
  `The server has another task or other images now: ${other}. What you have drawn and handed in here is kept. `,
  h("button", { class: "plain", onClick: () => location.reload() }, "Reload the page"),
];

/** @param {number} count */
function sayWaiting(count) {
  if (live.connected !== false && count === 0) return null;
  const kept = `${counted(count, "label")} kept here and will be sent`;
  if (live.connected !== false) return `Sending … ${kept} as soon as the server takes it. `;
  return `The server cannot be reached. What you draw is kept in this browser${count ? `; ${kept} when it is back` : ""}. `;
}

/**
 * @param {number} count
 * @param {string} what
 */
const counted = (count, what) => (count === 1 ? `1 ${what} is` : `${count} ${what}s are`);

/** @type {string | null} */
let other = null; // what the server has now, if it was started anew with another task or other images

async function showConnection() {
  byId("live").classList.toggle("lost", live.connected === false);
  const now = live.connected ? await get("/room").catch(() => null) : null;
  if (now) other = now.pool === room.pool && now.task === room.task ? null : now.title;
  await (live.connected ? deliver() : countWaiting());
}

// what goes on

let troubles = ""; // what the server's disk is short of, or has lost

/** @param {Reply.State} state */
const troublesOf = ({ space_problem: space, damaged_labels: damaged }) =>
  [space && `${space}. `, damaged > 0 && `${counted(damaged, "label file")} damaged on the server: whoever looks after it finds them by “xal problems”. `]
    .filter(Boolean)
    .join("");

function showState() {
  const { state } = live;
  if (!state) return;
  if (troubles !== troublesOf(state)) {
    troubles = troublesOf(state);
    countWaiting();
  }
  const running = state.jobs.find((job) => job.state === "running");
  const away = state.archive?.problem;
  const text = away ?? (running ? describeJob(running) : state.model_version ? `model v${state.model_version}` : "no model yet");
  fill(byId("live"), h("span", { class: away ? "dot bad" : running ? "dot busy" : "dot" }), text);
  for (const [name, count] of [
    ["queue", state.open],
    ["review", state.review + (state.doubts ?? 0)],
  ]) {
    const badge = document.querySelector(`[data-count=${name}]`);
    if (badge) badge.textContent = count ? String(count) : "";
  }
}

/** @param {Reply.Job} job */
function describeJob(job) {
  const { done, total } = stepsOf(job);
  return `${job.kind === "train" ? "training" : "scoring"}${total ? ` ${Math.round((100 * done) / total)} %` : ""}`;
}

// who reads

function askName() {
  const known = localStorage.getItem(READER) ?? "";
  const field = h("input", {
    id: "name",
    type: "text",
    required: true,
    maxlength: 128,
    value: known,
    autocomplete: "username",
    spellcheck: "false",
    placeholder: "e.g. dr_smith",
  });
  /** @param {Event} event */
  const go = (event) => {
    event.preventDefault();
    const name = field.value.trim();
    if (!name) return;
    localStorage.setItem(READER, name);
    location.reload();
  };
  const dialog = h(
    "dialog",
    { class: "ask", "aria-labelledby": "who", onClose: () => dialog.remove() },
    h(
      "form",
      { onSubmit: go },
      h("h2", { id: "who" }, "Who reads?"),
      h("p", { class: "quiet" }, "Your name decides which images are yours, and stands beside what you hand in. Use the same one in 3D Slicer."),
      h("label", { for: "name" }, "Name"),
      field,
      h(
        "div",
        { class: "row end" },
        known && h("button", { type: "button", onClick: () => dialog.close() }, "Cancel"),
        h("button", { class: "primary", type: "submit" }, "Start"),
      ),
    ),
  );
  if (!known) dialog.addEventListener("cancel", (event) => event.preventDefault());
  if (!known) {
    fill(byId("reader"), "Who reads?");
    fill(place, note("Say who reads to begin."));
  }
  document.body.append(dialog);
  dialog.showModal();
  field.select();
}

// theme, help, the way to the content

/**
 * To the content; the address stays, because it names the view.
 * @param {Event} event
 */
function skip(event) {
  event.preventDefault();
  place.focus();
}

/** @param {string} theme */
function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(THEME, theme);
  byId("theme").textContent = theme === "dark" ? "☀" : "☾";
  byId("theme").title = theme === "dark" ? "Light" : "Dark";
  window.dispatchEvent(new Event("xal-theme"));
}

function showShortcuts() {
  const dialog = h(
    "dialog",
    { class: "ask", "aria-labelledby": "keys", onClose: () => dialog.remove() },
    h("h2", { id: "keys" }, "Keyboard"),
    h(
      "dl",
      { class: "keys" },
      shortcuts(room ?? { regions: true, outline_share: 1 }).map(([keys, what]) => [
        h(
          "dt",
          {},
          keys.map((key) => h("kbd", {}, key)),
        ),
        h("dd", {}, what),
      ]),
    ),
    h("form", { method: "dialog", class: "row end" }, h("button", { class: "primary" }, "Close")),
  );
  document.body.append(dialog);
  dialog.showModal();
}
