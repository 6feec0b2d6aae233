/** Which part of a collection an application asks for: equal ones have the same text, and the same name. */

import { SharedStateError } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";

/** @typedef {string | number | boolean | null} Scalar */

/**
 * All that is there must hold: equal to a scalar; a list that `has` it; a string with that `prefix`; whether the member
 * `exists`. A number is compared with numbers, a string with strings. What cannot be compared does not hold; `ne` is
 * the opposite of `eq`.
 *
 * @typedef {object} Tests
 * @property {Scalar} [eq]
 * @property {Scalar} [ne]
 * @property {number | string} [lt]
 * @property {number | string} [lte]
 * @property {number | string} [gt]
 * @property {number | string} [gte]
 * @property {readonly Scalar[]} [in]
 * @property {Scalar} [has]
 * @property {string} [prefix]
 * @property {boolean} [exists]
 */

/**
 * Tests by the names of members, or JSON Pointers such as "/geo/lat"; a scalar stands for `eq`. All must hold, and those in
 * `and`, one of those in `or`, and not what is in `not`.
 *
 * @typedef {{readonly and?: readonly Where[], readonly or?: readonly Where[], readonly not?: Where,
 *   readonly [member: string]: Scalar | Tests | Where | readonly Where[] | undefined}} Where
 */

/**
 * @typedef {object} FilterOptions
 * @property {Where} [where] only items for which this holds
 * @property {number} [last] only so many: the newest, 1 to 1000
 * @property {readonly string[]} [fields] only these members of each item, and `id`
 */

/**
 * @param {FilterOptions} [options]
 * @returns {[filter: FilterOptions, text: string | undefined]} a copy, and what equal ones have in common; undefined if
 *   it is all of the collection
 * @throws {SharedStateError} `bad_message` if a member is undefined, or a number is none: that would ask for more than is
 *   meant
 */
export function filter_of({ where, last, fields } = {}) {
  const given = Object.entries({ where, last, fields }).filter(([, each]) => each !== undefined);
  const parts = given.map(([name, each]) => [name, JSON.parse(canonical(name, each))]);
  const filter = Object.fromEntries(parts);
  return [filter, given.length ? canonical("", filter) : undefined];
}

/**
 * @param {string} place of the value, for messages
 * @param {any} value
 * @returns {string} the JSON text that equal values have: names of members in order
 */
function canonical(place, value) {
  if (Array.isArray(value))
    return `[${value.map((each, n) => canonical(`${place}[${n}]`, each)).join()}]`;
  if (is_object(value) && !value.toJSON) {
    const names = Object.keys(value).sort();
    const member = (/** @type {string} */ name) =>
      `${JSON.stringify(name)}:${canonical(`${place}.${name}`, value[name])}`;
    return `{${names.map(member).join()}}`;
  }
  const text = JSON.stringify(value);
  if (text === undefined || (text === "null" && value !== null))
    throw new SharedStateError("bad_message", `${place}: expected JSON, found ${value}`);
  return text;
}

/**
 * The name of a subscription: all pages of an application use the same ones, so that the server has less to do.
 *
 * @param {string | undefined} text of `filter_of`
 * @returns {string | undefined} FNV-1a of its UTF-8, 32 bits, in base 36
 */
export function view_of(text) {
  if (text === undefined) return undefined;
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(36);
}
