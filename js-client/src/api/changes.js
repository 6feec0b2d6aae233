import { bad_update } from "../protocol/errors.js";
import { random_id } from "../util/random.js";

/** @import { Item } from "../protocol/replica.js" */

/**
 * A change of a collection, applied by the server in one step: with `reset` every item is removed, otherwise the
 * ids of `remove`; then the items of `insert` are set, in order. All members are optional. A plain object without
 * `id` gets a random one.
 *
 * @template {{id: string}} [T=Item]
 * @typedef {object} Changes
 * @property {readonly string[]} [remove] ids
 * @property {readonly New<T>[]} [insert] items; each replaces the one with the same id
 * @property {boolean} [reset] default false
 * @property {Cursor & {ids?: readonly string[]}} [if] apply only if these ids (default: the whole collection) have
 *   not changed after that version; otherwise the error is `conflict`
 */

/**
 * An item, with or without its id; distributes over unions.
 *
 * @template {{id: string}} T
 * @typedef {T extends unknown ? T | (Omit<T, "id"> & {id?: string}) : never} New
 */

/** @typedef {{epoch: string, version: number}} Cursor a state of a collection */

const MEMBERS = ["insert", "remove", "reset", "if"];

/**
 * @template {{id: string}} T
 * @param {Changes<T>} changes
 * @returns {Changes<T>} a copy with an id for each item that has none; `changes` is not modified
 * @throws {SharedStateError} `bad_update` if it has an unknown member, which the server would ignore
 */
export function with_ids(changes) {
  for (const name of Object.keys(changes ?? {}))
    if (!MEMBERS.includes(name)) throw bad_update(name, `expected ${MEMBERS.join(", ")}`);
  // Whatever is not a list or an item is left to the server, which names the place in its answer.
  if (!Array.isArray(changes?.insert)) return changes;
  const insert = /** @type {any[]} */ (changes.insert).map((item) =>
    is_plain(item) && item.id === undefined ? { ...item, id: random_id() } : item,
  );
  return { ...changes, insert };
}

/**
 * Return whether this is a plain object, not a list, a promise, a date, or anything with a `toJSON` of its own.
 *
 * @param {any} item
 * @returns {boolean}
 */
const is_plain = (item) => ({}).toString.call(item) === "[object Object]" && !item.toJSON;
