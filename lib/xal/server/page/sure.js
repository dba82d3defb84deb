/** Values that may be missing, where they cannot be. */

/**
 * The value, which is there by now; if it is not, better an error here than nonsense later.
 * @template T
 * @param {T | null | undefined} value
 * @returns {T}
 */
export function sure(value) {
  if (value === null || value === undefined) throw new Error("something is missing that must be here by now");
  return value;
}
