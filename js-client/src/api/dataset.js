import { Callbacks } from "../util/callbacks.js";
import { Deferred } from "../util/deferred.js";
import { disposable, on_abort } from "../util/lifetime.js";
import { SharedStateError } from "../protocol/errors.js";
import { Replica } from "../protocol/replica.js";

/** @import { Changes } from "./changes.js" */
/** @import { FilterOptions } from "./filter.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Diff, Item } from "../protocol/replica.js" */

/** @typedef {(() => void) & Disposable} Unsubscribe */

/**
 * The local copy of one collection, or of a part of it, kept in sync by the client from which it was acquired. After a lost connection
 * it keeps its items, and the same object is brought up to date.
 *
 * Items are not copied: do not modify them; `update` changes the collection. They are in order of insertion into it.
 *
 * @template {{id: string}} [T=Item]
 */
export class Dataset {
  #path;
  /** @internal */
  _replica = new Replica();
  #put;
  /** @type {Callbacks<Diff<T>[]>} */
  #callbacks;
  /** @type {readonly T[] | undefined} */
  #snapshot;
  /** @type {Deferred<void>} */
  #ready = new Deferred();
  #released = false;
  /** Whether a refusal has been reported, or `ready` will reject with it. */
  #reported = false;
  #calls;
  /**
   * @internal called when `ready` becomes a new promise
   * @type {Callbacks<void>}
   */
  _renewals;

  /**
   * @internal
   * @param {string} path
   * @param {FilterOptions} filter
   * @param {(changes: Changes<any>, until?: Until) => Promise<number>} put
   * @param {import("../util/call_queue.js").CallQueue} calls
   */
  constructor(path, { where, last, fields }, put, calls) {
    this.#path = path;
    /** @readonly only items for which this holds; undefined: all */
    this.where = where;
    /** @readonly only so many, the newest; undefined: all */
    this.last = last;
    /** @readonly only these members of each item, and `id`; undefined: all */
    this.fields = fields;
    this.#put = put;
    this.#calls = calls;
    this.#callbacks = new Callbacks(calls);
    this._renewals = new Callbacks(calls);
  }

  /** Path of the collection, `/app/service/collection`. */
  get path() {
    return this.#path;
  }

  /**
   * The place of its first item in the order of the collection, for `client.page`; undefined if there are no items, or if this is
   * a whole collection.
   */
  get before() {
    return this._replica.before;
  }

  /** Number of items. */
  get size() {
    return this._replica.items.size;
  }

  /**
   * Resolves at the first sync, when the items are available; rejects with a `SharedStateError` if the server
   * refuses (`bad_path`, `no_service`, `forbidden`…), or with `released` or `closed` if that comes first. May be
   * ignored; a refusal is reported unless this promise was read. After a rejection it is replaced by a new promise
   * when the path is acquired again, when the server accepts after a reconnect, or when a client that was sent
   * away or gave up connects again.
   *
   * @returns {Promise<void>}
   */
  get ready() {
    this.#reported ||= !this.#ready.settled;
    return this.#ready.promise;
  }

  /**
   * @param {string} id
   * @returns {T | undefined}
   */
  get_item(id) {
    return this.#items.get(id);
  }

  /**
   * @param {string} id
   * @returns {boolean}
   */
  has_item(id) {
    return this.#items.has(id);
  }

  /**
   * @returns {T[]} all items, in order, in a new list
   */
  get_items() {
    return [...this.#items.values()];
  }

  /**
   * All items, in order, in a frozen list: the same list until something changes; an item that did not change is
   * the same object in the next list. It is made on demand.
   *
   * @returns {readonly T[]}
   */
  get snapshot() {
    return (this.#snapshot ??= Object.freeze(this.get_items()));
  }

  get #items() {
    return /** @type {Map<string, T>} */ (/** @type {unknown} */ (this._replica.items));
  }

  /**
   * Ask the server to change the collection. The dataset changes when the server says so, before the promise
   * resolves. Without a connection, the request waits for one.
   *
   * @param {Changes<T>} changes not modified
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} number of ids touched. Rejects with a `SharedStateError`: `bad_update` (an `insert` too,
   *   where `fields` leaves members out),
   *   `forbidden`, `conflict`, `too_many`, `unavailable`, `connection_lost` (outcome unknown), `closed`… The
   *   promise may be ignored: then nothing is thrown or logged, unless the call itself is a mistake (an unknown
   *   member).
   * @throws {SharedStateError} `released`, at once, if every handle has been released
   */
  update(changes, until) {
    if (this.#released) throw released();
    return this.#put(changes, until);
  }

  /**
   * Call a function after each change, once for each notification of the server, with a list of
   * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset already shows the
   * new state.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback what it throws is reported and affects nothing else
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#callbacks.add(callback);
  }

  /**
   * Like `add_callback`, but needs no `this`, so that it can be passed as a function.
   *
   * @param {(diffs: Diff<T>[]) => unknown} callback
   * @param {Until} [until] a signal that ends it
   * @returns {Unsubscribe} ends it; with `using`, at the end of the block
   */
  subscribe = (callback, { signal } = {}) => {
    const handle = this.#callbacks.add(callback);
    const remove = () => this.#callbacks.remove(handle);
    const stop = on_abort(signal, remove);
    const unsubscribe = () => {
      stop();
      remove();
    };
    return disposable(unsubscribe, unsubscribe);
  };

  /**
   * @param {object} handle from `add_callback`; an unknown one has no effect
   */
  remove_callback(handle) {
    this.#callbacks.remove(handle);
  }

  /**
   * @internal
   * @param {import("./client_hub.js").DatasetEffect} effect
   */
  _handle(effect) {
    if (effect.kind === "refused") {
      // What was in sync is no longer: who asks for it next is told why.
      const denied = /^(unauthenticated|forbidden)$/.test(effect.error.code);
      if (denied && this.#ready.settled && !this.#ready.failed) {
        this.#ready = new Deferred();
        this._renewals.call();
      }
      if (!this.#reported) this.#calls.report(effect.error);
      this.#reported = true;
      this._failed(effect.error);
      return;
    }
    this.#reported = false;
    if (effect.kind === "changed") {
      this.#snapshot = undefined;
      this.#callbacks.call(/** @type {Diff<any>[]} */ (effect.diffs));
    }
    if (effect.kind === "synced") {
      this._renew();
      this.#ready.resolve();
    }
  }

  /** @internal the server is asked again: a `ready` that failed is replaced */
  _renew() {
    const { settled, failed } = this.#ready;
    // A `ready` that is still pending will reject.
    if (settled) this.#reported = false;
    if (!failed) return;
    this.#ready = new Deferred();
    this._renewals.call();
  }

  /**
   * @internal
   * @param {SharedStateError} error
   * @param {boolean} [_over] whether nothing more will come
   */
  _failed(error, _over) {
    this.#ready.reject(error);
  }

  /** @internal */
  _release() {
    this.#released = true;
    this._failed(released(), true);
  }
}

function released() {
  return new SharedStateError("released", "the dataset was released");
}
