/** Lifetimes: until an `AbortSignal` is aborted, or a block with `using` ends. */

/** @import { Disposable } from "./disposable.js" */

/**
 * The key that `using` looks for; a substitute where the language does not have it yet.
 *
 * @type {typeof Symbol.dispose}
 */
export const DISPOSE = Symbol.dispose ?? /** @type {any} */ (Symbol.for("Symbol.dispose"));

/**
 * @template {object} T
 * @param {T} it
 * @param {() => void} end what `using` does at the end of the block
 * @returns {T & Disposable}
 */
export const disposable = (it, end) => /** @type {any} */ (Object.assign(it, { [DISPOSE]: end }));

/**
 * @typedef {object} Until
 * @property {AbortSignal} [signal] ends it when it is aborted
 */

/**
 * Call a function when a signal is aborted, or at once if it already is.
 *
 * @param {AbortSignal | undefined} signal
 * @param {() => void} end
 * @returns {() => void} stops listening
 */
export function on_abort(signal, end) {
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end, { once: true });
  return () => signal?.removeEventListener("abort", end);
}
