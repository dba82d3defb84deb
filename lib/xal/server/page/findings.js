/**
 * What can be said of an image: one of the task's findings or, where the task takes that, a region: an outline of what is
 * to be seen, without naming it.
 */

/** What stands for the finding of a region, in drafts and label files as on the server; no finding may have this name. */
export const REGION = "region";

/** @typedef {Pick<Reply.Room, "findings" | "regions">} Choices what a room offers */

/**
 * The findings that have an outline.
 * @param {Pick<Choices, "findings">} room
 */
export const roisOf = ({ findings }) => findings.filter((finding) => !finding.absent).map((finding) => finding.name);

/**
 * What can be painted: the first of these has the value 1 in a label file, and so on.
 * @param {Choices} room
 */
export const segmentsOf = (room) => [...roisOf(room), ...(room.regions ? [REGION] : [])];

/**
 * Whether an annotation can say this.
 * @param {Choices} room
 * @param {string | null} name
 */
export const isOffered = ({ findings, regions }, name) => (name === REGION ? regions : findings.some((finding) => finding.name === name));

/**
 * What an annotation says; null for who reads it blind.
 * @param {{ finding: string | null, region: boolean }} annotation
 */
export const saidIn = ({ finding, region }) => (region ? REGION : finding);

/**
 * The same as people read it.
 * @template {string | null} Name
 * @param {Name} name
 */
export const inWords = (name) => (name === REGION ? "region only" : name);
