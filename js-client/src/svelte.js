/** SharedState in Svelte: stores, to be read as `$items`. */

import { LOADING, follow_loading } from "./loading.js";

/** @import { SharedStateClient as CoreClient } from "./client.js" */
/** @import { Dataset } from "./dataset.js" */
/** @import { Loading } from "./loading.js" */
/** @import { Status } from "./options.js" */
/** @import { Item } from "./replica.js" */

/**
 * What Svelte's contract for stores asks for.
 *
 * @template V
 * @typedef {{subscribe: (run: (value: V) => void) => () => void}} Readable
 */

/**
 * The items of a dataset that somebody else acquired.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T>} ds
 * @returns {Readable<readonly T[]>} holds a frozen list, in order
 */
export function items(ds) {
  return {
    subscribe(run) {
      run(ds.snapshot);
      return ds.subscribe(() => run(ds.snapshot));
    },
  };
}

/**
 * A collection that is kept in sync as long as somebody subscribes to the store.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @returns {Readable<readonly T[]>}
 */
export function collection(client, path) {
  return {
    subscribe(run) {
      const [handle, ds] = client.acquire(path);
      const unsubscribe = items(/** @type {Dataset<any>} */ (ds)).subscribe(run);
      return () => {
        unsubscribe();
        client.release(handle);
      };
    },
  };
}

/**
 * Whether the items of a collection are still to come, and why they do not. It keeps the collection in sync, too.
 *
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @returns {Readable<Loading>}
 */
export function loading(client, path) {
  return {
    subscribe(run) {
      const [handle, ds] = client.acquire(path);
      run(LOADING);
      const end = follow_loading(ds, run);
      return () => {
        end();
        client.release(handle);
      };
    },
  };
}

/**
 * @param {CoreClient} client
 * @returns {Readable<Status>} each subscriber hears `idle` first, which is what a server renders, and at once after it
 *   what the status is; outside of components, ask `client.status`
 */
export function status(client) {
  return {
    subscribe(run) {
      let subscribed = true;
      run("idle");
      const handle = client.add_status_callback(run);
      // A page that hydrates is through with it by then.
      queueMicrotask(() => subscribed && run(client.status));
      return () => {
        subscribed = false;
        client.remove_status_callback(handle);
      };
    },
  };
}
