/**
 * What a server takes from one client, as it has said: what exceeds that is refused before it is sent. It is the server
 * that decides in the end: what is let pass costs no more than its refusal, except for a message that is too long.
 */

import { SharedStateError, bad_update } from "./errors.js";

/**
 * The server's `limits`; one that it has not named is not there.
 *
 * @typedef {object} Bounds
 * @property {number} [message_bytes] of a message
 * @property {number} [items] ids that an update names, and those of a condition
 * @property {number} [id_bytes] of an id
 * @property {number} [depth] levels of nesting in an item
 * @property {number} [subscriptions] of a connection
 * @property {number} [unanswered] requests of a connection
 */

/**
 * @param {any} arg
 * @param {string} text the whole message
 * @param {Bounds} bounds
 * @returns {SharedStateError | undefined} why the server would refuse it
 */
export function fault_of(arg, text, bounds) {
  const { message_bytes, items = Infinity, id_bytes, depth = Infinity } = bounds;
  const [insert, remove, ids] = [arg?.insert, arg?.remove, arg?.if?.ids].map(list);
  if (insert.length + remove.length > items || ids.length > items)
    return new SharedStateError("too_many", `more than ${items} ids`);
  const long = `longer than ${id_bytes} bytes of UTF-8`;
  // A short text cannot nest deep.
  const may_nest = text.length > 2 * depth;
  for (const [n, item] of insert.entries()) {
    if (is_long(item?.id, id_bytes)) return bad_update(`insert[${n}].id`, long);
    if (may_nest && nests_deeper(item, depth))
      return bad_update(`insert[${n}]`, `nested more than ${depth} levels deep`);
  }
  for (const [n, id] of remove.entries())
    if (is_long(id, id_bytes)) return bad_update(`remove[${n}]`, long);
  return is_long(text, message_bytes)
    ? new SharedStateError("too_large", `the message has more than ${message_bytes} bytes`)
    : undefined;
}

/**
 * @param {unknown} text
 * @param {number} [most] bytes of UTF-8
 * @returns {boolean} whether it has more; a short text is not counted
 */
const is_long = (text, most = Infinity) =>
  typeof text === "string" && text.length * 3 > most && new Blob([text]).size > most;

/** @param {any} value @returns {any[]} */
const list = (value) => (Array.isArray(value) ? value : []);

/**
 * @param {any} value
 * @param {number} levels
 * @returns {boolean}
 */
const nests_deeper = (value, levels) =>
  typeof value === "object" &&
  value !== null &&
  (levels === 0 || Object.values(value).some((each) => nests_deeper(each, levels - 1)));
