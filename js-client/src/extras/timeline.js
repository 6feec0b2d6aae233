/** The newest items of a collection, kept in sync, and as many pages of older ones as are asked for, as one list. */

import { compare } from "../protocol/views.js";
import { pages_of, without } from "./pages.js";
import { on_abort } from "../util/lifetime.js";
import { report } from "../util/report.js";

/** @import { FilterOptions } from "../api/filter.js" */
/** @import { At } from "../protocol/views.js" */
/** @import { Older, Source } from "./pages.js" */
/** @import { Item } from "../protocol/replica.js" */
/** @import { Until } from "../util/lifetime.js" */

/**
 * A window of the newest items, and what was there before them, page by page. The window is a dataset. What is above it was
 * read once, when it was loaded: of it, only what leaves the window is read again, so that the list has each item
 * once, and no gap.
 *
 * @template {{id: string}} [T=Item]
 */
export class Timeline {
  #client;
  #pages;
  #last;
  #handle;
  #ds;
  #stop;
  /** @type {Set<() => unknown>} */
  #callbacks = new Set();
  /** @type {readonly T[] | undefined} */
  #snapshot;
  /** @type {readonly T[]} what the window showed last */
  #window = [];
  /** @type {Older[]} */
  #older = [];
  /** @type {T[]} what has left the window, perhaps because it was removed: to be read again */
  #passing = [];
  /** @type {At | undefined} from here to `#end` all items are in `#older`; undefined: there is only the window */
  #start;
  /** @type {At} */
  #end = [0, 0];
  /** @type {At} where the window has begun at the earliest since the last reading began */
  #reach = [0, 0];
  #more = false;
  #reading = Promise.resolve();
  /** @type {Promise<void> | undefined} */
  #mending;

  /**
   * @param {Source} client
   * @param {string} path `/app/service/collection`
   * @param {FilterOptions & Until} [options] `last`: items in the window, 1 to 999, default 50; `signal` closes it
   * @throws {SharedStateError} as `client.acquire`
   */
  constructor(client, path, { where, last = 50, fields, signal } = {}) {
    this.#client = client;
    this.#pages = pages_of(client, path, { where, fields });
    this.#last = last;
    // One more tells whether there is anything older.
    const [handle, ds] = client.acquire(path, { where, last: last + 1, fields });
    this.#handle = handle;
    this.#ds = ds;
    const unsubscribe = ds.subscribe(() => this.#changed());
    this.#window = ds.snapshot;
    let stop = () => {};
    this.#stop = () => {
      stop();
      unsubscribe();
    };
    stop = on_abort(signal, () => this.close());
  }

  /** Resolves when the window is there, rejects if the server refuses: `ready` of its dataset. */
  get ready() {
    return this.#ds.ready;
  }

