/** The full client: the core, and what is built on it. */

import { plain_changes } from "./validation.js";
import { SharedStateClient as CoreClient } from "../api/client.js";
import { Clock } from "./clock.js";
import { Dataset as CoreDataset } from "../api/dataset.js";
import { Deferred } from "../util/deferred.js";
import { SharedStateError } from "../protocol/errors.js";
import { iterate } from "./iteration.js";
import { SharedObject } from "./object.js";
import { check } from "../api/options.js";
import { transact } from "./transaction.js";

/** @import { Members } from "../api/changes.js" */
/** @import { Handle } from "../api/client.js" */
/** @import { FilterOptions } from "../api/filter.js" */
/** @import { Until } from "../util/lifetime.js" */
/** @import { Options } from "../api/options.js" */
/** @import { Diff, Item } from "../protocol/replica.js" */

/**
 * The local copy of one collection.
 *
 * @template {{id: string}} [T=Item]
 * @extends {CoreDataset<T>}
 */
export class Dataset extends CoreDataset {
  /** @internal recent conflicts, the duration of the last attempt in milliseconds, and the end of the last transaction */
  _contention = { conflicts: 0, attempt: 0, turn: Promise.resolve() };
  /**
   * @internal resolves at the next version; rejects while the server refuses the subscription
   * @type {Deferred<void>}
   */
  _moved = new Deferred();
  #ended = new AbortController();

  /**
   * The state that the dataset shows, for `if`; undefined before the first sync, and with a server of level 1.
   *
   * @returns {import("../api/changes.js").Cursor | undefined}
   */
  get cursor() {
    const { epoch, version } = this._replica;
    return epoch === undefined || version === undefined ? undefined : { epoch, version };
  }

  /**
   * Set members of one item, and keep the others, whoever changes them meanwhile.
   *
   * @param {string} id of the item
   * @param {Members<T>} members values by name, or by JSON Pointer; see `Patch` for what else an `update`
   *   can do to members
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} 1. Rejects as `update` does, with `mismatch` if there is no such item. May be ignored.
   */
  patch(id, members, until) {
    return this.update({ patch: [{ id, set: members }] }, until);
  }

  /**
   * Add to a number in an item: nothing is lost, however many do so at once.
   *
   * @param {string} id of the item
   * @param {string} member its name, or a JSON Pointer; it begins at 0
   * @param {number} [by] default 1
   * @param {Until} [until] a signal that withdraws the request, unless it was sent
   * @returns {Promise<number>} 1. Rejects as `update` does, with `mismatch` if there is no such item, or the member is no
   *   number. May be ignored.
   */
  increment(id, member, by = 1, until = undefined) {
    return this.update({ patch: [{ id, inc: { [member]: by } }] }, until);
  }

  /**
   * Read, decide and write in isolation. The function gets a `Transaction`, through which it reads the dataset,
   * with its own writes so far, and writes with `update`. When it returns, the batch is sent on the condition that
   * nothing it read has changed. If something has, nothing is applied, and the function runs again after a random
   * pause: it should have no other effects. Pauses grow with the number of conflicts, up to a second, so that
   * every writer gets through. Transactions of one dataset run one after the other, in the order of the calls.
   *
   * @template R
   * @param {(transaction: import("./transaction.js").Transaction<T>) => R} run may be async
   * @returns {Promise<Awaited<R>>} what the function returned. Rejects with what it threw, or like `update`; with
   *   `conflict` after 100 runs. May be ignored.
   */
  transaction(run) {
    const promise = transact(this, run);
    promise.catch(() => {});
    return promise;
  }

