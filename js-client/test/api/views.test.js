/** Datasets that hold a part of a collection, and parts that are read once. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, describe, test } from "node:test";
import { filter_of, view_of } from "../../src/api/filter.js";
import { C, FakeWebSocket, at, failure, make, notify, reply, turn, until, with_code } from "../support.js"; // prettier-ignore

beforeEach(() => {
  FakeWebSocket.made = [];
});

const NAMES = JSON.parse(
  readFileSync(new URL("../../../tests/vectors/filters/view-names.json", import.meta.url), "utf8"),
);

const FEW = [
  { id: "a", room: "r3" },
  { id: "b", room: "r3" },
];

/** A client that is connected, with a dataset of one room in sync, at version 1 of epoch "e". */
function synced(/** @type {any} */ options = { where: { room: "r3" } }) {
  const { client, reported } = make();
  const [handle, ds] = client.acquire(C, options);
  const socket = FakeWebSocket.last.open().know();
  const [, { view }] = socket.sent[0].arg.insert[0];
  socket.serve(FEW);
  /** @param {object} data @param {number} base @param {number} version @param {number[][]} places */
  const change = (data, base, version, places = []) =>
    socket.say(notify(data, { ...at("e", base, version), view, at: places }));
  return { client, handle, ds, socket, change, reported };
}

