import { Callbacks } from "./callbacks.js";
import { SharedStateError } from "./errors.js";
import { Replica } from "./replica.js";

/** @typedef {import("./changes.js").Changes} Changes */
/** @typedef {import("./replica.js").Item} Item */
/** @typedef {import("./replica.js").Diff} Diff */

/**
 * The local copy of one collection, kept in sync by the client that it was acquired from. After a lost
 * connection it keeps what it has, and the same object is brought up to date.
 *
 * Items are handed out as they are held: read them, do not change them; `update` changes the collection.
 * Items come in the order of insertion.
 */
export class Dataset {
  #path;
  #replica = new Replica();
  #put;
  /** @type {Callbacks<Diff[]>} */
  #callbacks;
  #ready = new Deferred();
  #released = false;

  /**
   * @internal
   * @param {string} path
   * @param {(changes: Changes) => Promise<unknown>} put
   * @param {(error: unknown) => void} report
   */
  constructor(path, put, report) {
    this.#path = path;
    this.#put = put;
    this.#callbacks = new Callbacks(report);
  }

  /** Path of the collection, `/app/service/collection`. */
  get path() {
    return this.#path;
  }

  /** Number of items. */
  get size() {
    return this.#replica.items.size;
  }

  /**
   * Resolves at the first sync, when the items are there; rejects with a `SharedStateError` if the server
   * refuses (`bad_path`, `no_service`, `forbidden`…), with `released` or with `closed` if that comes
   * first. May be ignored. If the server changes its mind, at a reconnect or because the path is acquired
   * once more, `ready` is a new promise.
   *
   * @returns {Promise<void>}
   */
  get ready() {
    return this.#ready.promise;
  }

  /**
   * @param {string} id
   * @returns {Item | undefined}
   */
  get_item(id) {
    return this.#replica.items.get(id);
  }

  /**
   * @param {string} id
   * @returns {boolean}
   */
  has_item(id) {
    return this.#replica.items.has(id);
  }

  /**
   * @returns {Item[]} all items, in order, in a list of your own
   */
  get_items() {
    return [...this.#replica.items.values()];
  }

  /**
   * Ask the server to change the collection. The dataset changes when the server says so, and before the
   * promise resolves. Without a connection, the request waits for one.
   *
   * @param {Changes} changes not modified
   * @returns {Promise<unknown>} number of ids touched. Rejects with a `SharedStateError`: `bad_update`,
   *   `forbidden`, `conflict`, `too_many`, `unavailable`, `connection_lost` (outcome unknown), `closed`…
   *   The promise may be ignored: nothing is raised or logged then.
   * @throws {SharedStateError} `released`, at once, if every handle has been released
   */
  update(changes) {
    if (this.#released) throw released();
    return this.#put(changes);
  }

  /**
   * Have a function called after each change, once for each notification of the server, with a list of
   * diffs: one for each item that was inserted, replaced or removed, never empty. The dataset shows the
   * new state by then.
   *
   * @param {(diffs: Diff[]) => unknown} callback what it throws is reported and disturbs nobody
   * @returns {object} handle for `remove_callback`
   */
  add_callback(callback) {
    return this.#callbacks.add(callback);
  }

  /**
   * @param {object} handle of `add_callback`; an unknown one has no effect
   */
  remove_callback(handle) {
    this.#callbacks.remove(handle);
  }

  /** @internal */
  get _replica() {
    return this.#replica;
  }

  /**
   * @internal
   * @param {Diff[]} diffs
   */
  _tell(diffs) {
    this.#callbacks.call(diffs);
  }

  /** @internal the server is asked once more: a `ready` that failed gets another chance */
  _asked() {
    if (this.#ready.failed) this.#ready = new Deferred();
  }

  /** @internal */
  _synced() {
    this._asked();
    this.#ready.resolve();
  }

  /**
   * @internal
   * @param {SharedStateError} error
   */
  _failed(error) {
    this.#ready.reject(error);
  }

  /** @internal */
  _release() {
    this.#released = true;
    this._failed(released());
  }
}

class Deferred {
  /** @type {() => void} */
  resolve = () => {};
  /** @type {(error: unknown) => void} */
  #reject = () => {};
  #settled = false;
  failed = false;
  /** @type {Promise<void>} */
  promise = new Promise((resolve, reject) => {
    this.resolve = () => {
      this.#settled = true;
      resolve();
    };
    this.#reject = reject;
  });

  constructor() {
    // Whoever does not ask needs no warning about an unhandled rejection.
    this.promise.catch(() => {});
  }

  /** @param {unknown} error no effect if it is settled */
  reject(error) {
    if (this.#settled) return;
    this.#settled = this.failed = true;
    this.#reject(error);
  }
}

function released() {
  return new SharedStateError("released", "the dataset was released");
}
