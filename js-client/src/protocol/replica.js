/**
 * The local copy of one collection, and the algebra of updates on it.
 *
 * Items are in order of insertion: replacing an item keeps its place, removing and inserting it again puts it
 * last. A `Map` behaves like that, and accepts any id, even "__proto__".
 */

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
 * One atomic batch, complete: `remove` first (ignored if `reset`), then `insert`, in order.
 * @typedef {{remove: string[], insert: Item[], reset: boolean}} Update
 */

export class Replica {
  /** @type {Map<string, Item>} items by id, in order */
  items = new Map();
  /** @type {string | undefined} epoch of the state held; undefined: not known (level 1, or never in sync) */
  epoch;
  /** @type {number | undefined} version of the state held */
  version;

  /**
   * Apply an update as one step.
   *
   * @param {Update} update
   * @returns {Diff[]} one for each id that the update touched. A reset gives the net difference: an unchanged item
   *   has no diff, unless it has moved behind one that it preceded. Empty if nothing changed.
   */
  apply(update) {
    return update.reset ? this.#replace(update.insert) : this.#edit(update);
  }

  /**
   * @param {Item[]} items
   * @returns {Diff[]}
   */
  #replace(items) {
    const before = this.items;
    /** @type {Map<string, Item>} */
    const after = new Map();
    for (const item of items) after.set(item.id, item);
    this.items = after;
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
      if (old !== undefined && same(old, item)) after.set(id, (now = old));
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
  #edit({ remove, insert }) {
    const { items } = this;
    /** @type {Map<string, Item | undefined>} what each id was before, in order of first touch */
    const touched = new Map();
    /** @param {string} id */
    const touch = (id) => touched.has(id) || touched.set(id, items.get(id));
    for (const id of remove) {
      touch(id);
      items.delete(id);
    }
    for (const item of insert) {
      touch(item.id);
      items.set(item.id, item);
    }
    /** @type {Diff[]} */
    const diffs = [];
    for (const [id, old] of touched) {
      const item = items.get(id);
      if (item ?? old) diffs.push(/** @type {Diff} */ ({ id, new: item, old }));
    }
    return diffs;
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
