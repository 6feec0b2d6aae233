/** Views: parts of a collection, by what a client asks for. A server tells in its session which of it it knows. */

import { SharedStateError } from "./errors.js";

/**
 * What a subscription asks for, as it is sent; all of it is optional.
 *
 * @typedef {object} Filter
 * @property {string} [view] the subscription's name, beside others of the same collection
 * @property {object} [where] only items for which this holds
 * @property {number} [last] only so many: the newest
 * @property {readonly string[]} [fields] only these members, and `id`
 */

/** @typedef {readonly [created: number, place: number]} At where an item stands in the order of its collection */

/** @param {At} a @param {At} b @returns {number} less than 0 if `a` comes first */
export const compare = (a, b) => a[0] - b[0] || a[1] - b[1];

/** Which feature a server needs for each of them. */
const FEATURES = { where: "where", last: "last", fields: "fields", before: "last" };

/**
 * @param {any} asked a filter, or the `arg` of a request
 * @param {readonly unknown[]} known features of a server
 * @returns {boolean} whether it asks for more
 */
const exceeds = (asked, known) =>
  Object.entries(FEATURES).some(
    ([name, feature]) => asked?.[name] !== undefined && !known.includes(feature),
  );

/** @param {any} asked */
export const is_filtered = (asked) => exceeds(asked, []);

/**
 * @param {any} asked
 * @param {readonly unknown[] | undefined} known features of the server; undefined: not known yet
 * @returns {SharedStateError | undefined} why it must not be asked: the server would send whole collections
 */
export const filter_fault = (asked, known) =>
  known && exceeds(asked, known)
    ? new SharedStateError("failed", "the server knows no filters")
    : undefined;

/**
 * What tells subscriptions of one connection apart. (A path has no line feeds.)
 *
 * @param {unknown} path
 * @param {unknown} [view]
 */
export const key_of = (path, view) =>
  /** @type {string} */ (view == null ? path : `${path}\n${view}`);
