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
  /** @type {Promise<void> | undefined} */
  let ready;
  const look = () => {
    // After a refusal, a server that has changed its mind makes it a new one.
    if (ds.ready === ready) return;
    const now = (ready = ds.ready);
    const unless_over = (/** @type {Loading} */ state) => now === ready && tell(state);
    now.then(
      () => unless_over(LOADED),
      (error) => unless_over(Object.freeze({ loading: false, error })),
    );
  };
  look();
  const unsubscribe = ds.subscribe(look);
  return () => {
    ready = undefined;
    unsubscribe();
  };
}
