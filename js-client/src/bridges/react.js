/** SharedState in React: hooks. Items are read through `ds.snapshot`, which avoids needless rendering. */

import { useCallback, useEffect, useMemo, useSyncExternalStore } from "react";
import { filter_of } from "../api/filter.js";
import { Follower, LOADING, NOTHING, shown_items } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Dataset as FullDataset, SharedStateClient } from "../extras/full.js" */
/** @import { FilterOptions } from "../api/filter.js" */
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
 * Keep a collection, or a part of it, in sync as long as the component is mounted.
 *
 * @template {{id: string}} [T=Item]
 * @overload
 * @param {SharedStateClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T> & FilterOptions} [options] the filter may be written where it is used: only a change of what it says
 *   counts. Then the items and the dataset stay until the new ones have come, and items that stay are the same objects
 * @returns {readonly [readonly T[], FullDataset<T> | undefined, Loading]} the items; the dataset; whether the items
 *   are still to come, and why they cannot be loaded. All three belong to this client and path from the first
 *   render on. Until the component is mounted there is no dataset, unless it is already acquired elsewhere
 */
/**
 * The same with a client of the lean core, whose datasets are lean, too.
 *
 * @template {{id: string}} [T=Item]
 * @overload
 * @param {CoreClient} client
 * @param {string} path
 * @param {Initially<T> & FilterOptions} [options]
 * @returns {readonly [readonly T[], Dataset<T> | undefined, Loading]}
 */
/**
 * @param {CoreClient} client
 * @param {string} path
 * @param {Initially<any> & FilterOptions} [options]
 * @returns {readonly [readonly any[], any, Loading]}
 */
export function useCollection(client, path, { initial = NOTHING, ...filter } = {}) {
  const [, text] = filter_of(filter);
  // The initial items belong to the client and path: a different list does not acquire anew.
  const store = useMemo(() => collection(client, path, filter, text, initial), [client, path]);
  const shown = useSyncExternalStore(store.subscribe, store.snapshot, store.server_snapshot);
  const chosen = store.text === text;
  useEffect(() => store.choose(filter, text), [store, text]);
  // What was chosen in this rendering is asked for after it.
  return chosen ? shown : [shown[0], shown[1], LOADING];
}

/**
 * @template {{id: string}} T
 * @param {CoreClient} client
 * @param {string} path
 * @param {FilterOptions} filter
 * @param {string | undefined} text of the filter
 * @param {readonly T[]} initial
 */
function collection(client, path, filter, text, initial) {
  /** @typedef {readonly [readonly T[], Dataset<T> | undefined, Loading]} Shown */
  const ds = client._peek(collection_path(path), filter);
  /** @type {Follower<T> | undefined} */
  let follower;
  /** @type {() => Shown} */
  let current = () => [shown_items(ds, LOADING, initial), ds, LOADING];
  /** @type {Shown} */
  const at_first = [initial, undefined, LOADING];
  let shown = at_first;
  return {
    text,
    /** @param {() => void} changed */
    subscribe(changed) {
      const made = (follower = new Follower(client, path, filter, initial, changed));
      current = () => made.current;
      return () => {
        made.end();
        follower = undefined;
      };
    },
    /** @param {FilterOptions} now @param {string | undefined} its_text */
    choose(now, its_text) {
      filter = now;
      this.text = its_text;
      follower?.choose(now);
    },
    snapshot() {
      const now = current();
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
