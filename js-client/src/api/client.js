import { with_ids } from "./changes.js";
import { ClientHub } from "./client_hub.js";
import { Dataset } from "./dataset.js";
import { DISPOSE, disposable, on_abort } from "../util/lifetime.js";
import { collection_path } from "../protocol/paths.js";

/** @import { Changes } from "./changes.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options, Status } from "./options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */

/** @typedef {{path: string} & Disposable} Handle for `release`, or for `using` */
/** @typedef {{ds: Dataset<any>, handles: number}} Acquired */

/**
 * A connection to a SharedState server and the datasets that it keeps in sync. It reconnects by itself until it is
 * closed. This is the lean core; `full.js` builds on it.
 */
export class SharedStateClient {
  #hub;
  /** @type {Map<string, Acquired>} by path */
  #acquired = new Map();
  /** @type {Map<object, () => void>} functions that stop listening to the signal, by handle */
  #handles = new Map();

  /**
   * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#hub = new ClientHub(
      url,
      options,
      (effect) => this._peek(effect.path)?._handle(effect),
      (error) => {
        for (const { ds } of this.#acquired.values())
          error ? ds._failed(error, error.code === "closed") : ds._renew();
      },
    );
  }

  /** @returns {Status} */
  get status() {
    return this.#hub.status;
  }

  /**
   * Call a function with the new status each time it changes.
   *
   * @param {(status: Status) => unknown} callback what it throws is reported, and affects nothing else
   * @returns {object} handle for `remove_status_callback`
   */
  add_status_callback(callback) {
    return this.#hub.status_callbacks.add(callback);
  }

  /** @param {object} handle from `add_status_callback`; an unknown one has no effect */
  remove_status_callback(handle) {
    this.#hub.status_callbacks.remove(handle);
  }

  /**
   * Whose the connection is, as far as the server has said: an object with an `id`, and what else the server knows of
   * the user; null for nobody. It stays while the connection is lost.
   *
   * @returns {User | null}
   */
  get user() {
    return this.#hub.user;
  }

  /**
   * Call a function with the new user each time it changes.
   *
   * @param {(user: User | null) => unknown} callback what it throws is reported, and affects nothing else
   * @returns {object} handle for `remove_user_callback`
   */
  add_user_callback(callback) {
    return this.#hub.user_callbacks.add(callback);
  }

  /** @param {object} handle from `add_user_callback`; an unknown one has no effect */
  remove_user_callback(handle) {
    this.#hub.user_callbacks.remove(handle);
  }

  /**
   * Sign out, on this connection and later ones: what nobody may read becomes empty. `connect` asks for a token again, if
   * there is a function `token`.
   */
  sign_out() {
    this.#hub.sign_out();
  }

  /**
   * Time of the next attempt to connect, in milliseconds since the Unix epoch, like `Date.now()`; undefined unless
   * the client is pausing between two attempts.
   *
   * @returns {number | undefined}
   */
  get next_attempt() {
    return this.#hub.next_attempt;
  }

  /**
   * Connect, and stay connected. May be called any number of times: in a pause between two attempts, the next one
   * is made at once, and if nobody is signed in, a token is asked for. `acquire`, `get` and `update` also connect if the
   * client is idle.
   *
   * @throws {SharedStateError} `closed` after `close`; `bad_option` if there is no WebSocket constructor
   * @throws {DOMException} or whatever that constructor throws for a URL that it rejects
   */
  connect() {
    this.#hub.connect(true);
  }

  /**
   * Close the connection for good. Requests that were not sent are rejected with `closed`, sent ones with
   * `connection_lost`. Datasets keep their items and stay readable.
   */
  close() {
    this.#hub.close();
  }

  [DISPOSE]() {
    this.close();
  }

  /**
   * Get the dataset of a collection, with or without a connection. Acquiring a path again, in whatever spelling,
   * returns the same dataset, with another handle.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {Until} [until] a signal that releases the handle
   * @returns {[Handle, Dataset<T>]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path names a collection; as `connect`
   */
  acquire(path, { signal } = {}) {
    const name = collection_path(path);
    this.#hub.connect();
    let acquired = this.#acquired.get(name);
    if (!acquired) {
      const ds = this._new_dataset(
        name,
        (changes, until) => this.update(name, changes, until),
        this.#hub.calls,
      );
      acquired = { ds, handles: 0 };
      this.#acquired.set(name, acquired);
    }
    acquired.handles++;
    const { ds } = acquired;
    ds._renew();
    this.#hub.acquire(name, ds._replica);
    /** @type {Handle} */
    const handle = Object.freeze(disposable({ path: name }, () => this.release(handle)));
    // Register first: a signal that is already aborted releases it at once.
    let stop = () => {};
    this.#handles.set(handle, () => stop());
    stop = on_abort(signal, () => this.release(handle));
    return [handle, ds];
  }

  /**
   * @internal
   * @param {string} path in normal form
   * @returns {Dataset<any> | undefined} the dataset, if acquired
   */
  _peek(path) {
    return this.#acquired.get(path)?.ds;
  }

  /**
   * @internal
   * @param {ConstructorParameters<typeof Dataset>} args
   * @returns {Dataset<any>}
   */
  _new_dataset(...args) {
    return new Dataset(...args);
  }

  /**
   * @internal
   * @template {{id: string}} T
   * @param {Changes<T>} changes
   * @returns {Changes<T>} as to be sent
   */
  _prepared(changes) {
    return with_ids(changes);
  }

  /**
   * Release a handle. With the last handle of a dataset, the dataset is released: no longer kept in sync, but
   * still readable.
   *
   * @param {object} handle from `acquire`; one that was already released has no effect
   */
  release(handle) {
    const stop = this.#handles.get(handle);
    if (!stop) return;
    stop();
    this.#handles.delete(handle);
    const { path } = /** @type {Handle} */ (handle);
    const acquired = this.#acquired.get(path);
    if (!acquired || --acquired.handles > 0) return;
    this.#acquired.delete(path);
    acquired.ds._release();
    this.#hub.release(path);
  }

  /**
   * Read something from the server, once.
   *
   * @template [R=unknown] type of the result, such as `Todo[]`
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of collections; `/app`:
   *   names of services that hold some of the app; `/`: names of services; `/clock`: the server's time, in seconds
   *   since the Unix epoch
   * @param {Until & {after?: string, limit?: number}} [options] `signal` withdraws the request, unless it was sent.
   *   `after` and `limit` ask for a page of a long list of names: at most so many that follow one, by code point; the
   *   first page is after `""`, the page after the last name is empty. A list that is too long without is `too_large`.
   * @returns {Promise<R>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path, options) {
    const { signal, ...page } = { ...options };
    return this.#hub.request("GET", () => [path, options && page], signal);
  }

  /**
   * Update a collection, acquired or not. See `Dataset.update`.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {Changes<T>} changes not modified
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} number of ids touched. Rejects with a `SharedStateError`; may be ignored, like that
   *   of `Dataset.update`.
   */
  update(path, changes, { signal } = {}) {
    return this.#hub.request("PUT", () => [collection_path(path), this._prepared(changes)], signal);
  }
}
