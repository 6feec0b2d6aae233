import { expect_ids } from "./validation.js";
import { with_ids } from "../api/changes.js";
import { plain } from "./plain.js";
import { Replica } from "../protocol/replica.js";

/** @import { Diff, Item } from "../protocol/replica.js" */

/**
 * A list of items stored in one item of a collection, as its member `state`, and always replaced as a whole. Good
 * for small sets of data that belong together.
 *
 * @template {{id: string}} [T=Item]
 */
export class SharedObject {
  #ds;
  #id;

  /**
   * @internal
   * @param {import("../api/dataset.js").Dataset<any>} ds
   * @param {string} id
   */
  constructor(ds, id) {
    this.#ds = ds;
    this.#id = id;
  }

  /** Id of the item that holds the list. */
  get id() {
    return this.#id;
  }

  /** @returns {T[]} the items, in a new list; empty if there is no such item */
  get_items() {
    return list(this.#ds.get_item(this.#id));
  }

  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    return this.get_items().find((item) => item?.id === id);
  }

  /** @param {string} id */
  has_item(id) {
    return this.get_item(id) !== undefined;
  }

  /**
   * Replace the whole list. Of several items with the same id the last one counts, in the place of the first.
   *
   * @param {readonly import("../api/changes.js").New<T>[]} items not modified; one without `id` gets a random one
   * @returns {Promise<any>} as of `Dataset.update`
   * @throws {TypeError} unless it is a list
   * @throws {import("../protocol/errors.js").SharedStateError} `bad_update` if an item is not JSON, or has an id that is not a string
   */
  set_items(items) {
    if (!Array.isArray(items)) throw new TypeError("expected a list of items");
    const state = /** @type {any} */ (
      with_ids({ insert: plain(/** @type {any} */ (items), "items") }).insert
    );
    expect_ids(state, "items", ".id");
    return this.#ds.update({ insert: [{ id: this.#id, state: single(state) }] });
  }

  /**
   * Have a function called after each change of the list.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback gets one diff for each item of the list that is not what
   *   it was, or has moved; never none
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#ds.add_callback((diffs) => {
      const change = diffs.find(({ id }) => id === this.#id);
      const own = change ? compare(list(change.old), list(change.new)) : [];
      if (own.length > 0) callback(own);
    });
  }

  /** @param {object} handle from `add_callback`; an unknown one has no effect */
  remove_callback(handle) {
    this.#ds.remove_callback(handle);
  }
}

/** @param {any} item @returns {any[]} */
const list = (item) => (Array.isArray(item?.state) ? single(item.state) : []);

/**
 * @param {readonly any[]} items
 * @returns {any[]} the last item of each id, in the place of the first; and items without id, which other programs
 *   may have put there
 */
const single = (items) => [
  ...new Map(items.map((each, n) => [typeof each?.id === "string" ? each.id : n, each])).values(),
];

/** @param {any[]} before @param {any[]} after @returns {Diff<any>[]} */
function compare(before, after) {
  const replica = new Replica();
  const update = { remove: [], reset: true };
  // Items from other programs may lack ids.
  /** @param {any[]} items */
  const with_id = (items) => items.filter((item) => typeof item?.id === "string");
  replica.apply({ ...update, insert: with_id(before) });
  return replica.apply({ ...update, insert: with_id(after) });
}
