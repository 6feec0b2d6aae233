/**
 * Read, decide, write: in isolation.
 *
 * Reads are recorded; the batch is sent on the condition that nothing read has changed since. If something has,
 * the function runs again on the present state, after a random pause. The pause grows with the number of recent
 * conflicts on that dataset, and a transaction that follows them begins with one too: otherwise the last winner
 * would keep winning.
 *
 * Transactions of one client on one dataset do not compete: they run one after the other.
 */

import { patched } from "./patching.js";
import { batch_of } from "./validation.js";
import { Deferred } from "../util/deferred.js";
import { SharedStateError, cut } from "../protocol/errors.js";
import { jitter } from "../util/random.js";

/** Maximum number of runs; each failed one lost to another writer, which succeeded. */
const MAX_RUNS = 100;

/** Maximum number of conflicts that count for the pause, which is up to 64 times as long as an attempt takes… */
const MAX_CONFLICTS = 6;

/** …and no longer than this, in milliseconds. */
const MAX_PAUSE = 1000;

/** @import { Changes, Cursor, Members, Patch } from "../api/changes.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Item } from "../protocol/replica.js" */

/**
 * The dataset as a transaction sees it: with its own writes so far.
 *
 * @template {{id: string}} [T=Item]
 */
export class Transaction {
  #ds;
  /** @type {Set<string>} ids whose state in the collection was read */
  #read = new Set();
  #read_all = false;
  #reset = false;
  /** @type {Set<string>} */
  #remove = new Set();
  /** @type {Map<string, T>} */
  #insert = new Map();
  /** @type {Map<string, Patch[]>} by id: what comes after all that */
  #patch = new Map();
  /** @internal whether the function has ended */
  _over = false;

  /** @internal @param {Dataset<T> & Conditional} ds */
  constructor(ds) {
    this.#ds = ds;
    /** @internal */
    this._cursor = ds.cursor;
  }

  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    if (this.#insert.has(id) || this.#reset || this.#remove.has(id))
      return this.#patched(id, this.#insert.get(id));
    this.#read.add(id);
    return this.#patched(id, this.#ds.get_item(id));
  }

  /**
   * @param {string} id
   * @param {T | undefined} item
   * @returns {T | undefined} with the transaction's own patches
   * @throws {SharedStateError} `mismatch`: they do not fit
   */
  #patched(id, item) {
    return (this.#patch.get(id) ?? []).reduce(patched, item);
  }

  /** @param {string} id */
  has_item(id) {
    return this.get_item(id) !== undefined;
  }

