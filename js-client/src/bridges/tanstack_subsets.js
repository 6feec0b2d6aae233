/**
 * The parts of a collection that TanStack DB asks for. Equal ones are one subscription; a row that several have goes when
 * the last of them lets it go.
 */

import { filter_of } from "../api/filter.js";
import { where_of } from "./tanstack_where.js";

/** @import { LoadSubsetOptions, SyncConfig } from "@tanstack/db" */
/** @import { Where } from "../api/filter.js" */
/** @import { SharedStateClient } from "../extras/full.js" */
/** @import { Diff } from "../protocol/replica.js" */

/**
 * @typedef {object} Subset
 * @property {number} users requests that have not been taken back
 * @property {() => Promise<void>} loaded resolves when its rows are visible
 * @property {() => void} end
 */

/**
 * @template {{id: string}} T
 */
export class Subsets {
  #client;
  #path;
  #target;
  /** @type {Map<string | undefined, Subset>} by the text of their filter */
  #subsets = new Map();
  /** @type {Map<LoadSubsetOptions, (() => void)[]>} what takes a request back, by its options: they may come again */
  #requests = new Map();
  /** @type {Map<string, Set<object>>} which subsets have a row */
  #owners = new Map();

  /**
   * @param {SharedStateClient} client
   * @param {string} path
   * @param {Parameters<SyncConfig<T, string>["sync"]>[0]} target
   */
  constructor(client, path, target) {
    this.#client = client;
    this.#path = path;
    this.#target = target;
  }

  /**
   * @param {LoadSubsetOptions} options order and limit are for TanStack DB to apply
   * @returns {Promise<void>} Rejects with a `SharedStateError`.
   */
  load(options) {
    const where = options.where && where_of(options.where);
    const text = this.#covered_by(where);
    const subset = this.#subsets.get(text) ?? this.#begin(where);
    this.#subsets.set(text, subset);
    subset.users++;
    const release = () => {
      if (--subset.users > 0) return;
      this.#subsets.delete(text);
      subset.end();
    };
    this.#requests.set(options, [...(this.#requests.get(options) ?? []), release]);
    return subset.loaded();
  }

  /** @param {LoadSubsetOptions} options of `load`; others have no effect */
  unload(options) {
    const [release, ...others] = this.#requests.get(options) ?? [];
    if (others.length) this.#requests.set(options, others);
    else this.#requests.delete(options);
    release?.();
  }

  /** Let all go, at the end: the rows are TanStack DB's affair. */
  end() {
    this.#owners.clear();
    for (const { end } of this.#subsets.values()) end();
    this.#subsets.clear();
    this.#requests.clear();
  }

  /**
   * @param {Where | undefined} where
   * @returns {string | undefined} the text of a filter, of a subset that is there if one has all that this one has: queries
   *   with a limit ask for parts of what they have asked for before
   */
  #covered_by(where) {
    const parts = /** @type {Where[]} */ (where?.and ?? []);
    const texts = [undefined, ...parts, where].map((each) => filter_of({ where: each })[1]);
    return [...texts.filter((text) => this.#subsets.has(text)), texts.at(-1)][0];
  }

  /**
   * @param {Where | undefined} where
   * @returns {Subset}
   */
  #begin(where) {
    const [handle, acquired] = this.#client.acquire(this.#path, { where });
    const ds = /** @type {import("../extras/full.js").Dataset<any>} */ (acquired);
    const owner = {};
    /** @type {true | Promise<void>} */
    let visible = true;
    const tell = (/** @type {Diff<any>[]} */ diffs) => {
      visible = this.#write(owner, diffs);
    };
    // It may be there already.
    tell(ds.snapshot.map((item) => ({ id: item.id, new: item, old: undefined })));
    const unsubscribe = ds.subscribe(tell);
    const end = () => {
      unsubscribe();
      this.#write(
        owner,
        ds.snapshot.map((item) => ({ id: item.id, new: undefined, old: item })),
      );
      this.#client.release(handle);
    };
    const loaded = async () => {
      await ds.ready;
      await visible;
    };
    return { users: 0, loaded, end };
  }

  /**
   * @param {object} owner
   * @param {Diff<any>[]} diffs
   * @returns {true | Promise<void>} whether, or when, the rows are visible
   */
  #write(owner, diffs) {
    const { begin, write, commit } = this.#target;
    begin();
    for (const { id, new: value } of diffs) {
      const owners = this.#owners.get(id) ?? new Set();
      const was_there = owners.size > 0;
      if (value !== undefined) {
        this.#owners.set(id, owners.add(owner));
        write({ type: was_there ? "update" : "insert", value });
      } else if (owners.delete(owner) && owners.size === 0) {
        this.#owners.delete(id);
        write({ type: "delete", key: id });
      }
    }
    return commit();
  }
}
