/**
 * What a server takes from one client, as it has said: what exceeds that waits, or is refused before it is sent. What is
 * not here costs no more than a refusal: there the server decides.
 */

import { SharedStateError } from "./errors.js";
import { members } from "./messages.js";

/**
 * Some of the server's `limits`; one that it has not named is not there.
 *
 * @typedef {object} Bounds
 * @property {number} [message_bytes] of a message: a longer one would cost the connection
 * @property {number} [subscriptions] of a connection
 * @property {number} [unanswered] requests of a connection
 */

/**
 * @param {unknown} limits as a server has said; what is not a whole number from 1 is as if it were absent
 * @returns {Bounds}
 */
export const bounds_of = (limits) =>
  Object.fromEntries(
    Object.entries(members(limits)).filter(([, most]) => Number.isInteger(most) && most > 0),
  );

/**
 * @param {string} text
 * @param {Bounds} bounds
 * @returns {SharedStateError | undefined} why a server would close the connection over this message
 */
export function message_fault(text, { message_bytes = Infinity }) {
  // A short text is not counted.
  if (text.length * 3 <= message_bytes || new Blob([text]).size <= message_bytes) return undefined;
  return new SharedStateError("too_large", `the message has more than ${message_bytes} bytes`);
}
