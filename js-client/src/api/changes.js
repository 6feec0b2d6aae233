import { bad_update } from "../protocol/errors.js";
import { random_id } from "../util/random.js";

/** @import { Item } from "../protocol/replica.js" */

/**
 * A change of a collection, applied by the server in one step: with `reset` every item is removed, otherwise the
 * ids of `remove`; then the items of `insert` are set, in order; then members are changed as `patch` says, in order. All
 * members are optional. A plain object of `insert` without `id` gets a random one.
 *
 * @template {{id: string}} [T=Item]
 * @typedef {object} Changes
 * @property {readonly string[]} [remove] ids
 * @property {readonly New<T>[]} [insert] items; each replaces the one with the same id
 * @property {boolean} [reset] default false
 * @property {readonly Patch[]} [patch] changes of single members; if one does not fit, the error is `mismatch`, and nothing
 *   of the update is done
 * @property {Cursor & {ids?: readonly string[]}} [if] apply only if these ids (default: the whole collection) have
 *   not changed after that version; otherwise the error is `conflict`
 */

/**
 * An item, with or without its id; distributes over unions.
 *
 * @template {{id: string}} T
 * @typedef {T extends unknown ? T | (Omit<T, "id"> & {id?: string}) : never} New
 */

/**
 * Changes of members of one item, which keep the others, whoever changes them. A member is given by its name, or by a JSON
 * Pointer into objects, such as `/size/width`, and at most once.
 *
 * @typedef {object} Patch
 * @property {string} id of the item
 * @property {Readonly<Record<string, unknown>>} [set] values by member
 * @property {readonly string[]} [unset] members that go
 * @property {Readonly<Record<string, number>>} [inc] numbers to be added to members, which begin at 0
 * @property {readonly string[]} [now] members that become the time of the server, in seconds since the Unix epoch
 * @property {Readonly<Record<string, readonly unknown[]>>} [add] values to be added at the end of lists, those that are not there
 * @property {Readonly<Record<string, readonly unknown[]>>} [pull] values that go from lists, wherever they are
 * @property {boolean} [upsert] whether an item that is not there begins with nothing but its id; otherwise the error is
 *   `mismatch`
 */

/**
 * Values for members of an item, by name or by JSON Pointer; distributes over unions.
 *
 * @template {{id: string}} T
 * @typedef {T extends unknown ? Readonly<Partial<Omit<T, "id">>> & Readonly<Record<`/${string}`, unknown>> : never} Members
 */

/** @typedef {{epoch: string, version: number}} Cursor a state of a collection */

const MEMBERS = ["insert", "remove", "reset", "patch", "if"];

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