  /**
   * @returns {T[]} all items, in order; afterwards any change by others is a conflict
   */
  get_items() {
    /** @type {Map<string, T>} */
    const items = new Map();
    if (!this.#reset) {
      this.#read_all = true;
      for (const item of this.#ds.get_items())
        if (!this.#remove.has(item.id)) items.set(item.id, item);
    }
    for (const [id, item] of this.#insert) items.set(id, item);
    for (const id of this.#patch.keys())
      items.set(id, /** @type {T} */ (this.#patched(id, items.get(id))));
    return [...items.values()];
  }

  /** Number of items; afterwards any change by others is a conflict. */
  get size() {
    return this.get_items().length;
  }

  /**
   * Add to the batch that will be sent when the function returns.
   *
   * @param {Omit<Changes<T>, "if">} changes as for `Dataset.update`
   * @throws {SharedStateError} `bad_update`, and nothing is added: the changes are invalid, or the function has ended
   */
  update(changes) {
    if (this._over)
      throw new SharedStateError("bad_update", "the transaction is over: an await is missing");
    const { remove, insert, reset, patch } = batch_of(changes);
    if (this.#ds.fields && insert.length) throw cut();
    if (reset) {
      this.#reset = true;
      this.#insert.clear();
      this.#patch.clear();
    }
    // After a reset this only affects items inserted since.
    for (const id of remove) {
      this.#remove.add(id);
      this.#insert.delete(id);
      this.#patch.delete(id);
    }
    for (const item of insert) {
      this.#insert.set(item.id, item);
      this.#patch.delete(item.id);
    }
    for (const each of patch) this.#patch.set(each.id, [...(this.#patch.get(each.id) ?? []), each]);
  }

  /**
   * Set members of one item, and keep the others; see `Dataset.patch`. What was not read may be changed by others meanwhile.
   *
   * @param {string} id
   * @param {Members<T>} members
   */
  patch(id, members) {
    this.update({ patch: [{ id, set: members }] });
  }

  /**
   * Add to a number in an item; see `Dataset.increment`.
   *
   * @param {string} id
   * @param {string} member
   * @param {number} [by]
   */
  increment(id, member, by = 1) {
    this.update({ patch: [{ id, inc: { [member]: by } }] });
  }

  /** @internal @returns {Changes<any> | undefined} undefined if nothing was written */
  _batch() {
    const remove = this.#reset ? [] : [...this.#remove];
    const insert = [...this.#insert.values()];
    const patch = [...this.#patch.values()].flat();
    if (!this.#reset && remove.length + insert.length + patch.length === 0) return undefined;
    /** @type {Changes<any>} */
    const batch = { remove, insert, reset: this.#reset };
    // A server that knows no patches need not hear of them.
    if (patch.length) batch.patch = patch;
    if (!this.#read_all && this.#read.size === 0) return batch;
    if (!this._cursor)
      throw new SharedStateError("failed", "the server does not number its versions");
    batch.if = { ...this._cursor, ids: this.#read_all ? undefined : [...this.#read] };
    return batch;
  }
}

/**
 * What a transaction needs beyond the lean core's dataset.
 *
 * @typedef {object} Conditional
 * @property {Cursor | undefined} cursor
 * @property {{conflicts: number, attempt: number, turn: Promise<void>}} _contention
 * @property {Deferred<void>} _moved
 */

/**
 * @template {{id: string}} T
 * @template R
 * @param {Dataset<T> & Conditional} ds
 * @param {(transaction: Transaction<T>) => R} run
 * @returns {Promise<Awaited<R>>}
 */
export async function transact(ds, run) {
  const contention = ds._contention;
  const before = contention.turn;
  /** @type {Deferred<void>} */
  const turn = new Deferred();
  contention.turn = turn.promise;
  await before;
  try {
    if (contention.conflicts > 0) await pause(contention.conflicts--, contention.attempt);
    for (let runs = 1; ; runs++) {
      await ds.ready;
      const transaction = new Transaction(ds);
      // A function that waits for something else, perhaps another transaction, or never returns, must not block
      // the next one.
      const passed_on = setTimeout(turn.resolve);
      let result;
      try {
        result = await run(transaction);
      } finally {
        transaction._over = true;
        clearTimeout(passed_on);
      }
      const batch = transaction._batch();
      if (!batch) return result;
      const start = performance.now();
      try {
        await ds.update(batch);
        return result;
      } catch (thrown) {
        const error = /** @type {SharedStateError} */ (thrown);
        if (error.code !== "conflict" || runs === MAX_RUNS) throw error;
        contention.attempt = performance.now() - start;
        contention.conflicts = Math.min(contention.conflicts + 1, MAX_CONFLICTS);
        await pause(contention.conflicts, contention.attempt);
        await caught_up(ds, transaction._cursor, error);
      }
    }
  } finally {
    turn.resolve();
  }
}

/**
 * @param {number} conflicts
 * @param {number} attempt duration of one attempt, in milliseconds
 * @returns {Promise<void>}
 */
function pause(conflicts, attempt) {
  const longest = Math.min(MAX_PAUSE, attempt * 2 ** conflicts);
  return new Promise((resolve) => setTimeout(resolve, jitter(longest)));
}

/**
 * Wait until the dataset shows what caused the conflict: the notification may still be on its way.
 *
 * @param {Dataset<any> & Conditional} ds
 * @param {Transaction<any>["_cursor"]} before what it showed when the transaction began
 * @param {SharedStateError} conflict
 */
async function caught_up(ds, before, conflict) {
  const behind = () => {
    const { epoch, version } = /** @type {any} */ (ds._replica);
    if (epoch === before?.epoch && version === before?.version) return true;
    return epoch === conflict.epoch && version < /** @type {any} */ (conflict.version);
  };
  while (behind()) await ds._moved.promise;
}
