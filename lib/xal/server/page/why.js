/** Why an image was chosen, and what the model had made of it: for who has handed it in, and for reviewers. */

import { bytes, Failure, get, idPath } from "./api.js";
import { colourOf, h, note, rgb, share, toast } from "./dom.js";
import { inWords, REGION, saidIn } from "./findings.js";
import { GRADIENT } from "./heat.js";
import { comingFrom } from "./origins.js";

/** @type {Record<string, string>} */
const SOURCES = { drawn: "outlined by a reader", proposed: "proposed by the model", none: "no ROI to compare with" };

/** @param {Reply.Thought} said */
const sourceOf = ({ roi_source: source, roi_origin: origins }) => (origins?.length ? comingFrom(origins) : (SOURCES[source] ?? source));

export class Why {
  /**
   * @param {import("./viewer.js").Viewer} viewer
   * @param {Reply.Room} room
   */
  constructor(viewer, room) {
    this.viewer = viewer;
    this.room = room;
    this.opacity = 0.6;
    this.on = true;
    /**
     * What the model had thought, once that is known.
     * @type {Reply.Thought | null}
     */
    this.said = null;
    /** @type {Reply.Said[]} */
    this.standing = [];
    this.missing = ""; // why something is not shown
    this.heat = false;
    /**
     * The annotation whose outline is shown.
     * @type {number | null}
     */
    this.chosen = null;
    /** @type {Page.Here} */
    this.here = () => false;
  }

  /**
   * Fetch and show what there is to know about an image, as long as it is `here`.
   * @param {Reply.ImageView} image
   * @param {Page.Here} here
   */
  async show(image, here) {
    const annotations = await this.#learn(image, here);
    if (!here()) return;
    this.standing = annotations.filter((annotation) => annotation.active);
    const shown = mainOf(this.standing);
    try {
      if (shown) await this.outline(shown, here);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (here()) this.missing = error.message;
    }
    if (here()) this.viewer.goToOutline();
  }

  /**
   * The same without anybody's outline, for who is drawing one and does not read blind.
   * @param {Reply.ImageView} image
   * @param {Page.Here} here
   */
  async beside(image, here) {
    await this.#learn(image, here);
  }

