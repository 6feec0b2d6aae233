/** Pages of a collection, whose items know their places. */

/** @import { FilterOptions } from "../api/filter.js" */
/** @import { At } from "../protocol/views.js" */

/**
 * What a timeline needs of a client, lean or full.
 *
 * @typedef {object} Source
 * @property {(path: string, options: FilterOptions) => [handle: object, ds: Newest]} acquire
 * @property {(handle: any) => void} release
 * @property {(path: string, options: FilterOptions & {before?: At}) => Promise<any>} page
 */

/**
 * @typedef {object} Newest what it needs of a dataset
 * @property {readonly any[]} snapshot
 * @property {number} size
 * @property {At | undefined} before
 * @property {(callback: () => void) => () => void} subscribe
 * @property {Promise<void>} ready
 */

/** @typedef {{item: any, at: At}} Older */

/** Items of a page at most. */
const MOST = 1000;

/**
 * @param {Source} client
 * @param {string} path
 * @param {FilterOptions} filter
 */
export const pages_of =
  (client, path, filter) =>
  /**
   * @param {number} count
   * @param {At} before
   * @returns {Promise<[page: any, found: Older[]]>}
   */
  async (count, before) => {
    for (;;) {
      try {
        const page = await client.page(path, { ...filter, last: Math.min(count, MOST), before });
        return [page, page.items.map((/** @type {any} */ item, /** @type {number} */ n) => ({ item, at: page.at[n] }))]; // prettier-ignore
      } catch (error) {
        // Reading twice does no harm, and waits for the next connection.
        if (/** @type {any} */ (error).code !== "connection_lost") throw error;
      }
    }
  };

/**
 * @param {Older[]} items
 * @param {Older[]} others
 * @returns {Older[]} the items that are not among the others
 */
export function without(items, others) {
  const ids = new Set(others.map(({ item }) => item.id));
  return items.filter(({ item }) => !ids.has(item.id));
}
