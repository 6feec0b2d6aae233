/**
 * SharedState as a collection of TanStack DB, for its live queries and optimistic changes.
 *
 * The application's inserts, updates and deletes are shown at once and sent as one update; if that is refused,
 * they are rolled back. Of an updated item, only the changed members are written over its present state, so that
 * others' changes to other members stay. The collection is kept in sync while TanStack DB uses it; with
 * `syncMode: "on-demand"` only those parts of it that queries ask for.
 */

import { follow_loading } from "./loading.js";
import { Subsets } from "./tanstack_subsets.js";

/** @import { CollectionConfig, DeleteMutationFnParams, InsertMutationFnParams, SyncConfig, UpdateMutationFnParams } from "@tanstack/db" */
/** @import { SharedStateClient } from "../extras/full.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Item } from "../protocol/replica.js" */

/**
 * Options for `createCollection`.
 *
 * @template {{id: string}} [T=Item]
 * @param {SharedStateClient} client a full client
 * @param {string} path `/app/service/collection`; also the id of the collection, unless `options` has another one
 * @param {Partial<CollectionConfig<T, string>>} [options] further options. With `syncMode: "on-demand"` each query has what it
 *   needs of the collection, by `eq`, `gt`, `gte`, `lt`, `lte`, `inArray`, `isNull`, `isUndefined`, `and`, `or`, `not`; what
 *   cannot be said so is loaded with all that the rest of its condition lets through
 * @returns {CollectionConfig<T, string>}
 */
export function collection_options(client, path, options = {}) {
  const is_on_demand = options.syncMode === "on-demand";
  /** @param {InsertMutationFnParams<T, string>} change */
  const insert = ({ transaction }) =>
    client.update(path, {
      insert: transaction.mutations.map(({ modified }) => /** @type {any} */ (modified)),
    });
  /** @param {UpdateMutationFnParams<T, string>} change */
  const update = async ({ transaction }) => {
    // Where there are only parts, the items to be updated are one more.
    const ids = transaction.mutations.map(({ key }) => key);
    const filter = is_on_demand ? { where: { id: { in: ids } } } : {};
    const [handle, ds] = client.acquire(path, filter);
    try {
      await ds.transaction((tx) => {
        for (const { key, changes } of transaction.mutations) {
          const item = tx.get_item(key);
          // Deleted meanwhile: leave it at that.
          if (item) tx.update({ insert: [{ ...item, ...changes }] });
        }
      });
    } finally {
      client.release(handle);
    }
  };
  /** @param {DeleteMutationFnParams<T, string>} change */
  const remove = ({ transaction }) =>
    client.update(path, { remove: transaction.mutations.map(({ key }) => key) });
  return {
    id: path,
    getKey: ({ id }) => id,
    onInsert: insert,
    onUpdate: update,
    onDelete: remove,
    ...options,
    sync: {
      rowUpdateMode: "full",
      sync: (target) => (is_on_demand ? load : follow)(client, path, target),
    },
  };
}

/**
 * @template {{id: string}} T
 * @param {SharedStateClient} client
 * @param {string} path
 * @param {Parameters<SyncConfig<T, string>["sync"]>[0]} target
 * @returns {import("@tanstack/db").SyncConfigRes}
 */
function load(client, path, target) {
  const subsets = new Subsets(client, path, target);
  // There is nothing to wait for until a query asks.
  target.markReady();
  return {
    loadSubset: (options) => subsets.load(options),
    unloadSubset: (options) => subsets.unload(options),
    cleanup: () => subsets.end(),
  };
}

/**
 * @template {{id: string}} T
 * @param {SharedStateClient} client
 * @param {string} path
 * @param {Parameters<SyncConfig<T, string>["sync"]>[0]} target
 * @returns {() => void} ends it
 */
function follow(client, path, { begin, write, commit, markReady, markError }) {
  const [handle, acquired] = client.acquire(path);
  const ds = /** @type {Dataset<any>} */ (acquired);
  const tell = (/** @type {import("../protocol/replica.js").Diff<T>[]} */ diffs) => {
    begin();
    for (const { id, new: value, old } of diffs) {
      if (value === undefined) write({ type: "delete", key: id });
      else write({ type: old === undefined ? "insert" : "update", value });
    }
    commit();
  };
  // The dataset may be in sync already.
  tell(ds.snapshot.map((item) => ({ id: item.id, new: item, old: undefined })));
  const unsubscribe = ds.subscribe(tell);
  const end = follow_loading(ds, ({ loading, error }) => {
    // After a refusal it stays in error until the items arrive.
    if (error) markError(error);
    else if (!loading) markReady();
  });
  return () => {
    end();
    unsubscribe();
    client.release(handle);
  };
}
