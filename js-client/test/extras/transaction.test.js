/** Transactions: one batch, on condition that what they read has not changed. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SharedStateError } from "../../src/index.js";
import { C, FakeWebSocket, failure, make, notify, reply, synced, turn, until } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("transaction", () => {
  test("sends one batch, on condition that what it read has not changed", async () => {
    const { ds, socket } = synced([{ id: "a", n: 1 }, { id: "b" }, { id: "c" }]); // prettier-ignore
    const done = ds.transaction((tx) => {
      const { n } = tx.get_item("a") ?? assert.fail();
      tx.update({ insert: [{ id: "a", n: n + 1 }], remove: ["b"] });
      assert.equal(tx.get_item("a")?.n, 2, "it sees what it wrote");
      assert.equal(tx.has_item("b"), false);
      tx.update({ insert: [{ id: "b", again: true }, {}] });
      assert.equal(ds.get_item("a")?.n, 1, "nobody else does");
      return "done";
    });
    await turn();
    const [{ arg, tunnel }] = socket.sent;
    assert.deepEqual(arg.if, { epoch: "e", version: 1, ids: ["a"] });
    assert.deepEqual(arg.remove, ["b"]);
    assert.deepEqual(arg.insert.slice(0, 2), [{ id: "a", n: 2 }, { id: "b", again: true }]); // prettier-ignore
    assert.equal(typeof arg.insert[2].id, "string");
    socket.say(reply(tunnel, 3));
    assert.equal(await done, "done");
  });

  test("that reads all depends on all; one that reads nothing, on nothing", async () => {
    const { ds, socket } = synced([{ id: "a" }, { id: "b" }]);
    ds.transaction((tx) => {
      tx.update({ remove: ["a"], insert: [{ id: "c" }] });
      assert.deepEqual(tx.get_items(), [{ id: "b" }, { id: "c" }]);
      assert.equal(tx.size, 2);
    });
    ds.transaction((tx) => tx.update({ remove: ["a"] }));
    ds.transaction((tx) => {
      tx.update({ reset: true, insert: [{ id: "z" }] });
      assert.deepEqual(tx.get_items(), [{ id: "z" }]);
      assert.equal(tx.has_item("a"), false);
    });
    for (const n of [0, 1, 2]) {
      await turn();
      assert.equal(socket.sent.length, n + 1, "one after the other");
      socket.say(reply(socket.sent[n].tunnel, 1));
    }
    assert.deepEqual(
      socket.sent.map(({ arg }) => [arg.if, arg.reset]),
      [
        [{ epoch: "e", version: 1 }, false],
        [undefined, false],
        [undefined, true],
      ],
    );
  });

  test("on conflict runs again, once the news is there", async () => {
    const { ds, socket, change } = synced([{ id: "a", n: 1 }]);
    let runs = 0;
    const done = ds.transaction((tx) => {
      runs++;
      tx.update({ insert: [{ id: "a", n: tx.get_item("a")?.n + 1 }] });
    });
    await turn();
    const conflict = { error: { code: "conflict" }, epoch: "e", version: 2 };
    socket.say(failure(socket.sent[0].tunnel, "changed", conflict));
    await turn();
    assert.equal(runs, 1, "the news is not there");
    change({ insert: [{ id: "a", n: 10 }] });
    await until(() => socket.sent.length === 2);
    assert.deepEqual(socket.sent[1].arg.insert, [{ id: "a", n: 11 }]);
    change({ remove: ["x"] });
    socket.say(failure(socket.sent[1].tunnel, "changed", { ...conflict, version: 4 }));
    await pause(100);
    assert.equal(runs, 2, "there is news, but not all of it");
    change({ insert: [{ id: "a", n: 20 }] });
    await until(() => socket.sent.length === 3);
    assert.deepEqual(socket.sent[2].arg.insert, [{ id: "a", n: 21 }]);
    socket.say(reply(socket.sent[2].tunnel, 1));
    await done;
  });

  test("that loses each time ends after 100 runs", async (t) => {
    t.mock.method(Math, "random", () => 0); // no pauses
    const { ds, socket, change } = synced([{ id: "a", n: 1 }]);
    let runs = 0;
    const done = ds.transaction((tx) => {
      runs++;
      tx.update({ insert: [{ id: "a", n: tx.get_item("a")?.n + 1 }] });
    });
    for (let version = 2; version <= 101; version++) {
      await until(() => socket.sent.length === version - 1);
      change({ insert: [{ id: "a", n: 10 * version }] });
      const conflict = { error: { code: "conflict" }, epoch: "e", version };
      socket.say(failure(socket.sent[version - 2].tunnel, "changed", conflict));
    }
    await assert.rejects(done, { code: "conflict" });
    assert.equal(runs, 100);
  });

  test("settles when the server refuses the path at a reconnect", async () => {
    for (const early of [true, false]) {
      const { ds, socket } = synced([{ id: "a", n: 1 }]);
      const done = ds.transaction((tx) => {
        tx.update({ insert: [{ id: "a", n: tx.get_item("a")?.n + 1 }] });
      });
      const refuse = () =>
        ds._handle(
          /** @type {any} */ ({ kind: "refused", error: new SharedStateError("too_many", "no") }),
        );
      await turn();
      const conflict = { error: { code: "conflict" }, epoch: "e", version: 2 };
      if (early) refuse();
      socket.say(failure(socket.sent[0].tunnel, "changed", conflict));
      await pause(100);
      if (!early) refuse();
      await assert.rejects(done, { code: "too_many" });
    }
  });

  test("settles whatever happens", async () => {
    const { client, handle, ds, socket } = synced([{ id: "a" }]);
    await assert.rejects(
      ds.transaction(() => assert.fail("mine")),
      /mine/,
    );
    assert.equal(await ds.transaction((tx) => tx.get_item("a")?.id), "a");
    assert.equal(socket.sent.length, 0, "nothing written, nothing sent");
    const refused = ds.transaction(async (tx) => tx.update({ reset: true }));
    await turn();
    socket.say(failure(socket.sent[0].tunnel, "no", { error: { code: "forbidden" } }));
    await assert.rejects(refused, { code: "forbidden" });
    const waits = ds.transaction((tx) => {
      tx.update({ insert: [{ id: "a", n: tx.size }] });
    });
    await turn();
    const conflict = { error: { code: "conflict" }, epoch: "e", version: 2 };
    socket.say(failure(socket.sent[1].tunnel, "changed", conflict));
    await turn();
    const next = ds.transaction((tx) => tx.update({ reset: true }));
    client.release(handle);
    for (const promise of [waits, next]) await assert.rejects(promise, { code: "released" });
    const other = client.acquire("/app/items/d")[1];
    socket.serve();
    const lost = other.transaction((tx) => tx.update({ reset: true }));
    await until(() => socket.sent.length === 1);
    socket.drop();
    await assert.rejects(lost, { code: "connection_lost", outcome: "unknown" });
    await assert.rejects(
      ds.transaction((tx) => tx.update({ reset: true })),
      { code: "released" },
    );
    client.close();
  });

  test("needs a server that numbers versions, if it reads", async () => {
    const { client } = make();
    const [, ds] = client.acquire(C);
    const socket = FakeWebSocket.last.open();
    socket.say(reply(socket.sent[0].tunnel, [[C, {}]])).say(notify({ reset: true }));
    await assert.rejects(
      ds.transaction((tx) => tx.update({ insert: [{ n: tx.size }] })),
      { code: "failed" },
    );
  });
});

