/** What an update may hold: JSON, and nothing that would turn into something else on the way. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { runInNewContext } from "node:vm";
import { SharedStateClient as CoreClient } from "../../src/core.js";
import { C, FakeWebSocket, make, synced, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

class Point {
  x = 1;
}

/** @type {[string, any, string][]} what it is, an item, and the place and the kind of what is wrong */
const REFUSED = [
  ["a forgotten await", Promise.resolve({ id: "a" }), "insert[1]: Promise is not JSON"],
  ["a Map", new Map([["id", "a"]]), "insert[1]: Map is not JSON"],
  ["a Set", new Set(["a"]), "insert[1]: Set is not JSON"],
  ["an instance", new Point(), "insert[1]: Point is not JSON"],
  ["NaN", { id: "a", n: NaN }, "insert[1].n: NaN is not JSON"],
  ["Infinity", { id: "a", n: [{ m: -Infinity }] }, "insert[1].n[0].m: -Infinity is not JSON"],
  ["undefined in a list", { id: "a", n: [undefined] }, "insert[1].n[0]: undefined is not JSON"],
  ["a Map in it", { id: "a", n: { m: new Map() } }, "insert[1].n.m: Map is not JSON"],
  ["a promise in it", { id: "a", n: Promise.resolve() }, "insert[1].n: Promise is not JSON"],
  ["a function", { id: "a", n: () => 1 }, "insert[1].n: Function is not JSON"],
  ["a BigInt", { id: "a", n: 1n }, "insert[1].n: BigInt is not JSON"],
];

describe("refused, with the place", () => {
  for (const [name, item, message] of REFUSED)
    test(name, async () => {
      const { ds, socket } = synced();
      await assert.rejects(ds.update({ insert: [{ id: "z" }, item] }), {
        code: "bad_update",
        message,
        place: message.split(":")[0],
      });
      await assert.rejects(
        ds.transaction((tx) => tx.update({ insert: [{ id: "z" }, item] })),
        { code: "bad_update", message },
      );
      assert.equal(socket.sent.length, 0);
    });

  for (const [id, found] of [
    [7, "7"],
    [1.5, "1.5"],
    [false, "false"],
    [null, "null"],
    ["", '""'],
    [["a"], '["a"]'],
    [{ toJSON: () => 7 }, "7"],
  ])
    test(`an id that is ${found}`, async () => {
      const { client, ds, socket } = synced();
      const insert = /** @type {any} */ ([{ id: "z" }, {}, { id }]);
      const message = `insert[2].id: expected a non-empty string, found ${found}`;
      for (const promise of [
        ds.update({ insert }),
        client.update(C, { insert }),
        ds.transaction((tx) => tx.update({ insert })),
      ])
        await assert.rejects(promise, { code: "bad_update", message, place: "insert[2].id" });
      assert.equal(socket.sent.length, 0);
    });

  test("a list or a date in place of an item", async () => {
    const { ds, socket } = synced();
    for (const item of [[1], new Date(0)])
      await assert.rejects(ds.update({ insert: [{}, /** @type {any} */ (item)] }), {
        code: "bad_update",
        message: "insert[1]: expected an object",
      });
    assert.equal(socket.sent.length, 0);
  });

  test("a circle", async () => {
    const { ds, socket } = synced();
    /** @type {any} */
    const circle = { id: "a" };
    circle.circle = circle;
    await assert.rejects(ds.update({ insert: [circle] }), with_code("bad_update"));
    assert.equal(socket.sent.length, 0);
  });

  test("a condition that there is none of", async () => {
    const { client } = make();
    const [, ds] = client.acquire(C);
    assert.equal(ds.cursor, undefined);
    await assert.rejects(ds.update({ if: ds.cursor }), with_code("bad_update"));
    const given = synced();
    assert.deepEqual(given.ds.cursor, { epoch: "e", version: 1 });
    given.ds.update({ if: given.ds.cursor });
    assert.deepEqual(given.socket.sent[0].arg.if, { epoch: "e", version: 1 });
  });

  for (const [changes, message] of /** @type {[any, string][]} */ ([
    [undefined, "update: undefined is not JSON"],
    [5, "update: expected an object with remove, insert, reset, patch"],
    [[], "update: expected an object with remove, insert, reset, patch"],
    [Promise.resolve({}), "update: Promise is not JSON"],
  ]))
    test(`no changes at all: ${message}`, async () => {
      const { client, ds, socket } = synced();
      for (const promise of [ds.update(changes), client.update(C, changes)])
        await assert.rejects(promise, { code: "bad_update", message });
      assert.equal(socket.sent.length, 0);
    });

  test("other members of the update", async () => {
    const { ds } = synced();
    const condition = { epoch: "e", version: NaN };
    await assert.rejects(ds.update({ if: condition }), {
      message: "if.version: NaN is not JSON",
    });
  });
});

