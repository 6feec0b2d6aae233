/** SharedState in Vue: composables. They end with the component, or the effect scope, that they are used in. */

import { onScopeDispose, shallowReadonly, shallowRef } from "vue";

/** @import { ShallowRef } from "vue" */
/** @import { SharedStateClient as CoreClient } from "./client.js" */
/** @import { Dataset } from "./dataset.js" */
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
 * @returns {[Readonly<ShallowRef<readonly T[]>>, Dataset<T>]} the items, and the dataset
 */
export function useCollection(client, path) {
  const [handle, ds] = client.acquire(path);
  onScopeDispose(() => client.release(handle));
  const typed = /** @type {Dataset<any>} */ (ds);
  return [useItems(typed), typed];
}

/**
 * @param {CoreClient} client
 * @returns {Readonly<ShallowRef<Status>>}
 */
export function useStatus(client) {
  const status = shallowRef(client.status);
  const handle = client.add_status_callback(() => (status.value = client.status));
  onScopeDispose(() => client.remove_status_callback(handle));
  return shallowReadonly(status);
}
