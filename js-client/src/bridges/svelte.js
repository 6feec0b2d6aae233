/**
 * SharedState in Svelte: stores, to be read as `$items`.
 *
 * Each subscriber first gets a constant value, so that a server renders, and a page hydrates, the same. Where there is no
 * document, as on a server, nothing comes after it, and nothing is acquired or followed.
 */

import { LOADING, NOTHING, follow_collection, follow_loading } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Initially, Loading } from "./loading.js" */
/** @import { Status } from "../api/options.js" */
/** @import { Item } from "../protocol/replica.js" */

/**
 * What Svelte's contract for stores asks for.
 *
 * @template V
 * @typedef {{subscribe: (run: (value: V) => void) => () => void}} Readable
 */

/**
 * The items of a dataset that was acquired elsewhere.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds undefined: the initial items, as in server-side rendering
 * @param {Initially<T>} [options]
 * @returns {Readable<readonly T[]>} holds a frozen list, in order; first the initial items
 */
export function items(ds, { initial = NOTHING } = {}) {
  return store(initial, (emit) => {
    if (!ds) return () => {};
    const show = () => emit(ds.snapshot);
    const unsubscribe = ds.subscribe(show);
    show();
    return unsubscribe;
  });
}

/**
 * A collection that is kept in sync as long as the store has subscribers.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T>} [options]
 * @returns {Readable<readonly T[]>} first the initial items
 * @throws {SharedStateError} `bad_path`
 */
export function collection(client, path, { initial = NOTHING } = {}) {
  const name = collection_path(path); // refused here, on a server, too
  return store(initial, (emit) => follow_collection(client, name, initial, emit));
}

/**
 * Whether the items of a collection are still to come, and why they cannot be loaded. It keeps the collection in sync, too.
 *
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @returns {Readable<Loading>} first that they are still to come
 * @throws {SharedStateError} `bad_path`
 */
export function loading(client, path) {
  const name = collection_path(path);
  return store(LOADING, (emit) => {
    const [handle, ds] = client.acquire(name);
    const end = follow_loading(ds, emit);
    return () => {
      end();
      client.release(handle);
    };
  });
}

/**
 * @param {CoreClient} client
 * @returns {Readable<Status>} first `idle`, which is what a server renders; outside of components, ask `client.status`
 */
export function status(client) {
  return store(/** @type {Status} */ ("idle"), (emit) => {
    const handle = client.add_status_callback(emit);
    emit(client.status);
    return () => client.remove_status_callback(handle);
  });
}

/**
 * @template V
 * @param {V} first what each subscriber gets at once
 * @param {(emit: (value: V) => void) => () => void} follow begins to emit what comes after it; returns what ends that
 * @returns {Readable<V>}
 */
function store(first, follow) {
  return {
    subscribe(run) {
      let last = first;
      let subscribed = true;
      let end = () => {};
      run(first);
      // A page that hydrates is through with it by then. A component that fails on a server may never unsubscribe.
      if (typeof document !== "undefined") queueMicrotask(begin);
      function begin() {
        if (subscribed) end = follow(emit);
        if (!subscribed) end(); // ended by the value that it just got
      }
      /** @param {V} value */
      function emit(value) {
        if (subscribed && value !== last) run((last = value));
      }
      return () => {
        subscribed = false;
        end();
      };
    },
  };
}
