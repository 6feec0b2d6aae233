/** How long things last: until an `AbortSignal` is aborted, or a block with `using` ends. */

/** @import { Disposable } from "./disposable.js" */

/**
 * The key that `using` looks for; a private one where the language has none yet.
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
 * Call a function when a signal is aborted, at once if it is already.
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
