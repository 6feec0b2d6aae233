/** SharedState in React: hooks. Items are read through `ds.snapshot`, so that nothing is rendered without need. */

import { useCallback, useEffect, useState, useSyncExternalStore } from "react";

/** @import { SharedStateClient as CoreClient } from "./client.js" */
/** @import { Dataset } from "./dataset.js" */
/** @import { Status } from "./options.js" */
/** @import { Item } from "./replica.js" */

/** @type {readonly any[]} */
const NOTHING = Object.freeze([]);
const never = () => () => {};

/**
 * The items of a dataset that somebody else acquired.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds undefined: no items
 * @returns {readonly T[]} a frozen list, in order; the same one until something changes
 */
export function useItems(ds) {
  const snapshot = () => ds?.snapshot ?? NOTHING;
  return useSyncExternalStore(ds?.subscribe ?? never, snapshot, snapshot);
}

/**
 * One item of a dataset: the component is rendered again only when this one changes.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds
 * @param {string} id
 * @returns {T | undefined}
 */
export function useItem(ds, id) {
  const snapshot = () => ds?.get_item(id);
  return useSyncExternalStore(ds?.subscribe ?? never, snapshot, snapshot);
}

/**
 * Keep a collection in sync as long as the component is mounted.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @returns {[readonly T[], Dataset<T> | undefined]} the items, and the dataset: at the first render, and at the
 *   first one of another client or path, there is none yet
 */
export function useCollection(client, path) {
  const [ds, set_ds] = useState(/** @type {Dataset<T> | undefined} */ (undefined));
  useEffect(() => {
    const [handle, acquired] = client.acquire(path);
    set_ds(/** @type {Dataset<any>} */ (acquired));
    return () => {
      set_ds(undefined);
      client.release(handle);
    };
  }, [client, path]);
  return [useItems(ds), ds];
}

/**
 * @param {CoreClient} client
 * @returns {Status}
 */
export function useStatus(client) {
  const subscribe = useCallback(
    (/** @type {() => void} */ callback) => {
      const handle = client.add_status_callback(callback);
      return () => client.remove_status_callback(handle);
    },
    [client],
  );
  const status = () => client.status;
  return useSyncExternalStore(subscribe, status, status);
}