describe("transactions of one dataset", () => {
  /**
   * A server that keeps one counter, and counts what it is asked.
   *
   * @param {ReturnType<typeof synced>} given
   */
  function counting({ socket, change }) {
    let version = 1;
    const asked = { updates: 0, conflicts: 0 };
    socket.send = (/** @type {string} */ text) => {
      const { tunnel, arg } = JSON.parse(text);
      asked.updates++;
      setImmediate(() => {
        if (arg.if && arg.if.version !== version) {
          asked.conflicts++;
          const conflict = { error: { code: "conflict" }, epoch: "e", version };
          socket.say(failure(tunnel, "changed", conflict));
          return;
        }
        version++;
        change({ insert: arg.insert });
        socket.say(reply(tunnel, 1));
      });
    };
    return asked;
  }

  for (const [name, wrap] of /** @type {const} */ ([
    ["plain functions", (/** @type {any} */ run) => run],
    ["async functions", (/** @type {any} */ run) => async (/** @type {any} */ tx) => run(tx)],
  ]))
    test(`do not fight one another: ${name}`, async () => {
      const given = synced([{ id: "a", n: 0 }]);
      const asked = counting(given);
      /** @type {number[]} */
      const order = [];
      const run = (/** @type {number} */ n) =>
        wrap((/** @type {any} */ tx) => {
          order.push(n);
          tx.update({ insert: [{ id: "a", n: tx.get_item("a").n + 1 }] });
        });
      await Promise.all(Array.from({ length: 10 }, (_, n) => given.ds.transaction(run(n))));
      assert.deepEqual(asked, { updates: 10, conflicts: 0 });
      assert.equal(given.ds.get_item("a")?.n, 10);
      assert.deepEqual(order, [...order.keys()]);
    });

  test("one within another, and one that never returns, keep nobody waiting", async () => {
    const given = synced([{ id: "a", n: 0 }]);
    counting(given);
    const { ds } = given;
    const add = (/** @type {any} */ tx) =>
      tx.update({ insert: [{ id: "a", n: tx.get_item("a").n + 1 }] });
    ds.transaction(() => new Promise(() => {}));
    await ds.transaction(async (tx) => {
      await ds.transaction(add);
      tx.update({ insert: [{ id: "b" }] });
    });
    await ds.transaction(add);
    assert.equal(ds.get_item("a")?.n, 2);
  });

  test("one that fails is no obstacle", async () => {
    const given = synced([{ id: "a", n: 0 }]);
    counting(given);
    const failed = given.ds.transaction(() => assert.fail("mine"));
    await given.ds.transaction((tx) => tx.update({ insert: [{ id: "b" }] }));
    await assert.rejects(failed, /mine/);
  });
});

