/**
 * The local copy of one collection, and the algebra of updates on it.
 *
 * Items are in order of insertion: replacing an item keeps its place, removing and inserting it again puts it
 * last. A `Map` behaves like that, and accepts any id, even "__proto__". What is only a part of a collection comes with
 * places, since an item that enters may belong in the middle; there the items are in ascending order of these.
 */

import { compare } from "./views.js";

/** @import { At } from "./views.js" */

/**
 * An item: a JSON object with an id.
 * @typedef {{id: string, [member: string]: any}} Item
 */

/**
 * What happened to one item: no `old` for an insert, no `new` for a delete.
 *
 * @template {{id: string}} [T=Item]
 * @typedef {{id: string, new: T, old: undefined} | {id: string, new: T, old: T}
 *   | {id: string, new: undefined, old: T}} Diff
 */

/**
 * One atomic batch, complete: `remove` first (ignored if `reset`), then `insert`, in order. `at`: a place for each of
 * `insert`.
 * @typedef {{remove: string[], insert: Item[], reset: boolean, at?: At[]}} Update
 */

/** Where an item without a place goes. @type {At} */
const END = [Infinity, 0];

export class Replica {
  /** @type {Map<string, Item>} items by id, in order */
  items = new Map();
  /** @type {string | undefined} epoch of the state held; undefined: not known (level 1, or never in sync) */
  epoch;
  /** @type {number | undefined} version of the state held */
  version;
  /** @type {string | undefined} what the user may see, of which this is a part: the server's name for it */
  scope;
  /** @type {Replica | undefined} another one, whose objects the next snapshot takes for items that are the same */
  kin;
  /** @type {Map<string, At>} by id */
  #places = new Map();
  /** @type {At} no place is behind this one */
  #end = [-Infinity, 0];

  /** @returns {At | undefined} the place of the first item */
  get before() {
    const [id] = this.items.keys();
    return this.#places.get(id);
  }

  /**
   * Apply an update as one step.
   *
   * @param {Update} update
   * @returns {Diff[]} one for each id that the update touched. A reset gives the net difference: an unchanged item
   *   has no diff, unless it has moved behind one that it preceded. Empty if nothing changed.
   */
  apply(update) {
    return update.reset ? this.#replace(update) : this.#edit(update);
  }

  /**
   * @param {Update} update
   * @returns {Diff[]}
   */
  #replace({ insert, at }) {
    const before = this.items;
    const kin = this.kin?.items;
    this.kin = undefined;
    this.items = new Map();
    this.#places.clear();
    this.#end = [-Infinity, 0];
    this.#set(insert, at);
    const after = this.items;
    /** @type {Map<string, number>} */
    const places = new Map();
    /** @type {Diff[]} */
    const diffs = [];
    for (const [id, old] of before) {
      places.set(id, places.size);
      if (!after.has(id)) diffs.push({ id, new: undefined, old });
    }
    let last = 0;
    for (const [id, item] of after) {
      let now = item;
      const old = before.get(id);
      // Keep the object that the application knows, so that it can compare by identity.
      const known = old ?? kin?.get(id);
      if (known !== undefined && same(known, item)) after.set(id, (now = known));
      const place = places.get(id) ?? last;
      if (now !== old || place < last) diffs.push(/** @type {Diff} */ ({ id, new: now, old }));
      last = Math.max(last, place);
    }
    return diffs;
  }

  /**
   * @param {Update} update
   * @returns {Diff[]}
   */
  #edit({ remove, insert, at }) {
    const before = this.items;
    /** @type {Map<string, Item | undefined>} what each id was before, in order of first touch */
    const touched = new Map();
    /** @param {string} id */
    const touch = (id) => touched.has(id) || touched.set(id, before.get(id));
    for (const id of remove) {
      touch(id);
      before.delete(id);
      this.#places.delete(id);
    }
    for (const { id } of insert) touch(id);
    this.#set(insert, at);
    /** @type {Diff[]} */
    const diffs = [];
    for (const [id, old] of touched) {
      const item = this.items.get(id);
      if (item ?? old) diffs.push(/** @type {Diff} */ ({ id, new: item, old }));
    }
    return diffs;
  }

  /**
   * Set items, each at its place; however many do not go to the end, all are put in order once.
   *
   * @param {Item[]} insert
   * @param {At[]} [at]
   */
  #set(insert, at) {
    const { items } = this;
    const places = this.#places;
    let ordered = true;
    insert.forEach((item, n) => {
      const { id } = item;
      const place = at?.[n];
      if (place && compare(place, places.get(id) ?? END)) {
        items.delete(id);
        places.set(id, place);
        if (compare(place, this.#end) < 0) ordered = false;
        else this.#end = place;
      }
      items.set(id, item);
    });
    const place_of = (/** @type {[string, Item]} */ [id]) => places.get(id) ?? END;
    if (!ordered)
      this.items = new Map([...items].sort((a, b) => compare(place_of(a), place_of(b))));
  }
}

/**
 * Return whether two JSON values are equal; the order of an object's members does not matter.
 *
 * @param {unknown} a
 * @param {unknown} b
 * @returns {boolean}
 */
export function same(a, b) {
  try {
    return deep_same(a, b);
  } catch {
    // Nested deeper than the stack: a superfluous diff does no harm, an exception here would.
    return false;
  }
}

/**
 * @param {any} a
 * @param {any} b
 * @returns {boolean}
 */
function deep_same(a, b) {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && deep_same(a[key], b[key]))
  );
}
