import { Callbacks } from "./callbacks.js";
import { with_ids } from "./changes.js";
import { Dataset } from "./dataset.js";
import { collection_path, normal_path } from "./paths.js";
import { ClientCore } from "./protocol.js";
import { reporter } from "./report.js";
import { closed } from "./requests.js";
import { Socket } from "./socket.js";

/** @typedef {import("./changes.js").Changes} Changes */
/** @typedef {import("./effects.js").Effect | {kind: "status", status: Status}} Effect */
/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./options.js").Status} Status */
/** @typedef {{ds: Dataset, handles: number}} Acquired */
/** @typedef {{resolve: (data: unknown) => void, reject: (error: unknown) => void}} Ticket */

/**
 * A connection to a SharedState server, and the datasets that it keeps in sync. It connects again by
 * itself, for ever, until it is closed.
 */
export class SharedStateClient {
  #url;
  #options;
  #core;
  #report;
  /** @type {Socket | undefined} */
  #socket = undefined;
  /** @type {Status} */
  #status = "idle";
  /** @type {Callbacks<Status>} */
  #status_callbacks;
  /** @type {Map<string, Acquired>} by path */
  #acquired = new Map();
  /** @type {Map<object, string>} paths by handle */
  #handles = new Map();
  /** @type {Effect[]} */
  #effects = [];
  #performing = false;

  /**
   * Nothing is connected yet: `connect`, `acquire`, `get` or `update` does that.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   */
  constructor(url, options = {}) {
    this.#url = url;
    this.#options = options;
    this.#core = new ClientCore({ max_waiting: options.max_queue });
    this.#report = reporter(options.on_error);
    this.#status_callbacks = new Callbacks(this.#report);
  }

  /** @returns {Status} */
  get status() {
    return this.#status;
  }

  /**
   * Have a function called with the new status, each time it changes.
   *
   * @param {(status: Status) => unknown} callback what it throws is reported and disturbs nobody
   * @returns {object} handle for `remove_status_callback`
   */
  add_status_callback(callback) {
    return this.#status_callbacks.add(callback);
  }

  /** @param {object} handle of `add_status_callback`; an unknown one has no effect */
  remove_status_callback(handle) {
    this.#status_callbacks.remove(handle);
  }

