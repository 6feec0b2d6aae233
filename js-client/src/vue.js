/** SharedState in Vue: composables. They end with the component, or the effect scope, that they are used in. */

import {
  getCurrentInstance,
  getCurrentScope,
  onMounted,
  onScopeDispose,
  shallowReadonly,
  shallowRef,
} from "vue";
import { LOADING, follow_loading } from "./loading.js";

/** @import { ShallowRef } from "vue" */
/** @import { SharedStateClient as CoreClient } from "./client.js" */
/** @import { Dataset } from "./dataset.js" */
/** @import { Loading } from "./loading.js" */
/** @import { Status } from "./options.js" */
/** @import { Item } from "./replica.js" */

/**
 * The items of a dataset that somebody else acquired.
 *
 * @template {{id: string}} [T=Item]
 * @param {Dataset<T>} ds
 * @returns {Readonly<ShallowRef<readonly T[]>>} holds a frozen list, in order
 */
export function useItems(ds) {
  const items = shallowRef(ds.snapshot);
  onScopeDispose(ds.subscribe(() => (items.value = ds.snapshot)));
  return shallowReadonly(items);
}

/**
 * Keep a collection in sync as long as the component is mounted.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @returns {[Readonly<ShallowRef<readonly T[]>>, Dataset<T>, Readonly<ShallowRef<Loading>>]} the items; the dataset;
 *   whether the items are still to come, and why they do not
 */
export function useCollection(client, path) {
  const [handle, ds] = client.acquire(path);
  onScopeDispose(() => client.release(handle));
  const typed = /** @type {Dataset<any>} */ (ds);
  const loading = shallowRef(LOADING);
  onScopeDispose(follow_loading(typed, (state) => (loading.value = state)));
  return [useItems(typed), typed, shallowReadonly(loading)];
}

/**
 * @param {CoreClient} client
 * @returns {Readonly<ShallowRef<Status>>} in a component `idle` until it is mounted, which is what a server renders
 */
export function useStatus(client) {
  /** @type {ShallowRef<Status>} */
  const status = shallowRef("idle");
  const scope = getCurrentScope();
  const follow = () => {
    status.value = client.status;
    const handle = client.add_status_callback((now) => (status.value = now));
    onScopeDispose(() => client.remove_status_callback(handle));
  };
  const component = getCurrentInstance();
  if (!component || component.isMounted) follow();
  else onMounted(() => scope?.active && scope.run(follow));
  return shallowReadonly(status);
}
