/**
 * One client of the soak, in Node or in a page: it changes things at random in every way there is, and keeps the books.
 *
 * - `held` is a second copy, made from diffs alone; each diff must fit what is held.
 * - `mark` counts what this writer wrote for good: acknowledged means stored.
 * - The item "count" is raised by transactions of all writers: none may be lost, none may count twice.
 */

const IDS = Array.from({ length: 50 }, (_, n) => `i${n}`);

export class Writer {
  pending = 0;
  settled = 0;
  faults = [];
  outcomes = {};
  mark = { sent: 0, acknowledged: 0 };
  count = { certain: 0, unknown: 0 };
  held = new Map();
  #running = true;
  #done;

  constructor(SharedStateClient, url, options, { path, name, pace }) {
    this.client = new SharedStateClient(url, {
      timeout: 3,
      on_error: (error) => error.message !== "thrown on purpose" && this.faults.push(String(error)),
      ...options,
    });
    this.path = path;
    this.name = name;
    this.pace = pace;
    [this.handle, this.ds] = this.client.acquire(path);
    this.ds.subscribe((diffs) => this.#hold(diffs));
    this.ds.add_callback(() => {
      if (Math.random() < 0.01) throw new Error("thrown on purpose");
    });
    this.#done = this.#run();
  }

  /** End, and wait until every promise is settled. */
  async stop() {
    this.#running = false;
    await this.#done;
  }

  /** What the client holds, twice. */
  copies() {
    const by_id = (items) => items.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    return {
      items: this.ds.get_items(),
      snapshot: this.ds.snapshot,
      held_is_the_same:
        JSON.stringify(by_id([...this.held.values()])) ===
        JSON.stringify(by_id(this.ds.get_items())),
    };
  }

  books() {
    const { pending, settled, faults, outcomes, mark, count } = this;
    return { pending, settled, faults, outcomes, mark, count, status: this.client.status };
  }

  #hold(diffs) {
    for (const { id, new: item, old } of diffs) {
      if (this.held.get(id) !== old) this.faults.push(`${id}: the diff does not fit`);
      if (item === undefined) this.held.delete(id);
      else this.held.set(id, item);
    }
  }

  async #track(promise) {
    this.pending++;
    try {
      return [await promise, "ok"];
    } catch (error) {
      return [undefined, typeof error.code === "string" ? error.code : error.name];
    } finally {
      this.pending--;
      this.settled++;
    }
  }

  async #tell(promise) {
    const [, outcome] = await this.#track(promise);
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
    return outcome;
  }

  async #run() {
    const under_way = new Set();
    while (this.#running) {
      const doing = this.#one();
      under_way.add(doing);
      doing.then(() => under_way.delete(doing));
      // As many at once as a busy page has; without a connection they wait here, too.
      if (under_way.size >= 50) await Promise.race(under_way);
      await new Promise((resolve) => setTimeout(resolve, 2 * Math.random() * this.pace));
    }
    await Promise.all(under_way);
  }

  async #one() {
    const { ds } = this;
    const some = () => IDS[Math.floor(Math.random() * IDS.length)];
    const item = () => ({ id: some(), by: this.name, n: Math.random(), text: "x".repeat(100) });
    const dice = Math.random();
    if (dice < 0.4) return this.#tell(ds.update({ insert: [item(), item()] }));
    if (dice < 0.6) return this.#tell(ds.update({ remove: [some(), some()], insert: [item()] }));
    if (dice < 0.7) return this.#count();
    if (dice < 0.8) return this.#mark();
    if (dice < 0.85) return this.#tell(this.client.get(this.path));
    if (dice < 0.9) return this.#visit();
    if (dice < 0.95) return this.#listen();
    const signal = AbortSignal.timeout(20);
    return this.#tell(ds.update({ insert: [item()] }, { signal }));
  }

  async #count() {
    const outcome = await this.#tell(
      this.ds.transaction((tx) => {
        const { n } = tx.get_item("count") ?? { n: 0 };
        tx.update({ insert: [{ id: "count", n: n + 1 }] });
      }),
    );
    if (outcome === "ok") this.count.certain++;
    else this.count.unknown++;
  }

  async #mark() {
    const n = ++this.mark.sent;
    const id = `mark ${this.name} ${n % 3}`;
    const outcome = await this.#tell(this.ds.update({ insert: [{ id, n }] }));
    if (outcome === "ok") this.mark.acknowledged = Math.max(this.mark.acknowledged, n);
  }

  /** Another collection, for a moment. */
  async #visit() {
    const [handle, ds] = this.client.acquire(`${this.path}-${Math.floor(Math.random() * 3)}`);
    const update = this.#tell(ds.update({ reset: true, insert: [{ id: "a", n: Math.random() }] }));
    if (Math.random() < 0.5) await this.#tell(ds.ready);
    this.client.release(handle);
    await update;
  }

  /** Subscriptions and iterations that come and go. */
  async #listen() {
    const { ds } = this;
    const controller = new AbortController();
    const { signal } = controller;
    ds.subscribe(() => {}, { signal });
    const unsubscribe = ds.subscribe(() => {});
    setTimeout(() => controller.abort(), 100);
    for await (const diffs of ds.changes({ signal })) {
      if (diffs.length > 5) break;
    }
    unsubscribe();
  }
}

/** What the client of a writer is subscribed to, before and after its handle is released. */
export async function ending(writer) {
  const list = async () => (await writer.client.get("/subs")).map(([path]) => path);
  const before = await list();
  writer.client.release(writer.handle);
  return [before, await list()];
}
