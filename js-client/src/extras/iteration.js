import { Deferred } from "../util/deferred.js";
import { on_abort } from "../util/lifetime.js";

/** @import { Diff } from "../protocol/replica.js" */

/**
 * Turn callbacks into an iterator. Changes that arrive while the consumer is busy are merged into one list, with
 * one diff for each id, from what the consumer saw last to the present state: a slow consumer costs no more than
 * the collection.
 *
 * @template {{id: string}} T
 * @param {(callback: (diffs: Diff<T>[]) => void) => () => void} subscribe
 * @param {(AbortSignal | undefined)[]} signals each of them ends it, after the changes already there
 * @returns {AsyncIterableIterator<Diff<T>[]>}
 */
export function iterate(subscribe, signals) {
  /** @type {Map<string, Diff<T>>} */
  let pending = new Map();
  /** @type {Deferred<void>} */
  let news = new Deferred();
  let open = true;
  const unsubscribe = subscribe((diffs) => {
    for (const diff of diffs) merge(pending, diff);
    news.resolve();
  });
  const end = () => {
    open = false;
    unsubscribe();
    for (const stop of stops) stop();
    news.resolve();
  };
  /** @type {(() => void)[]} */
  const stops = [];
  for (const signal of signals) stops.push(on_abort(signal, end));
  // Already aborted: stop listening to the remaining signals too.
  if (!open) end();
  return {
    async next() {
      while (open && pending.size === 0) {
        // Several calls may wait for the same diffs; the first takes them, the others keep waiting.
        await news.promise;
        if (open && pending.size === 0) news = new Deferred();
      }
      if (pending.size === 0) return { done: true, value: undefined };
      const value = [...pending.values()];
      pending = new Map();
      if (open) news = new Deferred();
      return { done: false, value };
    },
    async return() {
      end();
      pending.clear();
      return { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}

/**
 * @template {{id: string}} T
 * @param {Map<string, Diff<T>>} pending
 * @param {Diff<T>} diff
 */
function merge(pending, diff) {
  const { id } = diff;
  const before = pending.get(id);
  const { old } = before ?? diff;
  // Inserted and removed: no change.
  if (!old && !diff.new) pending.delete(id);
  else pending.set(id, /** @type {Diff<T>} */ ({ id, new: diff.new, old }));
}
