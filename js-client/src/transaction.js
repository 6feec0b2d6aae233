/**
 * Read, decide, write: as if nobody else were there.
 *
 * What is read is remembered; the batch is sent with the condition that none of it has changed since. If it
 * has, the function is run again on what is there now.
 */

import { with_ids } from "./changes.js";
import { SharedStateError } from "./errors.js";

/** Runs at the most; each one that fails lost to somebody who succeeded. */
const MAX_RUNS = 100;

/** @import { Changes } from "./changes.js" */
/** @import { Dataset } from "./dataset.js" */
/** @import { Item } from "./replica.js" */

/**
 * The dataset as a transaction sees it: with what the transaction wrote so far.
 *
 * @template {{id: string}} [T=Item]
 */
export class Transaction {
  #ds;
  /** @type {Set<string>} ids whose state in the collection was looked at */
  #read = new Set();
  #read_all = false;
  #reset = false;
  /** @type {Set<string>} */
  #remove = new Set();
  /** @type {Map<string, T>} */
  #insert = new Map();

  /** @param {Dataset<T>} ds */
  constructor(ds) {
    this.#ds = ds;
    const { epoch, version } = ds._replica;
    this._cursor = { epoch, version };
  }

  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    if (this.#insert.has(id) || this.#reset || this.#remove.has(id)) return this.#insert.get(id);
    this.#read.add(id);
    return this.#ds.get_item(id);
  }

  /** @param {string} id */
  has_item(id) {
    return this.get_item(id) !== undefined;
  }

  /** @returns {T[]} all items, in order; afterwards any change by others is a conflict */
  get_items() {
    /** @type {Map<string, T>} */
    const items = new Map();
    if (!this.#reset) {
      this.#read_all = true;
      for (const item of this.#ds.get_items())
        if (!this.#remove.has(item.id)) items.set(item.id, item);
    }
    for (const [id, item] of this.#insert) items.set(id, item);
    return [...items.values()];
  }

  /** Number of items; afterwards any change by others is a conflict. */
  get size() {
    return this.get_items().length;
  }

  /**
   * Add to the batch that will be sent when the function returns.
   *
   * @param {Omit<Changes<T>, "if">} changes as of `Dataset.update`
   */
  update(changes) {
    const { remove = [], insert = [], reset } = with_ids(changes);
    if (reset) {
      this.#reset = true;
      this.#remove.clear();
      this.#insert.clear();
    } else {
      for (const id of remove) {
        this.#remove.add(id);
        this.#insert.delete(id);
      }
    }
    for (const item of /** @type {T[]} */ (insert)) this.#insert.set(item.id, item);
  }

  /** @internal @returns {Changes<any> | undefined} undefined if nothing was written */
  _batch() {
    const remove = this.#reset ? [] : [...this.#remove];
    const insert = [...this.#insert.values()];
    if (!this.#reset && remove.length + insert.length === 0) return undefined;
    /** @type {Changes<any>} */
    const batch = { remove, insert, reset: this.#reset };
    if (!this.#read_all && this.#read.size === 0) return batch;
    const { epoch, version } = this._cursor;
    if (epoch === undefined || version === undefined)
      throw new SharedStateError("failed", "the server does not number its versions");
    batch.if = { epoch, version };
    if (!this.#read_all) batch.if.ids = [...this.#read];
    return batch;
  }
}

/**
 * @template {{id: string}} T
 * @template R
 * @param {Dataset<T>} ds
 * @param {(transaction: Transaction<T>) => R} run
 * @returns {Promise<Awaited<R>>}
 */
export async function transact(ds, run) {
  for (let runs = 1; ; runs++) {
    await ds.ready;
    const transaction = new Transaction(ds);
    const result = await run(transaction);
    const batch = transaction._batch();
    if (!batch) return result;
    try {
      await ds.update(batch);
      return result;
    } catch (error) {
      if (/** @type {any} */ (error).code !== "conflict" || runs === MAX_RUNS) throw error;
      // The news that made the conflict may still be on its way.
      const { epoch, version } = transaction._cursor;
      if (ds._replica.epoch === epoch && ds._replica.version === version) await ds._moved;
    }
  }
}
