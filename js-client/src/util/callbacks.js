/** @import { CallQueue } from "./call_queue.js" */

/**
 * Callbacks of one kind. One that throws does not affect the others; one that is removed is not called
 * again, not even for the present event; one that is added is called from the next event on.
 *
 * @template T
 */
export class Callbacks {
  /** @type {Map<object, (value: T) => unknown>} */
  #callbacks = new Map();
  #calls;

  /** @param {CallQueue} calls */
  constructor(calls) {
    this.#calls = calls;
  }

  /**
   * @param {(value: T) => unknown} callback
   * @returns {object} handle, to remove it
   */
  add(callback) {
    if (typeof callback !== "function") throw new TypeError("a callback is a function");
    const handle = Object.freeze({});
    this.#callbacks.set(handle, callback);
    return handle;
  }

  /** @param {object} handle */
  remove(handle) {
    this.#callbacks.delete(handle);
  }

  /** @param {T} value which they are called with when the calls that are due are made */
  call(value) {
    for (const handle of this.#callbacks.keys())
      this.#calls.add(() => this.#callbacks.get(handle)?.(value));
  }
}
