/** One reader's drafts while they change: of each image only the latest waits to be written, and what is dropped stays so. */

import { toast } from "./dom.js";
import { draftOf, draftsOf, dropDraft, Elsewhere, keepDraft, knowDraft } from "./keep.js";

export class Drafts {
  /** @param {Reply.Room} room */
  constructor({ pool, task, reader }) {
    /** @type {[pool: string, task: string, reader: string]} */
    this.of = [pool, task, reader];
    /** @type {Map<string, Page.Draft>} */
    this.unsaved = new Map();
    /**
     * Images of which it was said that another tab has outlined them.
     * @type {Set<string>}
     */
    this.elsewhere = new Set();
    /** @type {Promise<void> | null} */
    this.saving = null;
  }

  /** @param {string} image */
  async get(image) {
    await this.saving;
    return draftOf(...this.of, image);
  }

  /** The latest first. */
  async all() {
    await this.saving;
    return draftsOf(...this.of);
  }

  /** @param {Page.Draft} draft */
  keep(draft) {
    this.unsaved.set(draft.image, draft);
    this.saving ??= this.#save();
  }

  async #save() {
    while (this.unsaved.size) {
      const [[image, draft]] = this.unsaved;
      this.unsaved.delete(image);
      await keepDraft(draft).catch((error) => this.#tell(image, error));
    }
    this.saving = null;
  }

  /**
   * What could not be kept; of another tab once, as it concerns every stroke from then on.
   * @param {string} image
   * @param {Error} error
   */
  #tell(image, error) {
    if (!(error instanceof Elsewhere)) {
      toast(`This browser cannot keep your outline (${error.message}): hand it in before you leave the page.`, "bad");
      return;
    }
    if (this.elsewhere.has(image)) return;
    this.elsewhere.add(image);
    toast(
      `${image} was outlined in another tab meanwhile, and that outline is kept. Hand in what you draw here, or reload the page to go on with that one.`,
      "bad",
    );
  }

  /**
   * From now on nothing of this image is written, that could come after what is done next.
   * @param {string} image
   */
  async stop(image) {
    this.unsaved.delete(image);
    await this.saving;
  }

  /**
   * @param {string} image
   * @param {number} [changed] of a draft that was listed and not opened here: when that was
   */
  async drop(image, changed) {
    await this.stop(image);
    if (changed !== undefined) knowDraft(changed, ...this.of, image);
    await dropDraft(...this.of, image);
  }
}
