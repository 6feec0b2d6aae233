/** @import { CallQueue } from "./call_queue.js" */

/**
 * Callbacks of one kind. One that throws does not affect the others; a removed one is not called again, not even
 * for the current event; an added one is called from the next event on.
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

  /** @param {T} value passed to the callbacks when due calls are made */
  call(value) {
    for (const handle of this.#callbacks.keys())
      this.#calls.add(() => this.#callbacks.get(handle)?.(value));
  }
}
