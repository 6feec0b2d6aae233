/**
 * SharedState in Svelte: stores, to be read as `$items`.
 *
 * Each subscriber first gets a constant value, so that a server renders, and a page hydrates, the same. Without a
 * document, as on a server, nothing follows, and nothing is acquired or followed.
 */

import { filter_of } from "../api/filter.js";
import { Follower, LOADING, NOTHING } from "./loading.js";
import { collection_path } from "../protocol/paths.js";

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { Where } from "../api/filter.js" */
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
 * What of a filter is a store may change: then the items stay until the new ones have come, and items that stay are the
 * same objects.
 *
 * @typedef {object} FilterSources
 * @property {Where | Readable<Where | undefined>} [where] only items for which this holds
 * @property {number | Readable<number | undefined>} [last] only so many: the newest
 * @property {readonly string[] | Readable<readonly string[] | undefined>} [fields] only these members of each item, and `id`
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
 * A collection, or a part of it, that is kept in sync while the store has subscribers.
 *
 * @template {{id: string}} [T=Item]
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {Initially<T> & FilterSources} [options]
 * @returns {Readable<readonly T[]>} first the initial items
 * @throws {SharedStateError} `bad_path`; `bad_message` if there is something undefined in the filter
 */
export function collection(client, path, { initial = NOTHING, ...filter } = {}) {
  return followed(client, path, filter, initial, initial, ([items]) => items);
}

/**
 * Whether the items of a collection are still to come, and why they cannot be loaded. It keeps the collection in
 * sync too.
 *
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {FilterSources} [filter] as for `collection`
 * @returns {Readable<Loading>} first that they are still to come
 * @throws {SharedStateError} as `collection`
 */
export function loading(client, path, filter = {}) {
  return followed(client, path, filter, NOTHING, LOADING, ([, , state]) => state);
}

/**
 * @template {{id: string}} T
 * @template V
 * @param {CoreClient} client
 * @param {string} path
 * @param {FilterSources} sources
 * @param {readonly T[]} initial
 * @param {V} first
 * @param {(current: Follower<T>["current"]) => V} value
 * @returns {Readable<V>}
 */
function followed(client, path, { where, last, fields }, initial, first, value) {
  const name = collection_path(path); // refused here, even on a server
  const sources = Object.entries({ where, last, fields });
  const constant = sources.filter(([, each]) => !is_store(each));
  filter_of(Object.fromEntries(constant)); // this, too
  return store(first, (emit) => {
    /** @type {Record<string, any>} */
    const filter = Object.fromEntries(constant);
    /** @type {Follower<T> | undefined} */
    let follower;
    const ends = sources.map(([source, each]) =>
      is_store(each)
        ? each.subscribe((now) => {
            filter[source] = now;
            follower?.choose(filter);
          })
        : () => {},
    );
    const made = new Follower(client, name, filter, initial, () => emit(value(made.current)));
    follower = made;
    emit(value(made.current));
    return () => {
      for (const end of ends) end();
      made.end();
    };
  });
}

/**
 * @param {any} source
 * @returns {source is Readable<any>}
 */
const is_store = (source) => typeof source?.subscribe === "function";

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
