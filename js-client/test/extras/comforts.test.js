import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { C, FakeWebSocket, at, make, notify, reply, synced, turn } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("subscribe", () => {
  test("tells diffs until unsubscribed, without this", () => {
    const { ds, change } = synced();
    const { subscribe } = ds;
    /** @type {string[]} */
    const seen = [];
    const unsubscribe = subscribe((diffs) => seen.push(...diffs.map(({ id }) => id)));
    change({ insert: [{ id: "a" }] });
    unsubscribe();
    unsubscribe();
    change({ insert: [{ id: "b" }] });
    assert.deepEqual(seen, ["a"]);
  });

  test("ends with a signal, and leaves no listener on it", () => {
    const { ds, change } = synced();
    const controller = new AbortController();
    const { signal } = controller;
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (/** @type {any[]} */ ...args) => {
      listeners++;
      Reflect.apply(addEventListener, signal, args);
    };
    signal.removeEventListener = (/** @type {any[]} */ ...args) => {
      listeners--;
      Reflect.apply(removeEventListener, signal, args);
    };
    let calls = 0;
    ds.subscribe(() => calls++, { signal })();
    assert.equal(listeners, 0);
    ds.subscribe(() => calls++, { signal });
    change({ insert: [{ id: "a" }] });
    controller.abort();
    change({ insert: [{ id: "b" }] });
    ds.subscribe(() => calls++, { signal });
    change({ insert: [{ id: "c" }] });
    assert.equal(calls, 1);
  });

  test("is undone by using", () => {
    const { client, handle, ds, change } = synced();
    let calls = 0;
    ds.subscribe(() => calls++)[Symbol.dispose]();
    change({ insert: [{ id: "a" }] });
    assert.equal(calls, 0);
    handle[Symbol.dispose]();
    assert.throws(() => ds.update({}), { code: "released" });
    client[Symbol.dispose]();
    assert.equal(client.status, "closed");
  });

  test("a signal releases a handle, and only that", () => {
    const { client, ds, handle } = synced();
    const controller = new AbortController();
    const { signal } = controller;
    client.acquire(C, { signal });
    client.release(handle);
    ds.update({});
    controller.abort();
    assert.throws(() => ds.update({}), { code: "released" });
    const [, other] = client.acquire(C, { signal });
    assert.throws(() => other.update({}), { code: "released" }, "aborted already");
  });

  test("a handle that its signal has released releases nobody else's", () => {
    const { client, ds } = synced();
    const [handle] = client.acquire(C, { signal: AbortSignal.abort() });
    client.release(handle);
    ds.update({});
  });
});

describe("snapshot", () => {
  test("is frozen, the same until something changes, and keeps what did not change", () => {
    const { ds, change, socket } = synced([{ id: "a" }, { id: "b", n: [1] }]);
    const first = ds.snapshot;
    assert.ok(Object.isFrozen(first));
    assert.deepEqual(first, ds.get_items());
    assert.equal(ds.snapshot, first);
    change({ remove: ["x"] });
    assert.equal(ds.snapshot, first, "a change without effect");
    change({ insert: [{ id: "a", n: 1 }] });
    const second = ds.snapshot;
    assert.notEqual(second, first);
    assert.deepEqual(first, [{ id: "a" }, { id: "b", n: [1] }], "the old one stays as it was");
    assert.equal(second[1], first[1]);
    const same = { insert: [{ id: "a", n: 1 }, { id: "b", n: [1] }], reset: true }; // prettier-ignore
    socket.say(notify(same, at("f", 0, 1)));
    assert.equal(ds.snapshot, second, "the same state, told anew");
    socket.say(notify({ insert: same.insert.toReversed(), reset: true }, at("f", 0, 2)));
    assert.deepEqual(ds.snapshot.map(({ id }) => id), ["b", "a"]); // prettier-ignore
    assert.equal(ds.snapshot[0], second[1]);
  });

  test("in a callback shows the change", () => {
    const { ds, change } = synced();
    const before = ds.snapshot;
    /** @type {any[]} */
    const seen = [];
    ds.subscribe(() => seen.push(ds.snapshot));
    change({ insert: [{ id: "a" }] });
    assert.deepEqual(seen, [[{ id: "a" }]]);
    assert.notEqual(seen[0], before);
  });
});

