/** What bridges show of a collection: its items, that they are loading, or why they cannot be loaded. */

import { filter_of } from "../api/filter.js";

/** @import { FilterOptions } from "../api/filter.js" */
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
/** @typedef {{text: string | undefined, ds: Dataset<any>, state: Loading, end(): void}} Followed `text`: of its filter */

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
 * Follows a collection, or a part of it, for which another one may be chosen: what is shown stays until the items of the
 * other one have come, and an item that both have stays the same object.
 *
 * @template {{id: string}} T
 */
export class Follower {
  #client;
  #path;
  #initial;
  #tell;
  /** @type {Followed} */
  #shown;
  /** @type {Followed | undefined} chosen, but not there yet */
  #next;

  /**
   * @param {CoreClient} client
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions} filter
   * @param {readonly T[]} initial what is shown until the first items arrive
   * @param {() => void} tell called when `current` may have changed, never immediately
   */
  constructor(client, path, filter, initial, tell) {
    this.#client = client;
    this.#path = path;
    this.#initial = initial;
    this.#tell = tell;
    this.#shown = this.#follow(filter);
  }

  /** @returns {readonly [items: readonly T[], ds: Dataset<any>, state: Loading]} what to show */
  get current() {
    const { ds, state } = this.#shown;
    return [shown_items(ds, state, this.#initial), ds, (this.#next ?? this.#shown).state];
  }

  /** @param {FilterOptions} filter no news if it equals the present one */
  choose(filter) {
    const [, text] = filter_of(filter);
    if (text === (this.#next ?? this.#shown).text) return;
    this.#next?.end();
    this.#next = text === this.#shown.text ? undefined : this.#follow(filter);
    this.#settle();
    this.#tell();
  }

  end() {
    this.#next?.end();
    this.#shown.end();
  }

  /** Show what was chosen if its items are there, or if there is nothing else to show. */
  #settle() {
    const former = this.#shown;
    const next = this.#next;
    const is_something = former.state === LOADED || former.ds.size > 0;
    if (!next || (next.state !== LOADED && is_something)) return;
    this.#shown = next;
    this.#next = undefined;
    former.end();
  }

  /**
   * @param {FilterOptions} filter
   * @returns {Followed}
   */
  #follow(filter) {
    const [handle, ds] = this.#client.acquire(this.#path, filter);
    if (this.#shown && ds.size === 0) ds._replica.kin = this.#shown.ds._replica;
    /** @type {Followed} */
    const followed = { text: filter_of(filter)[1], ds, state: LOADING, end };
    const unsubscribe = ds.subscribe(() => followed === this.#shown && this.#tell());
    const end_loading = follow_loading(ds, (state) => {
      followed.state = state;
      this.#settle();
      this.#tell();
    });
    const client = this.#client;
    function end() {
      unsubscribe();
      end_loading();
      client.release(handle);
    }
    return followed;
  }
}
