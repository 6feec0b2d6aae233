/** The only source of randomness. */

/**
 * Return a new id for an item: a random UUID (version 4).
 *
 * @returns {string}
 */
export function random_id() {
  // Browsers offer randomUUID to secure pages only; one that is served over plain http needs ids too.
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/**
 * Return a pause before the next attempt to connect: evenly spread between nothing and a bound that
 * doubles with each failure ("full jitter"), so that the clients of a restarted server do not all come at
 * once.
 *
 * @param {number} failures attempts in a row that failed
 * @returns {number} milliseconds
 */
export function backoff(failures) {
  return jitter(Math.min(20_000, 250 * 2 ** failures));
}

/**
 * @param {number} bound
 * @returns {number} evenly spread between nothing and the bound
 */
export function jitter(bound) {
  return Math.random() * bound;
}
