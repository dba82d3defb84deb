/** One reader's drafts while they change: of each image only the latest waits to be written, and what is dropped stays so. */

import { toast } from "./dom.js";
import { draftOf, draftsOf, dropDraft, keepDraft } from "./keep.js";

export class Drafts {
  /** @param {Reply.Room} room */
  constructor({ pool, task, reader }) {
    /** @type {[pool: string, task: string, reader: string]} */
    this.of = [pool, task, reader];
    /** @type {Map<string, Page.Draft>} */
    this.unsaved = new Map();
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
      await keepDraft(draft).catch((error) => toast(`This browser cannot keep your outline (${error.message}): hand it in before you leave the page.`, "bad"));
    }
    this.saving = null;
  }

  /**
   * From now on nothing of this image is written, that could come after what is done next.
   * @param {string} image
   */
  async stop(image) {
    this.unsaved.delete(image);
    await this.saving;
  }

  /** @param {string} image */
  async drop(image) {
    await this.stop(image);
    await dropDraft(...this.of, image);
  }
}