describe("views", () => {
  test("a misspelt option is refused: it would ask for the whole collection", async () => {
    const { client } = make();
    const wrong = /** @type {any} */ ({ wher: { room: "r3" } });
    const refused = { code: "bad_option", message: /wher: unknown option/ };
    assert.throws(() => client.acquire(C, wrong), refused);
    await assert.rejects(client.get(C, wrong), refused);
    await assert.rejects(client.page(C, wrong), refused);
    assert.equal(FakeWebSocket.made.length, 0);
  });

  test("equal filters are one dataset, others are others, and the collection is one more", () => {
    const { client } = make();
    const where = { room: "r3", n: { gt: 1, lt: 5 }, and: [{ x: 1 }, { y: 2 }] };
    const same = { and: [{ x: 1 }, { y: 2 }], n: { lt: 5, gt: 1 }, room: "r3" };
    const [handle, ds] = client.acquire(C, { where, fields: ["a", "b"] });
    assert.equal(client.acquire(C, { fields: ["a", "b"], where: same })[1], ds);
    assert.equal(handle.path, C);
    const others = [
      {},
      { where },
      { where, fields: ["a"] },
      { where, fields: ["a", "b"], last: 3 },
      { where: { ...where, and: [{ y: 2 }, { x: 1 }] }, fields: ["a", "b"] },
      { where: {} },
    ].map((options) => client.acquire(C, options)[1]);
    assert.equal(new Set([ds, ...others]).size, 7);
    const { insert } = FakeWebSocket.last.open().sent[0].arg;
    assert.equal(new Set(insert.map((/** @type {any} */ [, sub]) => sub.view)).size, 7);
    assert.deepEqual(insert[1], [C, { parts: true }], "without a filter there is no name");
  });

  for (const { filter, text, name } of NAMES.names)
    test(`the name of ${text}`, () => {
      const [copy, found] = filter_of(filter);
      const same = JSON.parse(JSON.stringify(filter));
      assert.deepEqual([copy, found, view_of(found)], [same, text, name]);
    });

  test("a name that another filter has gets a suffix", () => {
    const { client } = make();
    const [{ filters, name }] = NAMES.taken;
    const [[first], [, second]] = filters.map((/** @type {any} */ each) => client.acquire(C, each));
    assert.equal(client.acquire(C, filters[1])[1], second);
    const socket = FakeWebSocket.last.open().know();
    const subs = socket.sent[0].arg.insert.map((/** @type {any} */ [, sub]) => sub);
    assert.deepEqual(
      subs.map((/** @type {any} */ { view, where }) => [view, where]),
      [
        [name, filters[0].where],
        [`${name}_`, filters[1].where],
      ],
    );
    socket.serve(({ where }) => [{ id: where.room }]);
    assert.deepEqual(second.get_items(), [{ id: filters[1].where.room }]);
    client.release(first);
    assert.deepEqual(socket.sent[0].arg.remove, [[C, name]]);
    assert.equal(client.acquire(C, filters[1])[1], second);
  });

  test("tell what they are, and where they begin", () => {
    const { client } = make();
    const where = { room: "r3" };
    const [, ds] = client.acquire(C, { where, last: 2, fields: ["room"] });
    where.room = "changed later";
    const [, whole] = client.acquire(C);
    const socket = FakeWebSocket.last.open().know();
    assert.equal(ds.before, undefined);
    socket.serve(FEW);
    const { where: asked, last, fields } = ds;
    assert.deepEqual({ asked, last, fields }, { asked: { room: "r3" }, last: 2, fields: ["room"] });
    assert.deepEqual(ds.before, [0, 0]);
    assert.deepEqual(
      [whole.where, whole.last, whole.fields, whole.before],
      Array(4).fill(undefined),
    );
  });

  test("are released each for itself, with the last of their handles", () => {
    const { client, handle, ds, socket } = synced();
    const [twice] = client.acquire(C, { where: { room: "r3" } });
    const [, whole] = client.acquire(C);
    socket.serve(FEW);
    client.release(handle);
    client.release(handle);
    assert.deepEqual(socket.sent, []);
    client.release(twice);
    assert.equal(socket.sent.length, 1);
    assert.throws(() => ds.update({ remove: ["a"] }), with_code("released"));
    socket.say(notify({ remove: ["a"] }, at("e", 1, 2)));
    assert.equal(whole.size, 1);
    assert.equal(ds.size, 2, "still readable, no longer in sync");
  });

  test("something undefined in a filter is a mistake, since it would ask for more", async () => {
    const { client } = make();
    for (const where of [
      { room: undefined },
      { and: [{ n: { gt: NaN } }] },
      { n: { in: [undefined] } },
    ]) {
      const options = { where: /** @type {any} */ (where) };
      assert.throws(() => client.acquire(C, options), with_code("bad_message"));
      await assert.rejects(client.get(C, options), with_code("bad_message"));
      await assert.rejects(client.page(C, options), with_code("bad_message"));
    }
    assert.throws(() => client.acquire(C, { where: { and: [{ n: { gt: NaN } }] } }), {
      message: "where.and[0].n.gt: expected JSON, found NaN",
    });
    assert.equal(client.status, "idle");
    client.acquire(C, { where: undefined, last: undefined });
    assert.deepEqual(FakeWebSocket.last.open().sent[0].arg.insert, [[C, { parts: true }]]);
  });

  test("that a server does not know are refused, and stay empty", async () => {
    const { client, reported } = make();
    const [, ds] = client.acquire(C, { last: 3 });
    const [, whole] = client.acquire(C);
    const { ready } = ds;
    const socket = FakeWebSocket.last.open();
    socket.know([]);
    await assert.rejects(ready, { code: "failed", message: "the server knows no filters" });
    socket.serve((sub) => (sub.view ? [] : FEW));
    assert.deepEqual([ds.size, whole.size], [0, 2]);
    await assert.rejects(client.get(C, { where: { room: "r3" } }), with_code("failed"));
    await assert.rejects(client.page(C, { last: 3 }), with_code("failed"));
    assert.deepEqual(reported, []);
  });

  test("with only some fields are not written from, except to remove", async () => {
    const { ds, socket, change } = synced({ fields: ["room"] });
    const insert = [{ id: "a", room: "r4" }];
    await assert.rejects(ds.update({ insert }), with_code("bad_update"));
    let runs = 0;
    const transaction = ds.transaction((tx) => {
      assert.throws(() => tx.update({ insert }), with_code("bad_update"));
      runs++;
      tx.update({ insert });
    });
    await assert.rejects(transaction, with_code("bad_update"));
    assert.equal(runs, 1);
    assert.deepEqual(socket.sent, []);
    const removed = ds.update({ remove: ["a"] });
    const [sent] = /** @type {any[]} */ (socket.sent);
    assert.deepEqual(sent.arg, { remove: ["a"] });
    change({ remove: ["a"] }, 1, 2);
    socket.say(reply(sent.tunnel, 1));
    assert.equal(await removed, 1);
    assert.equal(ds.size, 1);
  });
});

