/**
 * SharedState in Vue: composables. They end with the component or the effect scope in which they are used.
 *
 * In a component their values are constant until it is mounted, so that a server renders, and a page hydrates, the
 * same; a server, where nothing is ever mounted, acquires and follows nothing.
 */

import {
  getCurrentInstance,
  getCurrentScope,
  onMounted,
  onScopeDispose,
  shallowReadonly,
  shallowRef,
  toValue,
  watch,
} from "vue";
import { filter_of } from "../api/filter.js";
import { Follower, LOADING, NOTHING } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { MaybeRefOrGetter, ShallowRef } from "vue" */
/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Dataset as FullDataset, SharedStateClient } from "../extras/full.js" */
/** @import { Where } from "../api/filter.js" */
/** @import { Initially, Loading } from "./loading.js" */
/** @import { Status } from "../api/options.js" */
/** @import { User } from "../protocol/effects.js" */
/** @import { Item } from "../protocol/replica.js" */

/**
 * The items of a dataset that was acquired elsewhere.
 *
 * @template {{id: string}} [T=Item]
 * @param {MaybeRefOrGetter<Dataset<T> | undefined>} ds undefined: show the initial items, as in server-side
 *   rendering
 * @param {Initially<T>} [options]
 * @returns {Readonly<ShallowRef<readonly T[]>>} holds a frozen list, in order; in a component the initial items until it
 *   is mounted
 */
export function useItems(ds, { initial = NOTHING } = {}) {
  const items = shallowRef(initial);
  once_mounted(() =>
    watch(
      () => toValue(ds),
      (now, _before, on_cleanup) => {
        const show = () => (items.value = now?.snapshot ?? initial);
        if (now) on_cleanup(now.subscribe(show));
        show();
      },
      { immediate: true, flush: "sync" },
    ),
  );
  return shallowReadonly(items);
}

/**
 * @typedef {object} FilterSources
 * @property {MaybeRefOrGetter<Where | undefined>} [where] only items for which this holds
 * @property {MaybeRefOrGetter<number | undefined>} [last] only so many: the newest
 * @property {MaybeRefOrGetter<readonly string[] | undefined>} [fields] only these members of each item, and `id`
 */

/**
 * What of a collection is kept in sync: its items, its dataset, and whether the items are still to come, or why they cannot
 * be loaded.
 *
 * @template {{id: string}} T
 * @template D
 * @typedef {[Readonly<ShallowRef<readonly T[]>>, Readonly<ShallowRef<D | undefined>>, Readonly<ShallowRef<Loading>>]} Kept
 */

/**
 * Keep a collection, or a part of it, in sync as long as the component is mounted.
 *
 * @template {{id: string}} [T=Item]
 * @overload
 * @param {SharedStateClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T> & FilterSources} [options] what of the filter is a ref or a getter may change: then the items and the
 *   dataset stay until the new ones have come, and items that stay are the same objects
 * @returns {Kept<T, FullDataset<T>>} in a component, until it is mounted: the initial items, no dataset, still to come
 * @throws {SharedStateError} `bad_path`; `bad_message` if there is something undefined in the filter
 */
/**
 * The same with a client of the lean core, whose datasets are lean, too.
 *
 * @template {{id: string}} [T=Item]
 * @overload
 * @param {CoreClient} client
 * @param {string} path
 * @param {Initially<T> & FilterSources} [options]
 * @returns {Kept<T, Dataset<T>>}
 */
/**
 * @param {CoreClient} client
 * @param {string} path
 * @param {Initially<any> & FilterSources} [options]
 * @returns {Kept<any, any>}
 */
export function useCollection(client, path, { initial = NOTHING, where, last, fields } = {}) {
  const name = collection_path(path); // refused here, even on a server
  const filter = () => ({ where: toValue(where), last: toValue(last), fields: toValue(fields) });
  filter_of(filter()); // this, too
  const items = shallowRef(initial);
  /** @type {ShallowRef<Dataset<any> | undefined>} */
  const ds = shallowRef();
  const loading = shallowRef(LOADING);
  once_mounted(() => {
    const show = () => {
      [items.value, ds.value, loading.value] = follower.current;
    };
    /** @type {Follower<any>} */
    const follower = new Follower(client, name, filter(), initial, show);
    show();
    // Its text depends on all that is in it.
    watch(
      () => filter_of(filter())[1],
      () => follower.choose(filter()),
    );
    onScopeDispose(() => follower.end());
  });
  return [shallowReadonly(items), shallowReadonly(ds), shallowReadonly(loading)];
}

/**
 * @param {CoreClient} client
 * @returns {Readonly<ShallowRef<Status>>} in a component `idle` until it is mounted, which is what a server renders
 */
export function useStatus(client) {
  /** @type {ShallowRef<Status>} */
  const status = shallowRef("idle");
  once_mounted(() => {
    status.value = client.status;
    const handle = client.add_status_callback((now) => (status.value = now));
    onScopeDispose(() => client.remove_status_callback(handle));
  });
  return shallowReadonly(status);
}

/**
 * @param {CoreClient} client
 * @returns {Readonly<ShallowRef<User | null>>} whose the connection is, null for nobody; in a component null until it is
 *   mounted, which is what a server renders
 */
export function useUser(client) {
  /** @type {ShallowRef<User | null>} */
  const user = shallowRef(null);
  once_mounted(() => {
    user.value = client.user;
    const handle = client.add_user_callback((now) => (user.value = now));
    onScopeDispose(() => client.remove_user_callback(handle));
  });
  return shallowReadonly(user);
}

/**
 * Follow in a component once it is mounted, which never happens on a server; outside of components, at once.
 *
 * @param {() => unknown} follow called in the current scope
 */
function once_mounted(follow) {
  const scope = getCurrentScope();
  const component = getCurrentInstance();
  if (!component || component.isMounted) follow();
  else onMounted(() => scope?.active && scope.run(follow));
}