  /**
   * All items, in order, in a frozen list: the same list until something changes.
   *
   * @returns {readonly T[]}
   */
  get snapshot() {
    return (this.#snapshot ??= Object.freeze(this.#items()));
  }

  /** Whether there are items older than those in the list; of what is above the window, as it was when it was read. */
  get more() {
    return this.#start ? this.#more : this.#ds.size > this.#last;
  }

  /**
   * Read a page of older items, and put it before the list.
   *
   * @param {number} [count] items, 1 to 1,000; default: as many as are in the window
   * @returns {Promise<void>} Rejects with a `SharedStateError`, as `client.page` does.
   */
  load(count = this.#last) {
    return this.#in_turn(async () => {
      const first = !this.#start;
      const before = this.#start ?? this.#ds.before;
      if (!before || !this.more) return;
      if (first) this.#end = this.#start = before;
      try {
        const [page, found] = await this.#pages(count, before);
        if (!this.#start) return;
        // What the window has shown meanwhile, and shows no more, is read again.
        const read = found.filter(({ at }) => compare(at, this.#end) < 0);
        this.#older = [...read, ...without(this.#older, read)];
        this.#start = page.before ?? before;
        this.#more = page.more === true;
      } catch (error) {
        if (first) this.forget();
        throw error;
      }
      this.#trim();
      this.#tell();
    });
  }

  /**
   * Read what is above the window again.
   *
   * @returns {Promise<void>} Rejects with a `SharedStateError`, as `client.page` does.
   */
  refresh() {
    return this.#in_turn(() => {
      if (this.#start) this.#end = this.#start;
      return this.#fill();
    });
  }

  /** Let go what is above the window. */
  forget() {
    this.#older = [];
    this.#passing = [];
    this.#start = undefined;
    this.#tell();
  }

  /**
   * Call a function after each change of the list. It needs no `this`, so that it can be passed as a function.
   *
   * @param {() => unknown} callback what it throws is reported, and affects nothing else
   * @returns {() => void} ends it
   */
  subscribe = (callback) => {
    const call = () => callback();
    this.#callbacks.add(call);
    return () => void this.#callbacks.delete(call);
  };

  /** Release the window. The list stays readable. */
  close() {
    this.#stop();
    this.#callbacks.clear();
    this.#client.release(this.#handle);
  }

  #items() {
    const shown = this.#window;
    if (!this.#start) return shown.slice(shown.length > this.#last ? 1 : 0);
    return [...this.#older.map(({ item }) => item), ...this.#passing, ...shown];
  }

  #tell() {
    this.#snapshot = undefined;
    for (const call of this.#callbacks) {
      try {
        call();
      } catch (error) {
        report(error);
      }
    }
  }

  #changed() {
    const before = this.#window;
    const now = (this.#window = this.#ds.snapshot);
    if (this.#start && this.#ds.size <= this.#last) return this.forget(); // there is nothing else
    if (this.#start) {
      const held = new Set(now.map(({ id }) => id));
      const stayed = before.findIndex(({ id }) => held.has(id));
      // What was there behind an item that stays was removed; of the others it is not known yet.
      this.#passing.push(...before.slice(0, stayed < 0 ? before.length : stayed));
      this.#trim();
      this.#mend().catch(() => {}); // next time
    }
    this.#tell();
  }

  /** Drop what the window shows, and what it would show if it were still there. */
  #trim() {
    const from = this.#ds.before;
    if (!from || !this.#start) return;
    const held = new Set(this.#window.map(({ id }) => id));
    const is_above = (/** @type {Older} */ { item, at }) =>
      compare(at, from) < 0 && !held.has(item.id);
    this.#older = this.#older.filter(is_above);
    const passing = compare(from, this.#end) > 0 ? this.#passing : [];
    this.#passing = passing.filter(({ id }) => !held.has(id));
    if (compare(from, this.#end) < 0) this.#end = from;
    if (compare(from, this.#reach) < 0) this.#reach = from;
    if (compare(from, this.#start) < 0) {
      this.#start = from;
      this.#more = true; // as far as is known
    }
  }

  #mend() {
    return (this.#mending ??= this.#in_turn(() => this.#fill()).finally(
      () => (this.#mending = undefined),
    ));
  }

  /** Read what there is between what was read and the window, until there is nothing between. */
  async #fill() {
    while (this.#start && this.#ds.before && compare(this.#end, this.#ds.before) < 0)
      await this.#read_between(this.#ds.before);
  }

  /** @param {At} to */
  async #read_between(to) {
    this.#reach = to;
    const taken = new Set(this.#passing);
    const known = this.#older.filter(({ at }) => compare(at, this.#end) >= 0);
    const count = taken.size + known.length + 1; // one more, to meet what is known
    /** @type {Older[]} */
    let between = [];
    let from = to;
    let more;
    do {
      const [page, found] = await this.#pages(count, from);
      if (!this.#start) return;
      between = [...found, ...between];
      from = page.before ?? from;
      more = page.more === true;
    } while (more && compare(from, this.#end) > 0);
    between = between.filter(({ at }) => compare(at, this.#reach) < 0);
    const kept = this.#older.filter(({ at }) => more && compare(at, from) < 0);
    this.#older = [...without(kept, between), ...between];
    const ids = new Set(between.map(({ item }) => item.id));
    this.#passing = this.#passing.filter((item) => !taken.has(item) && !ids.has(item.id));
    if (!more || compare(from, this.#start) < 0) {
      this.#start = from;
      this.#more = more;
    }
    this.#end = this.#reach;
    this.#trim();
    this.#tell();
  }

  /**
   * @param {() => Promise<void>} read
   * @returns {Promise<void>}
   */
  #in_turn(read) {
    const done = this.#reading.then(read);
    this.#reading = done.catch(() => {});
    return done;
  }
}