describe("updates of a view", () => {
  test("may put an item out of it, and take one in at its place", async () => {
    const { ds, socket, change } = synced();
    const [a, b] = ds.get_items();
    const moved = ds.update({ insert: [{ ...a, room: "r4" }] });
    change({ remove: ["a"] }, 1, 2);
    socket.say(reply(socket.sent[0].tunnel, 1));
    await moved;
    assert.deepEqual(ds.get_items(), [b]);
    change({ insert: [a] }, 2, 9, [[0, 0]]);
    assert.deepEqual(ds.get_items(), [a, b]);
  });

  test("a transaction that conflicts with what the view does not show runs again at the version it is told", async () => {
    const { ds, socket, change } = synced();
    const done = ds.transaction((tx) => {
      tx.update({ insert: [{ id: "c", room: "r3", n: tx.size }] });
    });
    await turn();
    assert.deepEqual(socket.sent[0].arg.if, { epoch: "e", version: 1 });
    // The news comes first: nothing that this view shows, only how far it is.
    change({}, 1, 5);
    const conflict = { error: { code: "conflict" }, epoch: "e", version: 5 };
    socket.say(failure(socket.sent[0].tunnel, "changed", conflict));
    await until(() => socket.sent.length === 2);
    assert.deepEqual(socket.sent[1].arg.if, { epoch: "e", version: 5 });
    // And the other way about, from a server that is less strict.
    socket.say(failure(socket.sent[1].tunnel, "changed", { ...conflict, version: 7 }));
    await turn();
    change({}, 5, 7);
    await until(() => socket.sent.length === 3);
    assert.deepEqual(socket.sent[2].arg.if, { epoch: "e", version: 7 });
    socket.say(reply(socket.sent[2].tunnel, 1));
    await done;
  });

  test("an id that the view does not show is part of what a transaction has read", async () => {
    const { ds, socket } = synced();
    ds.transaction((tx) => {
      if (!tx.has_item("z")) tx.update({ insert: [{ id: "z", room: "r3" }] });
    });
    await turn();
    assert.deepEqual(socket.sent[0].arg.if.ids, ["z"]);
  });
});

describe("a part of a collection is read once", () => {
  test("as a list of items, or page by page", async () => {
    const { client, ds, socket } = synced({ last: 2 });
    const got = client.get(C, { where: { room: "r3" }, last: 2, before: ds.before });
    const page = client.page(C, { last: 2, before: ds.before });
    const end = client.page(C, { where: { room: "r9" } });
    assert.deepEqual(
      socket.sent.map(({ cmd, path, arg }) => [cmd, path, arg]),
      [
        ["GET", C, { where: { room: "r3" }, last: 2, before: [0, 0] }],
        ["GET", C, { last: 2, before: [0, 0] }],
        ["GET", C, { where: { room: "r9" } }],
      ],
    );
    const tunnels = socket.sent.map(({ tunnel }) => tunnel);
    const places = [[3, 1], [4, 0]]; // prettier-ignore
    socket.say(reply(tunnels[0], FEW, { at: places }));
    socket.say(reply(tunnels[1], FEW, { at: places, more: true }));
    socket.say(reply(tunnels[2], [], { at: [] }));
    assert.deepEqual(await got, FEW);
    assert.deepEqual(await page, { items: FEW, at: places, before: [3, 1], more: true });
    assert.deepEqual(await end, { items: [], at: [], before: undefined, more: false });
  });

  test("from a server that ignores the filter not at all", async () => {
    const { client } = make();
    const promise = client.page(C, { last: 2 });
    const socket = FakeWebSocket.last.open();
    socket.say(reply(socket.sent[0].tunnel, FEW));
    await assert.rejects(promise, with_code("failed"));
  });

  test("what holds for everything needs no places", async () => {
    const { client, socket } = synced();
    const promises = [
      client.page(C),
      client.get(C, { where: {} }),
      client.page(C, { where: { and: [] } }),
    ];
    for (const { tunnel } of socket.sent) socket.say(reply(tunnel, FEW));
    const page = { items: FEW, at: undefined, before: undefined, more: false };
    assert.deepEqual(await Promise.all(promises), [page, FEW, page]);
  });

  test("a signal withdraws it, a mistake in the path is told", async () => {
    const { client } = make();
    const controller = new AbortController();
    const promise = client.page(C, { last: 2, signal: controller.signal });
    controller.abort();
    await assert.rejects(promise, { name: "AbortError" });
    await assert.rejects(client.page(/** @type {any} */ (3)), with_code("bad_path"));
  });
});