  /**
   * @param {Reply.ImageView} image
   * @param {Page.Here} here
   * @returns {Promise<Reply.Said[]>}
   */
  async #learn(image, here) {
    this.here = here;
    this.said = null;
    this.standing = [];
    this.missing = "";
    this.heat = false;
    try {
      const { thought, annotations } = await get(`${idPath(image.id)}/why`);
      if (!here()) return [];
      this.said = thought;
      if (!thought) this.missing = "No model had read this image, so there is nothing to show beside the outline.";
      else if (thought.attention_version) await this.#attention(image, here);
      return annotations;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (here()) this.missing = error.message;
      return [];
    }
  }

  /**
   * @param {Reply.ImageView} image
   * @param {Page.Here} here
   */
  async #attention(image, here) {
    try {
      const file = await bytes(`${idPath(image.id)}/attention.nii.gz`);
      if (!here()) return;
      this.heat = true;
      await this.viewer.showHeat(file, this.on ? this.opacity : 0, here);
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      if (here()) this.missing = error.message;
    }
  }

  /**
   * Show the outline of one annotation as long as it is `here` and no other was chosen.
   * @param {Reply.AnnotationReply} annotation
   * @param {Page.Here} here
   * @returns {Promise<boolean>} whether it is shown
   */
  async outline(annotation, here) {
    const { id, roi_voxels: voxels } = annotation;
    this.chosen = id;
    const wanted = () => here() && this.chosen === id;
    const file = voxels ? await bytes(`/annotations/${id}/mask.nii.gz`) : null;
    if (!wanted()) return false;
    this.viewer.setColour(colourOf(this.room, saidIn(annotation)));
    if (file) await this.viewer.load(file, wanted);
    else this.viewer.empty();
    return wanted();
  }

  /**
   * Show what others outlined without a finding, as long as it is `here`.
   * @param {string} image
   * @param {Page.Here} here
   */
  async shownRegion(image, here) {
    this.chosen = null;
    const file = await bytes(`${idPath(image)}/region.nii.gz`);
    if (!here()) return;
    this.viewer.setColour(colourOf(this.room, REGION));
    await this.viewer.load(file, here);
  }

  toggle() {
    this.on = !this.on;
    this.viewer.setHeatOpacity(this.on ? this.opacity : 0);
  }

  /** For the panel. */
  part() {
    const { said } = this;
    if (!said && !this.missing) return h("p", { class: "busy" }, "Looking up what the model had thought …");
    return [
      said && h("p", { class: "sentence", tabindex: -1 }, said.sentence),
      this.missing && note(this.missing),
      this.heat && this.#bar(),
      said && [this.#probabilities(said), this.#numbers(said)],
      (this.standing.length > 1 || this.standing.some(({ region }) => region)) && this.#readings(),
    ];
  }

  #bar() {
    const slider = h("input", {
      type: "range",
      min: 0,
      max: 1,
      step: 0.05,
      value: this.opacity,
      "aria-label": "Opacity of the attention",
      data: { focus: "opacity" },
      onInput: () => this.#fade(Number(slider.value)),
    });
    return h(
      "div",
      { class: "heat" },
      h("label", { class: "row" }, h("span", {}, "Attention"), slider),
      h("div", { class: "scale", css: { "background-image": GRADIENT }, role: "img", "aria-label": "Colours from little to much attention" }),
      h("div", { class: "row ends" }, h("span", {}, "0"), h("span", {}, "little"), h("span", {}, "much"), h("span", {}, "1")),
    );
  }

  /** @param {number} opacity */
  #fade(opacity) {
    this.opacity = opacity;
    this.on = true;
    this.viewer.setHeatOpacity(opacity);
  }

  /** @param {Reply.Thought} said */
  #probabilities(said) {
    return h(
      "dl",
      { class: "bars", "aria-label": "Probabilities" },
      Object.entries(said.probabilities).map(([name, probability]) => [
        h("dt", { class: name === said.finding ? "predicted" : "" }, name),
        h(
          "dd",
          {},
          h("span", { class: "fill", css: { "--share": probability, "--colour": rgb(colourOf(this.room, name)) } }),
          h("span", { class: "figure" }, share(probability)),
        ),
      ]),
    );
  }

  /** @param {Reply.Thought} said */
  #numbers(said) {
    const rows = [
      ["Uncertainty", share(said.uncertainty), "entropy of the probabilities, 0 to 1"],
      ["Misalignment", share(said.misalignment), `against the ROI: ${sourceOf(said)}`],
      ["Overlap", share(said.overlap), "Dice of attention and outline, 0 to 1"],
      ["ROI", sourceOf(said), said.roi_confidence === null ? "" : `confidence of the proposal ${share(said.roi_confidence)}`],
      ["Score", `${share(said.score)} at α ${share(said.alpha)}`, "α · uncertainty + (1 − α) · misalignment"],
      ["Chosen by", said.chosen_by ?? "", "how Next Sample chose it for its reader"],
      [
        "Model",
        `v${said.model_version}`,
        said.attention_version && said.attention_version !== said.model_version ? `attention shown is v${said.attention_version}'s` : "",
      ],
    ];
    return h(
      "dl",
      { class: "numbers" },
      rows.map(([name, value, meaning]) => [h("dt", { title: meaning }, name), h("dd", { title: meaning }, value)]),
    );
  }

  #readings() {
    return h(
      "fieldset",
      { class: "findings" },
      h("legend", {}, "Outlines"),
      this.standing.map((annotation) =>
        h(
          "label",
          { class: "choice", title: comingFrom([annotation.origin]), css: { "--colour": rgb(colourOf(this.room, saidIn(annotation))) } },
          h("input", {
            type: "radio",
            name: "outline",
            checked: annotation.id === this.chosen,
            data: { focus: `outline-${annotation.id}` },
            onChange: () => this.outline(annotation, this.here).catch((error) => toast(error.message, "bad")),
          }),
          h("span", { class: "swatch" }),
          h("span", { class: "name" }, `${annotation.reader}: ${inWords(saidIn(annotation))}`),
        ),
      ),
    );
  }
}

/**
 * The one whose outline is shown first: one's own before others', and a finding before what names none.
 * @param {Reply.Said[]} annotations
 */
function mainOf(annotations) {
  const findings = annotations.filter(({ region }) => !region);
  const among = findings.length ? findings : annotations;
  return among.find(({ own }) => own) ?? among[0];
}
