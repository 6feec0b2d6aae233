/** A window and the pages above it, as one list. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Timeline } from "../../src/timeline.js";
import { C, FakeWebSocket, at, failure, make, notify, reply, turn, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @typedef {{item: {id: string, n: number}, at: number[]}} Entry */

/** A server with one collection, which answers and tells when the test says so. */
class Model {
  version = 1;
  told = 1;
  /** @type {Entry[]} in order */
  entries = [];
  /** @type {Entry[]} what the window was told last */
  window = [];
  /** @type {any} what was subscribed to */
  sub;

  /** @param {FakeWebSocket} socket */
  serve(socket) {
    this.socket = socket.know();
    const { tunnel, arg } = socket.sent.shift();
    [[, this.sub]] = arg.insert;
    this.socket.say(reply(tunnel, arg.insert));
    this.tell(true);
  }

  /** @param {string} id */
  add(id) {
    this.remove(id);
    this.entries.push({ item: { id, n: this.version }, at: [++this.version, 0] });
  }

  /** @param {string} id */
  remove(id) {
    this.version++;
    this.entries = this.entries.filter(({ item }) => item.id !== id);
  }

  /** The net change of the window; all of it after a reconnect. */
  tell(reset = false) {
    const before = reset ? [] : this.window;
    const now = (this.window = this.entries.slice(-this.sub.last));
    const insert = now.filter((entry) => !before.includes(entry));
    const held = new Set(now.map(({ item }) => item.id));
    const remove = before.map(({ item }) => item.id).filter((id) => !held.has(id));
    const state = { ...at("e", this.told, this.version), view: this.sub.view };
    this.told = this.version;
    this.socket?.say(
      notify(
        { insert: insert.map(({ item }) => item), remove, reset },
        { ...state, at: insert.map((entry) => entry.at) },
      ),
    );
  }

  /** Answer the oldest question. */
  answer() {
    const { tunnel, cmd, arg } = this.socket?.sent.shift();
    assert.equal(cmd, "GET");
    const [created] = arg.before;
    const all = this.entries.filter((entry) => entry.at[0] < created);
    const found = all.slice(-arg.last);
    const data = found.map(({ item }) => item);
    const more = {
      at: found.map((entry) => entry.at),
      more: found.length < all.length || undefined,
    };
    this.socket?.say(reply(tunnel, data, { cmd: "GET", ...more }));
  }

  async settle() {
    for (await turn(); this.socket?.sent.length; await turn()) this.answer();
  }

  /** @param {number} from */
  ids = (from = 0) => this.entries.slice(from).map(({ item }) => item.id);
}

/** A window of so many over items `m0`, `m1`, … */
function opened(size = 10, last = 3) {
  const { client, reported } = make();
  const timeline = new Timeline(client, C, { last });
  const model = new Model();
  for (let n = 0; n < size; n++) model.add(`m${n}`);
  model.serve(FakeWebSocket.last.open());
  return { client, timeline, model, reported };
}

/** @param {Timeline<any>} timeline */
const ids = (timeline) => timeline.snapshot.map(({ id }) => id);

/** A generator of numbers below a bound, the same for the same seed. @param {number} seed */
function numbers(seed) {
  let state = seed;
  return (/** @type {number} */ bound) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * bound);
  };
}

