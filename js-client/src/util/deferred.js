/**
 * A promise that is settled from outside, once. If it is ignored, there is no warning.
 *
 * @template T
 */
export class Deferred {
  /** @type {(value: T) => void} */
  resolve = () => {};
  /** @type {(error: unknown) => void} */
  #reject = () => {};
  settled = false;
  failed = false;
  /** @type {Promise<T>} */
  promise = new Promise((resolve, reject) => {
    this.resolve = (value) => {
      this.settled = true;
      resolve(value);
    };
    this.#reject = reject;
  });

  constructor() {
    this.promise.catch(() => {});
  }

  /** @param {unknown} error has no effect once settled */
  reject(error) {
    if (this.settled) return;
    this.settled = this.failed = true;
    this.#reject(error);
  }
}
