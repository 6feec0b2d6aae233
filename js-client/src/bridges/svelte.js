/**
 * SharedState in Svelte: stores, to be read as `$items`.
 *
 * Each subscriber first gets a constant value, so that a server renders, and a page hydrates, the same. Without a
 * document, as on a server, nothing follows, and nothing is acquired or followed.
 */

import { LOADING, NOTHING, follow_collection, follow_loading } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Initially, Loading } from "./loading.js" */
/** @import { Status } from "../api/options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */

/**
 * Svelte's store contract.
 *
 * @template V
 * @typedef {{subscribe: (run: (value: V) => void) => () => void}} Readable
 */

/**
 * The items of a dataset that was acquired elsewhere.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds undefined: show the initial items, as in server-side rendering
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
 * A collection that is kept in sync while the store has subscribers.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T>} [options]
 * @returns {Readable<readonly T[]>} first the initial items
 * @throws {SharedStateError} `bad_path`
 */
export function collection(client, path, { initial = NOTHING } = {}) {
  const name = collection_path(path); // refused here, even on a server
  return store(initial, (emit) => follow_collection(client, name, initial, emit));
}

/**
 * Whether the items of a collection are still to come, and why they cannot be loaded. It keeps the collection in
 * sync too.
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
 * @returns {Readable<Status>} first `idle`, which is what a server renders; outside of components, use
 *   `client.status`
 */
export function status(client) {
  return store(/** @type {Status} */ ("idle"), (emit) => {
    const handle = client.add_status_callback(emit);
    emit(client.status);
    return () => client.remove_status_callback(handle);
  });
}

/**
 * @param {CoreClient} client
 * @returns {Readable<User | null>} whose the connection is, null for nobody; first null, which is what a server renders
 */
export function user(client) {
  return store(/** @type {User | null} */ (null), (emit) => {
    const handle = client.add_user_callback(emit);
    emit(client.user);
    return () => client.remove_user_callback(handle);
  });
}

/**
 * @template V
 * @param {V} first the value that each subscriber gets at once
 * @param {(emit: (value: V) => void) => () => void} follow begins to emit later values; returns a function that
 *   ends it
 * @returns {Readable<V>}
 */
function store(first, follow) {
  return {
    subscribe(run) {
      let last = first;
      let subscribed = true;
      let end = () => {};
      run(first);
      // By then a page has hydrated. A component that fails on a server may never unsubscribe.
      if (typeof document !== "undefined") queueMicrotask(begin);
      function begin() {
        if (subscribed) end = follow(emit);
        if (!subscribed) end(); // the value just emitted has ended it
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
