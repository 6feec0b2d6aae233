/** SharedState in React: hooks. Items are read through `ds.snapshot`, which avoids needless rendering. */

import { useCallback, useMemo, useSyncExternalStore } from "react";
import { LOADING, NOTHING, follow_loading, shown_items } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Initially, Loading } from "./loading.js" */
/** @import { Status } from "../api/options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */

const never = () => () => {};

/**
 * The items of a dataset that was acquired elsewhere.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds undefined: show the initial items, as in server-side rendering
 * @param {Initially<T>} [options]
 * @returns {readonly T[]} a frozen list, in order; the same one until something changes
 */
export function useItems(ds, { initial = NOTHING } = {}) {
  return useSyncExternalStore(
    ds?.subscribe ?? never,
    () => ds?.snapshot ?? initial,
    () => initial,
  );
}

/**
 * One item of a dataset: the component is rendered again only when this item changes.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T> | undefined} ds
 * @param {string} id
 * @returns {T | undefined}
 */
export function useItem(ds, id) {
  return useSyncExternalStore(
    ds?.subscribe ?? never,
    () => ds?.get_item(id),
    () => undefined,
  );
}

/**
 * Keep a collection in sync as long as the component is mounted.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T>} [options]
 * @returns {readonly [readonly T[], Dataset<T> | undefined, Loading]} the items; the dataset; whether the items
 *   are still to come, and why they cannot be loaded. All three belong to this client and path from the first
 *   render on. Until the component is mounted there is no dataset, unless it is already acquired elsewhere
 */
export function useCollection(client, path, { initial = NOTHING } = {}) {
  // The initial items belong to the client and path: a different list does not acquire anew.
  const store = useMemo(() => collection(client, path, initial), [client, path]);
  return useSyncExternalStore(store.subscribe, store.snapshot, store.server_snapshot);
}

/**
 * @template {{id: string}} T
 * @param {CoreClient} client
 * @param {string} path
 * @param {readonly T[]} initial
 */
function collection(client, path, initial) {
  /** @typedef {readonly [readonly T[], Dataset<T> | undefined, Loading]} Shown */
  /** @type {Loading} */
  let loading = LOADING;
  /** @type {Dataset<any> | undefined} */
  let ds = client._peek(collection_path(path));
  /** @type {Shown} */
  const at_first = [initial, undefined, LOADING];
  let shown = at_first;
  return {
    /** @param {() => void} changed */
    subscribe(changed) {
      const [handle, acquired] = client.acquire(path);
      ds = acquired;
      const ends = [
        acquired.subscribe(changed),
        follow_loading(acquired, (state) => {
          loading = state;
          changed();
        }),
      ];
      return () => {
        for (const end of ends) end();
        client.release(handle);
      };
    },
    snapshot() {
      /** @type {Shown} */
      const now = [shown_items(ds, loading, initial), ds, loading];
      if (now.some((each, n) => each !== shown[n])) shown = now;
      return shown;
    },
    server_snapshot: () => at_first,
  };
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
  return useSyncExternalStore(
    subscribe,
    () => client.status,
    () => "idle", // as where nothing is connected
  );
}

/**
 * @param {CoreClient} client
 * @returns {User | null} whose the connection is, null for nobody
 */
export function useUser(client) {
  const subscribe = useCallback(
    (/** @type {() => void} */ callback) => {
      const handle = client.add_user_callback(callback);
      return () => client.remove_user_callback(handle);
    },
    [client],
  );
  return useSyncExternalStore(
    subscribe,
    () => client.user,
    () => null, // as where nothing is connected
  );
}
