/** Building the page: text from data only ever becomes text, never markup. */

import { REGION } from "./findings.js";
import { sure } from "./sure.js";

/**
 * An element. `properties` are attributes, except `on…` (listeners), `class`, `data` (dataset) and booleans.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} properties
 * @param {...Page.Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2).toLowerCase(), value);
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name === "css") for (const [key, entry] of Object.entries(value)) element.style.setProperty(key, entry);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "hidden") Object.assign(element, { [name]: value });
    else element.setAttribute(name, value === true ? "" : value);
  }
  append(element, children);
  return element;
}

/**
 * Replace everything in `parent`.
 * @template {Element} Parent
 * @param {Parent} parent
 * @param {...Page.Child} children
 */
export function fill(parent, ...children) {
  parent.replaceChildren();
  append(parent, children);
  return parent;
}

/**
 * @param {Element} parent
 * @param {readonly Page.Child[]} children
 */
function append(parent, children) {
  for (const child of /** @type {any[]} */ (children).flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    parent.append(child instanceof Node ? child : String(child));
  }
}

/**
 * A share of one as people read it here: two digits, or a dash where it has no meaning.
 * @param {number | null | undefined} value
 */
export const share = (value) => (value === null || value === undefined ? "–" : value.toFixed(2));

/**
 * A length of time in its two largest units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(1, Math.round(seconds));
  const [hours, minutes, left] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  const said = hours ? [`${hours} h`, minutes && `${minutes} min`] : [minutes && `${minutes} min`, left && `${left} s`];
  return said.filter(Boolean).join(" ");
}

/**
 * A point in time, in the reader's own clock.
 * @param {number} seconds
 */
export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
}

/**
 * How long ago, in the largest unit that is not zero.
 * @param {number} seconds
 */
export function ago(seconds) {
  const passed = Math.max(0, Date.now() / 1000 - seconds);
  for (const [length, unit] of /** @type {const} */ ([
    [86400, "d"],
    [3600, "h"],
    [60, "min"],
  ])) {
    if (passed >= length) return `${Math.floor(passed / length)} ${unit} ago`;
  }
  return "just now";
}

/** The colour of a finding: the task's, else one of a set that can be told apart on black. */
const SPARE = [
  [230, 159, 0],
  [86, 180, 233],
  [204, 121, 167],
  [0, 190, 140],
  [240, 228, 66],
  [213, 94, 0],
  [150, 140, 255],
];
const UNNAMED = [206, 214, 222];
/**
 * @param {Reply.Room} room
 * @param {string | null} name
 * @returns {Page.Colour}
 */
export function colourOf(room, name) {
  if (name === REGION) return UNNAMED;
  const position = room.findings.findIndex((finding) => finding.name === name);
  const finding = room.findings[position];
  if (!finding || finding.absent) return [150, 160, 170];
  return finding.color ?? SPARE[position % SPARE.length];
}
/** @param {Page.Colour} colour */
export const rgb = (colour) => `rgb(${colour.join(" ")})`;

/**
 * Which of several links is the one in view; it stays the same element, so that it keeps the focus.
 * @param {Element} link
 * @param {boolean} current
 */
export function markCurrent(link, current, what = "true") {
  if (current) link.setAttribute("aria-current", what);
  else link.removeAttribute("aria-current");
}

/**
 * A line that says what is going on where a list or a picture will be.
 * @param {string} text
 * @param {"quiet" | "bad"} kind
 */
export const note = (text, kind = "quiet") => h("p", { class: `note ${kind}`, role: kind === "bad" ? "alert" : "status" }, text);

/**
 * What an error says of itself.
 * @param {unknown} error
 */
export const saidBy = (error) => (error instanceof Error ? error.message : String(error));

const STAY_MS = { good: 6000, quiet: 6000, bad: 15000 };

/**
 * Tell something in passing, perhaps with a `link`, {text, href}.
 * @param {string} text
 * @param {"good" | "quiet" | "bad"} kind
 * @param {{ text: string, href: string } | null} link
 */
export function toast(text, kind = "quiet", link = null) {
  const place = sure(document.getElementById("toasts"));
  const element = h(
    "div",
    { class: `toast ${kind}`, role: kind === "bad" ? "alert" : "status" },
    h("span", {}, text),
    link && h("a", { href: link.href, onClick: () => element.remove() }, link.text),
    h("button", { class: "plain", "aria-label": "Close", onClick: () => element.remove() }, "×"),
  );
  place.append(element);
  setTimeout(() => element.remove(), link ? STAY_MS.bad : STAY_MS[kind]);
}

const SETTLE_MS = 250;

/**
 * Ask before something that is hard to take back; resolves to the text of `input`, to true, or to null.
 * @template {string | null} [Input=null]
 * @param {{ title: string, text?: string, confirm: string, input?: Input, choices?: string[] | null }} question
 * @returns {Promise<(Input extends string ? string : true) | null>}
 */
export function ask({ title, text, confirm, input, choices = null }) {
  return new Promise((resolve) => {
    const field =
      input && h("input", { type: "text", required: true, maxlength: 500, placeholder: input, "aria-label": input, list: choices ? "ask-choices" : null });
    /** @param {any} answer */
    const done = (answer) => {
      window.removeEventListener("hashchange", leave);
      dialog.close();
      dialog.remove();
      resolve(answer);
    };
    const leave = () => done(null); // what was asked about is no longer in view
    const asked = performance.now();
    /** @param {KeyboardEvent} event */
    const isMeant = (event) => !event.repeat && event.timeStamp - asked > SETTLE_MS; // not the press that has led here, held or doubled
    const dialog = h(
      "dialog",
      {
        class: "ask",
        "aria-label": title,
        onCancel: (/** @type {Event} */ event) => {
          event.preventDefault();
          done(null);
        },
        onKeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && !isMeant(event) && event.preventDefault(),
      },
      h(
        "form",
        {
          onSubmit: (/** @type {Event} */ event) => {
            event.preventDefault();
            done(field ? field.value.trim() || null : true);
          },
        },
        h("h2", {}, title),
        text && h("p", {}, text),
        field,
        choices &&
          h(
            "datalist",
            { id: "ask-choices" },
            choices.map((choice) => h("option", { value: choice })),
          ),
        h(
          "div",
          { class: "row end" },
          h("button", { type: "button", onClick: () => done(null) }, "Cancel"),
          h("button", { type: "submit", class: "primary" }, confirm),
        ),
      ),
    );
    window.addEventListener("hashchange", leave);
    document.body.append(dialog);
    dialog.showModal();
    (field ?? sure(dialog.querySelector("button.primary"))).focus();
  });
}

/**
 * Focus what has this `data-focus`, if anything has.
 * @param {Element} parent
 * @param {string} name
 * @param {FocusOptions} [options]
 */
export function focusOn(parent, name, options) {
  const found = parent.querySelector(`[data-focus="${CSS.escape(name)}"]`);
  if (found instanceof HTMLElement) found.focus(options);
}

/**
 * Whether a key belongs to a field or a dialog and is no shortcut.
 * @param {Event} event
 */
export function isTyping(event) {
  const field = "input:not([type=range]):not([type=radio]):not([type=checkbox]), textarea, select, dialog";
  return !(event.target instanceof Element) || event.target.closest(field) !== null;
}
