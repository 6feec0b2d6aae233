import { view_of } from "./filter.js";
import { key_of } from "../protocol/views.js";

/** @import { Dataset } from "./dataset.js" */
/** @import { FilterOptions } from "./filter.js" */

/** @typedef {{ds: Dataset<any>, view: string | undefined, key: string, handles: number}} Acquired `view`: its name */

/** Which datasets are acquired: one for each path and filter, until the last of its handles is released. */
export class AcquiredDatasets {
  #make;
  /** @type {Map<string, Acquired>} by path and text of the filter */
  #acquired = new Map();
  /** @type {Map<string, Dataset<any>>} by path and name of the view */
  #datasets = new Map();

  /** @param {(path: string, filter: FilterOptions) => Dataset<any>} make */
  constructor(make) {
    this.#make = make;
  }

  /** All of them. */
  all() {
    return this.#datasets.values();
  }

  /** @param {{path: string, view: string | undefined}} subscription @returns {Dataset<any> | undefined} */
  of({ path, view }) {
    return this.#datasets.get(key_of(path, view));
  }

  /** @param {string} path in normal form @param {string | undefined} text of the filter */
  find(path, text) {
    return this.#acquired.get(key_of(path, text))?.ds;
  }

  /**
   * Take one more handle.
   *
   * @param {string} path in normal form
   * @param {FilterOptions} filter
   * @param {string | undefined} text of the filter
   * @returns {Acquired}
   */
  acquire(path, filter, text) {
    const key = key_of(path, text);
    const acquired = this.#acquired.get(key) ?? this.#add(key, path, filter, text);
    acquired.handles++;
    return acquired;
  }

  /**
   * Give one handle back.
   *
   * @param {Acquired} acquired
   * @returns {boolean} whether it was the last
   */
  release(acquired) {
    const { key, view, ds } = acquired;
    if (--acquired.handles > 0) return false;
    this.#acquired.delete(key);
    return this.#datasets.delete(key_of(ds.path, view));
  }

  /**
   * @param {string} key
   * @param {string} path
   * @param {FilterOptions} filter
   * @param {string | undefined} text
   * @returns {Acquired}
   */
  #add(key, path, filter, text) {
    let view = view_of(text);
    // Another filter may have the same name.
    while (this.of({ path, view })) view += "_";
    const acquired = { ds: this.#make(path, filter), view, key, handles: 0 };
    this.#datasets.set(key_of(path, view), acquired.ds);
    this.#acquired.set(key, acquired);
    return acquired;
  }
}
