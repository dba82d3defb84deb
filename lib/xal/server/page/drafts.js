/** One reader's drafts while they change: of each image only the latest waits to be written, and what is dropped stays so. */

import { toast } from "./dom.js";
import { draftOf, draftsOf, dropDraft, keepDraft } from "./keep.js";

export class Drafts {
  constructor({ pool, task, reader }) {
    this.of = [pool, task, reader];
    this.unsaved = new Map();
    this.saving = null;
  }

  async get(image) {
    await this.saving;
    return draftOf(...this.of, image);
  }

  /** The latest first. */
  async all() {
    await this.saving;
    return draftsOf(...this.of);
  }

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

  /** From now on nothing of this image is written, that could come after what is done next. */
  async stop(image) {
    this.unsaved.delete(image);
    await this.saving;
  }

  async drop(image) {
    await this.stop(image);
    await dropDraft(...this.of, image);
  }
}
