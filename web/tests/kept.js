/** Drafts and labels as the tests keep them: each test has a pool of its own, since what is kept outlives it. */

/**
 * @param {string} pool
 * @param {Partial<Page.Draft>} more
 * @returns {Page.Draft}
 */
export const draftFor = (pool, more = {}) => ({
  pool,
  task: "task",
  reader: "reader",
  image: "image",
  finding: "square",
  runs: Uint32Array.of(9),
  changed: 1,
  ...more,
});

/**
 * @param {string} pool
 * @param {Partial<Page.Entry>} more
 * @returns {Page.Entry}
 */
export const labelFor = (pool, more = {}) => ({
  ...draftFor(pool),
  draft: draftFor(pool),
  submission: pool,
  params: {},
  file: Uint8Array.of(1),
  made: 1,
  ...more,
});