describe("what is added to a transaction", () => {
  /** @type {[any, string][]} */
  const refused = [
    [undefined, "update: undefined is not JSON"],
    [5, "update: expected an object with remove, insert, reset, patch"],
    [["a"], "update: expected an object with remove, insert, reset, patch"],
    [new Map(), "update: Map is not JSON"],
    [{ delete: ["a"] }, "delete: expected insert, remove, reset, patch, if"],
    [{ if: { epoch: "e", version: 1 } }, "if: expected none, in a transaction"],
    [{ if: undefined }, "if: expected a cursor"],
    [{ remove: "milk" }, "remove: expected an array"],
    [{ remove: null }, "remove: expected an array"],
    [{ remove: ["a", 7] }, "remove[1]: expected a non-empty string, found 7"],
    [{ remove: [""] }, 'remove[0]: expected a non-empty string, found ""'],
    [{ reset: "false" }, "reset: expected true or false"],
    [{ reset: null }, "reset: expected true or false"],
    [{ insert: { id: "a" } }, "insert: expected an array"],
    [{ insert: "a" }, "insert: expected an array"],
    [{ insert: null }, "insert: expected an array"],
    [{ insert: [{ id: "z" }, null] }, "insert[1]: expected an object"],
    [{ insert: [["a"]] }, "insert[0]: expected an object"],
    [{ insert: ["x"] }, "insert[0]: expected an object"],
    [{ insert: [{ id: 7 }] }, "insert[0].id: expected a non-empty string, found 7"],
    [{ reset: true, remove: ["a"], insert: [{ id: "z" }, 7] }, "insert[1]: expected an object"],
  ];
  for (const [changes, message] of refused)
    test(`has to be changes: ${message}`, async () => {
      const { ds, socket } = synced([..."milk"].map((id) => ({ id })));
      await ds.transaction((tx) => {
        assert.throws(() => tx.update(changes), { code: "bad_update", message });
        assert.equal(tx.size, 4, "nothing of it was added");
      });
      assert.equal(socket.sent.length, 0);
    });

  test("comes before the function ends", async () => {
    const { ds, socket } = synced([{ id: "a" }]);
    /** @type {import("../../src/extras/transaction.js").Transaction[]} */
    const kept = [];
    const done = ds.transaction((tx) => {
      kept.push(tx);
      tx.update({ remove: ["a"] });
    });
    await turn();
    socket.say(reply(socket.sent[0].tunnel, 1));
    await done;
    const failed = ds.transaction((tx) => {
      kept.push(tx);
      assert.fail("mine");
    });
    await assert.rejects(failed, /mine/);
    assert.equal(kept.length, 2);
    for (const tx of kept)
      assert.throws(() => tx.update({ insert: [{ id: "b" }] }), {
        code: "bad_update",
        message: /over/,
      });
  });
});
