/** Whose an image is, for a while: taken, kept for longer, given back. */

import { Failure, idPath, post } from "./api.js";

/** @param {string} image */
const lease = async (image) => (await post(`${idPath(image)}/lease`)).until;

/**
 * Take the image, until when; who has begun may go on although somebody else has it by now: both will count.
 * @param {string} image
 * @param {boolean} begun
 */
export async function take(image, begun) {
  try {
    return await lease(image);
  } catch (error) {
    if (error instanceof Failure && error.status === 409 && begun) return null;
    throw error;
  }
}

/**
 * Who draws keeps the image; until when. Null where somebody else has it by now: what is handed in still counts.
 * @param {string} image
 * @param {number} until when it is kept already
 */
export async function prolong(image, until) {
  try {
    return await lease(image);
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    return error.passing ? until : null;
  }
}

/** @param {string} image */
export const release = (image) => post(`${idPath(image)}/release`).catch(console.warn);