  /**
   * The changes as they arrive, for `for await`. Changes that arrive while the loop is busy are merged into one
   * list. It ends when the dataset is released or the client is closed.
   *
   * @param {Until} [until] a signal that ends it
   * @returns {AsyncIterableIterator<Diff<T>[]>}
   */
  changes({ signal } = {}) {
    return iterate(this.subscribe, [signal, this.#ended.signal]);
  }

  [Symbol.asyncIterator]() {
    return this.changes();
  }

  /**
   * @internal
   * @override
   * @param {import("../api/client_hub.js").DatasetEffect} effect
   */
  _handle(effect) {
    super._handle(effect);
    if (effect.kind === "refused") return;
    this._moved.resolve();
    this._moved = new Deferred();
  }

  /** @internal @override */
  _renew() {
    super._renew();
    if (this._moved.failed) this._moved = new Deferred();
  }

  /**
   * @internal
   * @override
   * @param {SharedStateError} error
   * @param {boolean} [over]
   */
  _failed(error, over) {
    super._failed(error);
    this._moved.reject(error);
    if (over) this.#ended.abort();
  }
}

/** Options of a dataset. */
const PART = ["where", "last", "fields", "signal"];
/** Options of a read. */
const READ = [...PART, "before", "after", "limit"];

/**
 * Without its filter, a misspelt option would ask for the whole collection, in silence.
 *
 * @param {object | undefined} options
 * @param {string[]} known
 * @returns {SharedStateError | undefined}
 */
function unknown_option(options, known) {
  const name = Object.keys(options ?? {}).find((each) => !known.includes(each));
  return name === undefined
    ? undefined
    : new SharedStateError("bad_option", `${name}: unknown option`);
}

/**
 * A connection to a SharedState server and the datasets that it keeps in sync. It reconnects by itself until it is
 * closed.
 */
export class SharedStateClient extends CoreClient {
  /** @type {WeakMap<object, Map<string, SharedObject<any>>>} by dataset and id */
  #objects = new WeakMap();
  /** @type {Clock | undefined} */
  #clock;

  /**
   * It does not connect yet: `connect`, `acquire`, `get` or `update` will.
   *
   * @param {string} url `ws://host:port` or `wss://host:port`
   * @param {Options} [options]
   * @throws {SharedStateError} `bad_url`, or `bad_option`: an unknown option, or an invalid value
   */
  constructor(url, options = {}) {
    check(url, options);
    super(url, options);
  }

  /** The server's clock; it costs nothing until it is used. */
  get clock() {
    return (this.#clock ??= new Clock(() => /** @type {Promise<number>} */ (this.get("/clock"))));
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
   * @throws {SharedStateError} `bad_path` unless the path names a collection; `bad_option` for an unknown option;
   *   `bad_message` if there is something undefined in the filter; as `connect`
   */
  acquire(path, options) {
    const fault = unknown_option(options, PART);
    if (fault) throw fault;
    return /** @type {[Handle, Dataset<T>]} */ (super.acquire(path, options));
  }

  /**
   * @override
   * @template [R=unknown]
   * @param {Parameters<CoreClient["get"]>} args
   * @returns {Promise<R>} Rejects also with `bad_option`, for an unknown option.
   */
  get(...args) {
    const fault = unknown_option(args[1], READ);
    return fault ? Promise.reject(fault) : super.get(...args);
  }

  /**
   * @override
   * @template {{id: string}} [T=Item]
   * @param {Parameters<CoreClient["page"]>} args
   * @returns {Promise<import("../api/client.js").Page<T>>} Rejects also with `bad_option`, for an unknown option.
   */
  page(...args) {
    const fault = unknown_option(args[1], READ);
    return fault ? Promise.reject(fault) : super.page(...args);
  }

  /**
   * Go through a list of names page by page, however long it is: `for await (const names of client.pages(path))`. Names
   * are sorted by code point. Each page is what is there when it is read.
   *
   * @param {string} path `/app/service`: names of collections; `/apps`: names of apps
   * @param {{limit?: number} & Until} [options] `limit`: names of a page at most; default: as many as the server gives
   * @returns {AsyncGenerator<string[], void, void>} Throws as `get` rejects.
   */
  async *pages(path, options) {
    let after = "";
    for (;;) {
      const names = /** @type {string[]} */ (await this.get(path, { ...options, after }));
      const last = names.at(-1);
      // A server that knows no pages gives all names, each time.
      if (last === undefined || last === after) return;
      yield names;
      after = last;
    }
  }

  /**
   * Get a list that is stored in one item of a collection.
   *
   * @template {{id: string}} [T=Item]
   * @param {string} path `/app/service/collection`
   * @param {string} id of the item
   * @param {Until} [until] a signal that releases the handle
   * @returns {[Handle, SharedObject<T>]} handle for `release`, and the object: the same one each time, while any
   *   handle of the collection is held
   * @throws {SharedStateError} as `acquire`
   */
  acquire_object(path, id, until) {
    const [handle, ds] = this.acquire(path, until);
    const objects = this.#objects.get(ds) ?? new Map();
    this.#objects.set(ds, objects);
    const object = objects.get(id) ?? new SharedObject(ds, id);
    objects.set(id, object);
    return [handle, object];
  }

  /**
   * @internal
   * @override
   * @template {{id: string}} T
   * @param {import("../api/changes.js").Changes<T>} changes
   */
  _prepared(changes) {
    return plain_changes(changes);
  }

  /**
   * @internal
   * @override
   * @param {ConstructorParameters<typeof CoreDataset>} args
   * @returns {Dataset<any>}
   */
  _new_dataset(...args) {
    return new Dataset(...args);
  }
}
