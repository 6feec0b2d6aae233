/** What a dataset without items means: they are still to come, there are none, or the server refuses to tell. */

/** @import { Dataset } from "./dataset.js" */
/** @import { SharedStateError } from "./errors.js" */

/**
 * @typedef {object} Loading
 * @property {boolean} loading whether the items have not come yet
 * @property {SharedStateError | undefined} error why they do not come
 */

/** @type {Loading} */
export const LOADING = Object.freeze({ loading: true, error: undefined });
/** @type {Loading} */
const LOADED = Object.freeze({ loading: false, error: undefined });

/**
 * @param {Dataset<any>} ds
 * @param {(state: Loading) => void} tell called when that changes, never at once; it is `LOADING` at first
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
    // After a refusal that is over already, there is nothing to wait for.
    queueMicrotask(() => pending && show(LOADING));
  };
  follow();
  const handle = ds._renewals.add(follow);
  return () => {
    ready = undefined;
    ds._renewals.remove(handle);
  };
}