describe("sent as JSON says it", () => {
  /** @param {any} item */
  function stored(item) {
    const { ds, socket } = synced();
    ds.update({ insert: [item] });
    return socket.sent[0].arg.insert[0];
  }

  test("toJSON is asked, once, and the result gets an id if it has none", () => {
    let asked = 0;
    class Todo {
      #text = "x";
      toJSON() {
        asked++;
        return { text: this.#text };
      }
    }
    const { id, ...rest } = stored(new Todo());
    assert.deepEqual([typeof id, rest, asked], ["string", { text: "x" }, 1]);
    const when = new Date(0);
    assert.deepEqual(stored({ id: "a", when }), { id: "a", when: "1970-01-01T00:00:00.000Z" });
  });

  test("members that are undefined are left out; what is given stays as it is", () => {
    const item = Object.freeze({ a: undefined, b: null, c: [true, "x", 1.5, {}] });
    const { id, ...rest } = stored(item);
    assert.equal(typeof id, "string");
    assert.deepEqual(rest, { b: null, c: [true, "x", 1.5, {}] });
  });

  test("members whose toJSON says undefined are left out, too", () => {
    let asked = 0;
    const draft = { toJSON: () => void asked++ };
    const deep = { toJSON: () => ({ draft, n: 1, toJSON: undefined }) };
    assert.deepEqual(stored({ id: "a", draft, deep }), { id: "a", deep: { n: 1 } });
    assert.equal(asked, 2);
    /** What says that it is said in another way is asked once, as `JSON.stringify` does. */
    const twice = { toJSON: () => ({ toJSON: () => assert.fail("asked twice") }) };
    const { ds } = synced();
    return assert.rejects(ds.update({ insert: [{ id: "a", twice }] }), {
      message: "insert[0].twice.toJSON: Function is not JSON",
    });
  });

  test("plain objects of other pages, and those without a prototype, are plain", () => {
    const other = runInNewContext('({ id: "a", n: [{ m: 1 }] })');
    assert.deepEqual(stored(other), { id: "a", n: [{ m: 1 }] });
    assert.deepEqual(stored(Object.assign(Object.create(null), { id: "a" })), { id: "a" });
    const proto = JSON.parse('{"id": "a", "__proto__": {"n": 1}}');
    assert.ok(Object.hasOwn(stored(proto), "__proto__"));
  });
});

test("the lean core gives an id to nothing but plain objects", () => {
  const client = new CoreClient("ws://host:1", { WebSocket: FakeWebSocket });
  const given = [Promise.resolve(), new Map(), new Date(0), [1], { toJSON: () => ({ n: 1 }) }, {}];
  client.update(C, { insert: /** @type {any} */ (given) });
  const { insert } = FakeWebSocket.last.open().sent[0].arg;
  assert.equal(typeof insert.pop().id, "string");
  assert.deepEqual(insert, [{}, {}, "1970-01-01T00:00:00.000Z", [1], { n: 1 }]);
});