  /**
   * Connect, and stay connected. May be called any number of times; `acquire`, `get` and `update` imply it.
   *
   * @throws {SharedStateError} `closed` after `close`
   * @throws {TypeError} if there is no WebSocket constructor
   * @throws {DOMException} or what else that constructor throws for a URL that it does not take
   */
  connect() {
    if (this.#status === "closed") throw closed();
    if (this.#socket) return;
    const { WebSocket = globalThis.WebSocket } = this.#options;
    if (!WebSocket) throw new TypeError("no global WebSocket: give one as options.WebSocket");
    const socket = new Socket(this.#url, WebSocket, {
      opened: () => {
        this.#perform(this.#core.connection_opened());
        this.#set_status("connected");
      },
      text: (text) => this.#perform(this.#core.receive_text(text)),
      lost: () => {
        this.#perform(this.#core.connection_lost());
        if (this.#status === "connected") this.#set_status("reconnecting");
      },
      report: this.#report,
    });
    socket.start();
    this.#socket = socket;
    this.#set_status("connecting");
  }

  /**
   * End the connection for good. Requests that were not sent are rejected with `closed`, those that were
   * with `connection_lost`. Datasets keep what they have and stay readable.
   */
  close() {
    if (this.#status === "closed") return;
    this.#perform(this.#core.close());
    for (const { ds } of this.#acquired.values()) ds._failed(closed());
    this.#socket?.close();
    this.#set_status("closed");
  }

  /**
   * Get the dataset of a collection, with or without a connection. However often and in whatever spelling
   * a path is acquired, the dataset is the same; each time gives a handle of its own.
   *
   * @param {string} path `/app/service/collection`
   * @returns {[object, Dataset]} handle for `release`, and the dataset
   * @throws {SharedStateError} `bad_path` unless the path has three segments; `closed` after `close`
   */
  acquire(path) {
    const name = collection_path(path);
    this.connect();
    let acquired = this.#acquired.get(name);
    if (!acquired) {
      const ds = new Dataset(name, (changes) => this.update(name, changes), this.#report);
      acquired = { ds, handles: 0 };
      this.#acquired.set(name, acquired);
    }
    acquired.handles++;
    const { ds } = acquired;
    ds._asked();
    this.#perform(this.#core.subscribe(name, ds._replica));
    const handle = Object.freeze({ path: name });
    this.#handles.set(handle, name);
    return [handle, ds];
  }

  /**
   * Give a handle back. With the last one of a dataset, the dataset is released: no longer kept in sync,
   * still readable.
   *
   * @param {object} handle of `acquire`; one that was given back has no effect
   */
  release(handle) {
    const name = this.#handles.get(handle);
    const acquired = name === undefined ? undefined : this.#acquired.get(name);
    if (name === undefined || !acquired) return;
    this.#handles.delete(handle);
    if (--acquired.handles > 0) return;
    this.#acquired.delete(name);
    acquired.ds._release();
    this.#perform(this.#core.unsubscribe(name));
  }

  /**
   * Ask the server for something, once.
   *
   * @param {string} path `/app/service/collection`: a list of items; `/app/service`: names of
   *   collections; `/`: names of services; `/clock`: the server's time, in seconds since the Unix epoch
   * @returns {Promise<any>} Rejects with a `SharedStateError`, as `Dataset.update` does.
   */
  get(path) {
    return this.#request("GET", () => [path, undefined]);
  }

  /**
   * Change a collection, acquired or not. See `Dataset.update`.
   *
   * @param {string} path `/app/service/collection`
   * @param {Changes} changes not modified
   * @returns {Promise<any>} number of ids touched. Rejects with a `SharedStateError`; may be ignored.
   */
  update(path, changes) {
    return this.#request("PUT", () => [collection_path(path), with_ids(changes)]);
  }

  /**
   * @param {"GET" | "PUT"} cmd
   * @param {() => [string, unknown]} make path and argument
   * @returns {Promise<any>}
   */
  #request(cmd, make) {
    const promise = new Promise((resolve, reject) => {
      // What this throws rejects the promise.
      const [path, arg] = make();
      this.connect();
      this.#perform(this.#core.request({ resolve, reject }, cmd, normal_path(path), arg));
    });
    // Allows to ignore the promise; whoever awaits it still gets the error.
    promise.catch(() => {});
    return promise;
  }

  /**
   * Perform effects in the order the core returned them, also if a callback asks for more meanwhile.
   *
   * @param {Effect[]} effects
   */
  #perform(effects) {
    for (const effect of effects) this.#effects.push(effect);
    if (this.#performing) return;
    this.#performing = true;
    // A list grows while it is walked; everything added is visited.
    for (const effect of this.#effects) this.#perform_one(effect);
    this.#effects = [];
    this.#performing = false;
  }

  /** @param {Effect} effect */
  #perform_one(effect) {
    if (effect.kind === "send") {
      this.#socket?.send(effect.text);
    } else if (effect.kind === "settle") {
      const { resolve, reject } = /** @type {Ticket} */ (effect.ticket);
      if (effect.error) reject(effect.error);
      else resolve(effect.data);
    } else if (effect.kind === "report") {
      this.#report(effect.error);
    } else if (effect.kind === "status") {
      this.#status_callbacks.call(effect.status);
    } else {
      const ds = this.#acquired.get(effect.path)?.ds;
      // Released, and perhaps acquired anew, by a callback just now.
      if (ds?._replica !== effect.replica) return;
      if (effect.kind === "diffs") ds._tell(effect.diffs);
      else if (effect.kind === "synced") ds._synced();
      else {
        ds._failed(effect.error);
        this.#report(effect.error);
      }
    }
  }

  /** @param {Status} status */
  #set_status(status) {
    this.#status = status;
    // In line with the other effects: a callback that closes the client is told so after "connected", not
    // before.
    this.#perform([{ kind: "status", status }]);
  }
}