describe("iteration", () => {
  test("gives diffs as they come, merged while the consumer is busy", async () => {
    const { ds, change } = synced([{ id: "a" }]);
    const changes = ds[Symbol.asyncIterator]();
    const first = changes.next();
    change({ insert: [{ id: "b" }] });
    assert.deepEqual((await first).value, [{ id: "b", new: { id: "b" }, old: undefined }]);
    change({ insert: [{ id: "b", n: 1 }, { id: "c" }, { id: "gone" }] }); // prettier-ignore
    change({ remove: ["a"], insert: [{ id: "b", n: 2 }] });
    change({ remove: ["gone"] });
    assert.deepEqual((await changes.next()).value, [
      { id: "b", new: { id: "b", n: 2 }, old: { id: "b" } },
      { id: "c", new: { id: "c" }, old: undefined },
      { id: "a", new: undefined, old: { id: "a" } },
    ]);
    let over = false;
    const waiting = changes.next().then(({ done }) => (over = done === true));
    change({ insert: [{ id: "x" }] });
    change({ remove: ["x"] });
    await turn();
    assert.equal(over, false, "what came and went is not told");
    await changes.return?.();
    await waiting;
    assert.equal(over, true);
  });

  test("another order of the same items is told, to callbacks as well", async () => {
    const { ds, change } = synced([{ id: "a" }, { id: "b" }]);
    let calls = 0;
    ds.subscribe(() => calls++);
    const changes = ds.changes();
    const before = ds.snapshot;
    change({ reset: true, insert: [{ id: "b" }, { id: "a" }] });
    assert.equal(calls, 1);
    assert.notEqual(ds.snapshot, before);
    const { value } = await changes.next();
    assert.deepEqual(value, [{ id: "a", new: { id: "a" }, old: { id: "a" } }]);
  });

  test("every next is answered", async () => {
    const { ds, change } = synced();
    const changes = ds.changes();
    const both = Promise.all([changes.next(), changes.next()]);
    change({ insert: [{ id: "a" }] });
    await turn();
    change({ insert: [{ id: "b" }] });
    assert.deepEqual(
      (await both).map(({ value }) => value?.[0].id),
      ["a", "b"],
    );
  });

  test("ends with break, signal, release and close, after what is already there", async () => {
    for (const how of ["break", "signal", "release", "close"]) {
      const { client, handle, ds, change } = synced();
      const controller = new AbortController();
      /** @type {string[]} */
      const seen = [];
      const loop = (async () => {
        for await (const [{ id }] of ds.changes({ signal: controller.signal })) {
          seen.push(id);
          if (how === "break" && id === "b") break;
        }
      })();
      change({ insert: [{ id: "a" }] });
      await turn();
      change({ insert: [{ id: "b" }] });
      if (how === "signal") controller.abort();
      if (how === "release") client.release(handle);
      if (how === "close") client.close();
      await loop;
      assert.deepEqual(seen, ["a", "b"], how);
      for await (const _ of ds.changes({ signal: AbortSignal.abort() })) assert.fail("aborted");
      if (how === "release" || how === "close")
        for await (const _ of ds) assert.fail("no news will come");
    }
  });
});

describe("signals", () => {
  test("are not listened to any more once what they would end has ended", async (t) => {
    const { client, handle, ds, socket } = synced();
    const added = t.mock.method(EventTarget.prototype, "addEventListener");
    const removed = t.mock.method(EventTarget.prototype, "removeEventListener");
    const { signal } = new AbortController();
    ds.subscribe(() => {}, { signal })();
    ds.changes({ signal }).return?.();
    const late = ds.changes({ signal: AbortSignal.abort() });
    assert.equal((await late.next()).done, true);
    client.release(client.acquire(C, { signal })[0]);
    const update = client.update(C, {}, { signal });
    socket.say(reply(socket.sent[0].tunnel, 0));
    await update;
    const listened = (/** @type {any} */ { mock }) =>
      mock.calls.filter((/** @type {any} */ call) => call.arguments[0] === "abort");
    const [on, off] = [listened(added), listened(removed)];
    assert.ok(on.length >= 5);
    for (const { this: target, arguments: args } of on)
      assert.ok(
        off.some(
          (/** @type {any} */ call) => call.this === target && call.arguments[1] === args[1],
        ),
      );
    client.release(handle);
  });
});

describe("a long list comes in pages", () => {
  /** @param {(after: string) => string[]} page what the server answers */
  const read = async (page) => {
    const { client } = make();
    const told = [];
    const asked = [];
    const pages = client.pages("/app/items", { limit: 2 });
    client.connect();
    const socket = FakeWebSocket.last.open();
    for (;;) {
      const next = pages.next();
      const { arg, tunnel } = socket.sent.at(-1);
      asked.push(arg);
      assert.ok(asked.length < 10);
      socket.say(reply(tunnel, page(arg.after)));
      const { done, value } = await next;
      if (done) return { told, asked };
      told.push(value);
    }
  };

  test("until there are no more", async () => {
    const names = ["Z", "a", "b", "\uffee", "\u{1f511}"];
    const { told, asked } = await read((after) =>
      names.slice(names.indexOf(after) + 1).slice(0, 2),
    );
    assert.deepEqual(told, [names.slice(0, 2), names.slice(2, 4), names.slice(4)]);
    assert.deepEqual(asked[1], { limit: 2, after: "a" });
  });

  test("of a server that knows no pages, once", async () => {
    const names = ["a", "b", "c"];
    assert.deepEqual((await read(() => names)).told, [names]);
    assert.deepEqual((await read(() => [])).told, []);
  });
});

describe("a signal takes a request back", () => {
  test("unless it was sent", async () => {
    const { client } = make();
    const controller = new AbortController();
    const { signal } = controller;
    const waits = client.update(C, { remove: ["waits"] }, { signal });
    const stays = client.update(C, { remove: ["stays"] });
    controller.abort(new Error("changed my mind"));
    await assert.rejects(waits, /changed my mind/);
    await assert.rejects(client.get("/", { signal }), /changed my mind/);
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(
      socket.sent.map(({ arg }) => arg.remove[0]),
      ["stays"],
    );
    const late = new AbortController();
    const sent = client.update(C, {}, { signal: late.signal });
    late.abort();
    for (const { tunnel } of socket.sent) socket.say(reply(tunnel, 1));
    assert.deepEqual(await Promise.all([stays, sent]), [1, 1]);
  });
});
