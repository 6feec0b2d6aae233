import { AcquiredDatasets } from "./acquired.js";
import { with_ids } from "./changes.js";
import { ClientHub } from "./client_hub.js";
import { Dataset } from "./dataset.js";
import { filter_of } from "./filter.js";
import { DISPOSE, disposable, on_abort } from "../util/lifetime.js";
import { cut } from "../protocol/errors.js";
import { collection_path } from "../protocol/paths.js";

/** @import { Acquired } from "./acquired.js" */
/** @import { Changes } from "./changes.js" */
/** @import { FilterOptions } from "./filter.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options, Status } from "./options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */
/** @import { At } from "../protocol/views.js" */

/** @typedef {{path: string} & Disposable} Handle for `release`, or for `using` */

/**
 * @template {{id: string}} [T=Item]
 * @typedef {object} Page
 * @property {T[]} items in order
 * @property {At[] | undefined} at their places in the order of the collection; undefined if it was asked for all
 * @property {At | undefined} before asks for the next page, of older items; undefined if there are no items, or if it was
 *   asked for all
 * @property {boolean} more whether there are older ones
 */

/**
 * A connection to a SharedState server and the datasets that it keeps in sync. It reconnects by itself until it is
 * closed. This is the lean core; `full.js` builds on it.
 */
export class SharedStateClient {
  #hub;
  #datasets = new AcquiredDatasets((path, filter) =>
    this._new_dataset(
      path,
      filter,
      (changes, until) => this.#put(path, changes, until, filter.fields),
      this.#hub.calls,
    ),
  );
  /** @type {Map<object, {acquired: Acquired, stop(): void}>} `stop` listening to the signal, by handle */
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
      (effect) => this.#datasets.of(effect)?._handle(effect),
      (error) => {
        for (const ds of this.#datasets.all())
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
   * Get the dataset of a collection, or of a part of it, with or without a connection. Acquiring a path again, in
   * whatever spelling, with an equal filter returns the same dataset, with another handle; with another filter, another
   * dataset.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until} [options] a filter; a signal that releases the handle
   * @returns {[Handle, Dataset<T>]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path names a collection; `bad_message` if there is something undefined
   *   in the filter; as `connect`
   */
  acquire(path, { signal, ...options } = {}) {
    const name = collection_path(path);
    const [filter, text] = filter_of(options);
    this.#hub.connect();
    const acquired = this.#datasets.acquire(name, filter, text);
    const { ds, view } = acquired;
    ds._renew();
    this.#hub.acquire(name, ds._replica, { view, ...filter });
    /** @type {Handle} */
    const handle = Object.freeze(disposable({ path: name }, () => this.release(handle)));
    const entry = { acquired, stop() {} };
    // Register first: a signal that is already aborted releases it at once.
    this.#handles.set(handle, entry);
    entry.stop = on_abort(signal, () => this.release(handle));
    return [handle, ds];
  }

  /**
   * @internal
   * @param {string} path in normal form
   * @param {FilterOptions} [options]
   * @returns {Dataset<any> | undefined} the dataset, if acquired
   */
  _peek(path, options) {
    return this.#datasets.find(path, filter_of(options)[1]);
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
    const entry = this.#handles.get(handle);
    if (!entry) return;
    entry.stop();
    this.#handles.delete(handle);
    const { acquired } = entry;
    if (!this.#datasets.release(acquired)) return;
    const { ds, view } = acquired;
    ds._release();
    this.#hub.release(ds.path, view);
  }

  /**
   * Read something from the server, once.
   *
   * @template [R=unknown] type of the result, such as `Todo[]`
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of collections; `/app`:
   *   names of services that hold some of the app; `/`: names of services; `/clock`: the server's time, in seconds
   *   since the Unix epoch
   * @param {FilterOptions & Until & {before?: At, after?: string, limit?: number}} [options] a filter, if it is a
   *   collection; `before` as for `page`. `signal` withdraws the request, unless it was sent.
   *   `after` and `limit` ask for a page of a long list of names: at most so many that follow one, by code point; the
   *   first page is after `""`, the page after the last name is empty. A list that is too long without is `too_large`.
   * @returns {Promise<R>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path, options) {
    const { signal, ...arg } = { ...options };
    return this.#hub.request(
      "GET",
      () => [path, options && { ...arg, ...filter_of(arg)[0] }],
      signal,
    );
  }

  /**
   * Read a part of a collection, once: with `last`, its newest items; with `before` too, those before a place in the order,
   * which is the member `before` of a dataset or of another page.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until & {before?: At}} [options]
   * @returns {Promise<Page<T>>} Rejects as `get` does.
   */
  page(path, { signal, before, ...options } = {}) {
    return this.#hub.request(
      "GET",
      () => [path, { before, ...filter_of(options)[0] }],
      signal,
      ({ data: items, at, more }) => ({ items, at, before: at?.[0], more }),
    );
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
  update(path, changes, until) {
    return this.#put(path, changes, until);
  }

  /**
   * @param {string} path
   * @param {Changes<any>} changes
   * @param {Until} [until]
   * @param {readonly string[]} [fields] the members that are known of each item, if not all
   */
  #put(path, changes, { signal } = {}, fields) {
    const make = /** @returns {[string, unknown]} */ () => {
      if (fields && changes?.insert?.length) throw cut();
      return [collection_path(path), this._prepared(changes)];
    };
    return this.#hub.request("PUT", make, signal);
  }
}