describe("a timeline", () => {
  test("is the window, and tells whether there is more", async () => {
    const { timeline, model } = opened(4);
    assert.deepEqual([ids(timeline), timeline.more], [["m1", "m2", "m3"], true]);
    model.remove("m2");
    model.tell();
    assert.deepEqual([ids(timeline), timeline.more], [["m0", "m1", "m3"], false]);
    await timeline.load();
    assert.deepEqual(model.socket?.sent, [], "nothing is asked where there is nothing older");
  });

  test("grows by pages, until there is nothing older", async () => {
    const { timeline, model } = opened();
    timeline.load();
    await model.settle();
    assert.deepEqual([ids(timeline), timeline.more], [model.ids(3), true]);
    timeline.load(50);
    await model.settle();
    assert.deepEqual([ids(timeline), timeline.more], [model.ids(), false]);
    timeline.forget();
    assert.deepEqual([ids(timeline), timeline.more], [["m7", "m8", "m9"], true]);
  });

  test("keeps what leaves the window because others come, and not what is removed", async () => {
    const { timeline, model } = opened();
    timeline.load();
    await model.settle();
    model.add("a");
    model.tell();
    assert.deepEqual(ids(timeline), model.ids(3), "it is shown while it is read again");
    await model.settle();
    model.remove("m9"); // within the window
    model.tell();
    await model.settle();
    assert.deepEqual(ids(timeline), model.ids(3));
    model.remove("m7"); // the oldest of the window, while others come
    model.add("b");
    model.add("c");
    model.tell();
    await model.settle();
    assert.deepEqual(ids(timeline), model.ids(3));
  });

  test("has no gap after more has come than the window holds", async () => {
    const { timeline, model } = opened();
    timeline.load(1);
    await model.settle();
    for (let n = 0; n < 20; n++) model.add(`late${n}`);
    model.tell();
    await model.settle();
    assert.deepEqual(ids(timeline), model.ids(5));
  });

  test("tells each change, with the same list in between", async () => {
    const { timeline, model, reported } = opened();
    const seen = /** @type {any[]} */ ([]);
    const end = timeline.subscribe(() => seen.push(timeline.snapshot));
    assert.equal(timeline.snapshot, timeline.snapshot);
    timeline.load(1);
    await model.settle();
    model.add("a");
    model.tell();
    await model.settle();
    assert.deepEqual(
      seen.map((items) => items.length),
      [5, 6, 6],
    );
    end();
    timeline.forget();
    assert.equal(seen.length, 3);
    assert.deepEqual(reported, []);
  });

  test("is as before when a page is refused", async () => {
    const { timeline, model } = opened();
    const loaded = assert.rejects(timeline.load(), with_code("forbidden"));
    await turn();
    const { tunnel } = model.socket?.sent.shift();
    model.socket?.say(failure(tunnel, "no", { error: { code: "forbidden", message: "no" } }));
    await loaded;
    assert.deepEqual([ids(timeline), timeline.more], [["m7", "m8", "m9"], true]);
  });

  test("asks again for a page that a lost connection has taken", async () => {
    const { client, timeline, model } = opened();
    const loaded = timeline.load();
    await turn();
    FakeWebSocket.last.drop();
    client.connect();
    model.serve(FakeWebSocket.last.open());
    await model.settle();
    await loaded;
    assert.deepEqual(ids(timeline), model.ids(3));
  });

  test("ends", () => {
    const { client, timeline, model } = opened();
    timeline.close();
    assert.deepEqual(model.socket?.sent.at(-1).arg.remove?.length, 1);
    const signal = AbortSignal.abort();
    new Timeline(client, C, { signal });
    assert.deepEqual(ids(timeline), ["m7", "m8", "m9"]);
  });

  for (let seed = 1; seed <= 200; seed++)
    test(`shows each item once, and in the end all of them, history ${seed}`, async () => {
      const below = numbers(seed);
      const last = 1 + below(4);
      const { timeline, model } = opened(below(12), last);
      let next = 0;
      const any = seed % 2 === 0; // whether what is above the window changes, too
      for (let step = 0; step < 40; step++) {
        const kind = below(8);
        const pool = any ? model.entries : model.window;
        const some = pool[below(pool.length)]?.item.id;
        if (kind < 3) model.add(`n${next++}`);
        else if (kind === 3 && some) model.remove(some);
        else if (kind === 4 && some) model.add(some);
        else if (kind === 5) timeline.load(1 + below(4));
        else if (kind === 6 && model.socket?.sent.length) model.answer();
        else if (kind === 7) timeline.forget();
        if (!any || below(2)) model.tell();
        await turn();
        const shown = ids(timeline);
        assert.equal(new Set(shown).size, shown.length);
        assert.deepEqual(shown.slice(-last), model.window.slice(-last).map(({ item }) => item.id)); // prettier-ignore
      }
      model.tell();
      await model.settle();
      if (any) {
        timeline.refresh();
        await model.settle();
      }
      const shown = ids(timeline);
      assert.deepEqual(shown, model.ids().slice(model.entries.length - shown.length));
      if (!any) assert.equal(timeline.more, shown.length < model.entries.length);
    });
});
