import { with_ids } from "./changes.js";
import { ClientHub } from "./client_hub.js";
import { Dataset } from "./dataset.js";
import { DISPOSE, disposable, on_abort } from "../util/lifetime.js";
import { collection_path } from "../protocol/paths.js";

/** @import { Changes } from "./changes.js" */
/** @import { Disposable } from "../util/disposable.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options, Status } from "./options.js" */
/** @import { Item } from "../protocol/replica.js" */

/** @typedef {{path: string} & Disposable} Handle given back by `release`, or by `using` */
/** @typedef {{ds: Dataset<any>, handles: number}} Acquired */

/**
 * A connection to a SharedState server, and the datasets that it keeps in sync. It reconnects by itself
 * until it is closed. This is the core; `full.js` builds on it.
 */
export class SharedStateClient {
  #hub;
  /** @type {Map<string, Acquired>} by path */
  #acquired = new Map();
  /** @type {Map<object, () => void>} what stops listening to the signal, by handle */
  #handles = new Map();

  /**
   * Nothing is connected yet: `connect`, `acquire`, `get` or `update` does that.
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
   * @param {(status: Status) => unknown} callback what it throws is reported and affects nothing else
   * @returns {object} handle for `remove_status_callback`
   */
  add_status_callback(callback) {
    return this.#hub.status_callbacks.add(callback);
  }

  /** @param {object} handle of `add_status_callback`; an unknown one has no effect */
  remove_status_callback(handle) {
    this.#hub.status_callbacks.remove(handle);
  }

  /**
   * Time of the next attempt to connect, in milliseconds since the Unix epoch, as `Date.now()` counts;
   * undefined unless there is a pause between two attempts.
   *
   * @returns {number | undefined}
   */
  get next_attempt() {
    return this.#hub.next_attempt;
  }

  /**
   * Connect, and stay connected. May be called any number of times: in a pause between two attempts, the next one is
   * made at once. `acquire`, `get` and `update` connect, too, if the client is idle.
   *
   * @throws {SharedStateError} `closed` after `close`
   * @throws {TypeError} if there is no WebSocket constructor
   * @throws {DOMException} or whatever that constructor throws for a URL that it rejects
   */
  connect() {
    this.#hub.connect(true);
  }

  /**
   * End the connection for good. Requests that were not sent are rejected with `closed`, those that were
   * with `connection_lost`. Datasets keep what they have and stay readable.
   */
  close() {
    this.#hub.close();
  }

  [DISPOSE]() {
    this.close();
  }

  /**
   * Get the dataset of a collection, with or without a connection. However often and in whatever spelling
   * a path is acquired, the dataset is the same; each time gives a handle of its own.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {Until} [until] a signal that releases the handle
   * @returns {[Handle, Dataset<T>]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path has three segments; `closed` after `close`
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
    // Registered first: a signal that is aborted already releases it at once.
    let stop = () => {};
    this.#handles.set(handle, () => stop());
    stop = on_abort(signal, () => this.release(handle));
    return [handle, ds];
  }

  /**
   * @internal
   * @param {string} path in its one spelling
   * @returns {Dataset<any> | undefined} the dataset, if it is acquired
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
   * @returns {Changes<T>} as they are sent
   */
  _prepared(changes) {
    return with_ids(changes);
  }

  /**
   * Give a handle back. With the last one of a dataset, the dataset is released: no longer kept in sync,
   * still readable.
   *
   * @param {object} handle of `acquire`; one that was given back has no effect
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
   * @template [R=unknown] what it is, such as `Todo[]`
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of
   *   collections; `/app`: names of the services that hold such; `/`: names of services; `/clock`: the server's time, in seconds since the Unix epoch
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<R>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path, { signal } = {}) {
    return this.#hub.request("GET", () => [path, undefined], signal);
  }

  /**
   * Change a collection, acquired or not. See `Dataset.update`.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {Changes<T>} changes not modified
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} number of ids touched. Rejects with a `SharedStateError`; may be ignored, as that of
   *   `Dataset.update`.
   */
  update(path, changes, { signal } = {}) {
    return this.#hub.request("PUT", () => [collection_path(path), this._prepared(changes)], signal);
  }
}
