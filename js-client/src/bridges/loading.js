/** What bridges show of a collection: its items, that they are loading, or why they cannot be loaded. */

/** @import { SharedStateClient as CoreClient } from "../api/client.js" */
/** @import { Dataset } from "../api/dataset.js" */
/** @import { SharedStateError } from "../protocol/errors.js" */

/**
 * @typedef {object} Loading
 * @property {boolean} loading whether the items are still to come
 * @property {SharedStateError | undefined} error why they cannot be loaded
 */

/**
 * @template {{id: string}} T
 * @typedef {object} Initially
 * @property {readonly T[]} [initial] what to show until the items arrive, and in server-side rendering. Default:
 *   an empty list
 */

/** @type {readonly any[]} */
export const NOTHING = Object.freeze([]);
/** @type {Loading} */
export const LOADING = Object.freeze({ loading: true, error: undefined });
/** @type {Loading} */
const LOADED = Object.freeze({ loading: false, error: undefined });

/**
 * @param {Dataset<any>} ds
 * @param {(state: Loading) => void} tell called when the state changes, never immediately; it is `LOADING` at
 *   first
 * @returns {() => void} ends it
 */
export function follow_loading(ds, tell) {
  let shown = LOADING;
  /** @type {Promise<void> | undefined} */
  let ready;
  const follow = () => {
    const now = (ready = ds.ready);
    let pending = true;
    const show = (/** @type {Loading} */ state) => {
      pending = false;
      if (now === ready && state !== shown) tell((shown = state));
    };
    now.then(
      () => show(LOADED),
      (error) => show(Object.freeze({ loading: false, error })),
    );
    // After a refusal that is already over, there is nothing to wait for.
    queueMicrotask(() => pending && show(LOADING));
  };
  follow();
  const handle = ds._renewals.add(follow);
  return () => {
    ready = undefined;
    ds._renewals.remove(handle);
  };
}

/**
 * What is shown of a collection: the initial items, until there are others or there are known to be none.
 *
 * @template {{id: string}} T
 * @param {Dataset<T> | undefined} ds
 * @param {Loading} state
 * @param {readonly T[]} initial
 * @returns {readonly T[]}
 */
export function shown_items(ds, state, initial) {
  return ds && (ds.size > 0 || !state.loading) ? ds.snapshot : initial;
}

/**
 * Acquire a collection, and follow what to show of it.
 *
 * @template {{id: string}} T
 * @param {CoreClient} client
 * @param {string} path `/app/service/collection`
 * @param {readonly T[]} initial
 * @param {(items: readonly T[], ds: Dataset<T>, state: Loading) => void} tell called at once, and after each
 *   change
 * @returns {() => void} ends it, and releases the collection
 */
export function follow_collection(client, path, initial, tell) {
  const [handle, acquired] = client.acquire(path);
  const ds = /** @type {Dataset<any>} */ (acquired);
  let state = LOADING;
  const show = () => tell(shown_items(ds, state, initial), ds, state);
  const ends = [
    ds.subscribe(show),
    follow_loading(ds, (now) => {
      state = now;
      show();
    }),
  ];
  show();
  return () => {
    for (const end of ends) end();
    client.release(handle);
  };
}
