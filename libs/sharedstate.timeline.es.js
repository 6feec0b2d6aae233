/*! SharedState client 0.2.0, BSD-2-Clause */

// src/protocol/views.js
var compare = (a, b) => a[0] - b[0] || a[1] - b[1];

// src/extras/pages.js
var MOST = 1e3;
var pages_of = (client, path, filter) => (
  /**
   * @param {number} count
   * @param {At} before
   * @returns {Promise<[page: any, found: Older[]]>}
   */
  async (count, before) => {
    for (; ; ) {
      try {
        const page = await client.page(path, { ...filter, last: Math.min(count, MOST), before });
        return [page, page.items.map((item, n) => ({ item, at: page.at[n] }))];
      } catch (error) {
        if (
          /** @type {any} */
          error.code !== "connection_lost"
        ) throw error;
      }
    }
  }
);
function without(items, others) {
  const ids = new Set(others.map(({ item }) => item.id));
  return items.filter(({ item }) => !ids.has(item.id));
}

// src/util/lifetime.js
function on_abort(signal, end) {
  if (signal?.aborted) end();
  else signal?.addEventListener("abort", end, { once: true });
  return () => signal?.removeEventListener("abort", end);
}

// src/util/report.js
function report(error) {
  const page = "document" in globalThis || "WorkerGlobalScope" in globalThis;
  if (page && globalThis.reportError) globalThis.reportError(error);
  else console.error(error);
}

// src/extras/timeline.js
var Timeline = class {
  #client;
  #pages;
  #last;
  #handle;
  #ds;
  #stop;
  /** @type {Set<() => unknown>} */
  #callbacks = /* @__PURE__ */ new Set();
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
    const [handle, ds] = client.acquire(path, { where, last: last + 1, fields });
    this.#handle = handle;
    this.#ds = ds;
    const unsubscribe = ds.subscribe(() => this.#changed());
    this.#window = ds.snapshot;
    let stop = () => {
    };
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
    return this.#snapshot ??= Object.freeze(this.#items());
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
    this.#start = void 0;
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
    this.#snapshot = void 0;
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
    const now = this.#window = this.#ds.snapshot;
    if (this.#start && this.#ds.size <= this.#last) return this.forget();
    if (this.#start) {
      const held = new Set(now.map(({ id }) => id));
      const stayed = before.findIndex(({ id }) => held.has(id));
      this.#passing.push(...before.slice(0, stayed < 0 ? before.length : stayed));
      this.#trim();
      this.#mend().catch(() => {
      });
    }
    this.#tell();
  }
  /** Drop what the window shows, and what it would show if it were still there. */
  #trim() {
    const from = this.#ds.before;
    if (!from || !this.#start) return;
    const held = new Set(this.#window.map(({ id }) => id));
    const is_above = ({ item, at }) => compare(at, from) < 0 && !held.has(item.id);
    this.#older = this.#older.filter(is_above);
    const passing = compare(from, this.#end) > 0 ? this.#passing : [];
    this.#passing = passing.filter(({ id }) => !held.has(id));
    if (compare(from, this.#end) < 0) this.#end = from;
    if (compare(from, this.#reach) < 0) this.#reach = from;
    if (compare(from, this.#start) < 0) {
      this.#start = from;
      this.#more = true;
    }
  }
  #mend() {
    return this.#mending ??= this.#in_turn(() => this.#fill()).finally(
      () => this.#mending = void 0
    );
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
    const count = taken.size + known.length + 1;
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
    this.#reading = done.catch(() => {
    });
    return done;
  }
};

// src/version.js
var version = "0.2.0";
export {
  Timeline,
  version
};
//# sourceMappingURL=sharedstate.timeline.es.js.map
