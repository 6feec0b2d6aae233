/** The only source of randomness. */

/**
 * Return a new id for an item: a random UUID (version 4).
 *
 * @returns {string}
 */
export function random_id() {
  // `crypto.randomUUID` exists only in secure pages; those served over plain http need ids too.
  const bytes = crypto.getRandomValues(new Uint8Array(36));
  // Each 0 is replaced at random; the 8 keeps its upper two bits, 10.
  return "00000000-0000-4000-8000-000000000000".replace(/[08]/g, (digit, place) =>
    (digit === "8" ? 8 | (bytes[place] & 3) : bytes[place] & 15).toString(16),
  );
}

/** In milliseconds. */
export const LONGEST_PAUSE = 20_000;

/**
 * Return the pause before the next attempt to connect: evenly distributed between 0 and a bound that doubles with
 * each failure ("full jitter"), so that the clients of a restarted server do not all come back at once.
 *
 * @param {number} failures attempts in a row that failed
 * @returns {number} milliseconds
 */
export function backoff(failures) {
  return jitter(Math.min(LONGEST_PAUSE, 250 * 2 ** failures));
}

/**
 * @param {number} bound
 * @returns {number} evenly distributed between 0 and the bound
 */
export function jitter(bound) {
  return Math.random() * bound;
}
