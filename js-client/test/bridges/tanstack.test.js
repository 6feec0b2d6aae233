/** TanStack DB on demand: what it asks for as a filter, and what its subsets share. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { beforeEach, describe, test } from "node:test";
import * as db from "@tanstack/db";
import { collection_options } from "../../src/bridges/tanstack.js";
import { where_of } from "../../src/bridges/tanstack_where.js";
import { C, FakeWebSocket, at, make, notify, reply, turn, until, view } from "../support.js";
import { holds } from "./holds.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

const { Func, PropRef, Value } = db.IR;
/** @param {string} name @param {any[]} args */
const func = (name, ...args) => new Func(name, args);
/** @param {string} path */
const ref = (path) => new PropRef(path.split("."));
/** @param {any} value */
const val = (value) => new Value(value);

test("filters hold in the tests as on a server", () => {
  const file = new URL("../../../tests/vectors/filters/where.json", import.meta.url);
  for (const { items, cases } of JSON.parse(readFileSync(file, "utf8")).groups)
    for (const each of cases) {
      const found = Object.keys(items).filter((name) => holds(each.where, items[name]));
      assert.deepEqual(found.sort(), each.holds.toSorted(), JSON.stringify(each.where));
    }
});

describe("a condition of TanStack DB as a filter", () => {
  for (const [expression, where] of /** @type {[any, any][]} */ ([
    [func("eq", ref("room"), val("r3")), { room: { eq: "r3" } }],
    [func("eq", val("r3"), ref("room")), { room: { eq: "r3" } }],
    [func("gt", val(5), ref("n")), { n: { lt: 5 } }],
    [func("lte", ref("n"), val("x")), { n: { lte: "x" } }],
    [func("in", ref("n"), val([1, null])), { n: { in: [1, null] } }],
    [func("eq", ref("a.b"), val(0)), { "/a/b": { eq: 0 } }],
    [func("isNull", ref("a")), { a: { eq: null } }],
    [func("isNull", ref("a.b")), undefined],
    [func("isUndefined", ref("not")), { "/not": { exists: false } }],
    [func("isUndefined", ref("a.b")), undefined],
    [func("eq", new PropRef(["/x~"]), val(true)), { "/~1x~0": { eq: true } }],
    [func("not", func("eq", ref("n"), val(1))), { not: { n: { eq: 1 } } }],
    [func("like", ref("room"), val("r%")), undefined],
    [func("eq", ref("a"), ref("b")), undefined],
    [func("eq", ref("day"), val(new Date(0))), undefined],
    [func("gt", ref("done"), val(true)), undefined],
    [func("gt", ref("n"), val(NaN)), undefined],
    [func("in", ref("n"), val([{}])), undefined],
    [func("eq", ref("tags.0"), val("a")), undefined],
    [func("gt", ref("tags.length"), val(1)), undefined],
    [func("eq", func("lower", ref("a")), val("a")), undefined],
    [ref("done"), undefined],
    [
      func("and", func("like", ref("a"), val("%")), func("eq", ref("n"), val(1))),
      { and: [{ n: { eq: 1 } }] },
    ],
    [func("and", ref("a"), ref("b")), undefined],
    [func("or", func("like", ref("a"), val("%")), func("eq", ref("n"), val(1))), undefined],
    [
      func("not", func("and", func("like", ref("a"), val("%")), func("eq", ref("n"), val(1)))),
      undefined,
    ],
  ]))
    test(JSON.stringify(where) ?? `nothing of ${JSON.stringify(expression)}`, () =>
      assert.deepEqual(where_of(expression), where),
    );

  test("leaves out no item that it is true for", () => {
    let seed = 7;
    const lot = (/** @type {any[]} */ list) =>
      list[(seed = (seed * 16807) % 2147483647) % list.length];
    const values = [0, 1, 2, null, true, "a", "b"];
    const members = ["n", "a.b", "x"];
    /** @param {number} depth @returns {any} */
    const make = (depth) => {
      const name = lot(depth ? ["and", "or", "not", "not", "eq", "in"] : ["eq", "gt", "lte", "in", "isNull", "isUndefined", "like"]); // prettier-ignore
      if (name === "not") return func(name, make(depth - 1));
      if (name === "and" || name === "or") return func(name, make(depth - 1), make(depth - 1));
      if (name === "in") return func(name, ref(lot(members)), val([lot(values), lot(values)]));
      if (name === "like") return func(name, ref(lot(members)), val("a%"));
      if (/^is/.test(name)) return func(name, ref(lot(members)));
      // Numbers alone have an order that both agree on whatever the item has there.
      return func(name, ref("n"), val(name === "eq" ? lot(values) : lot([0, 1, 2])));
    };
    const items = [0, 1, 2, null, undefined].flatMap((n) =>
      [{ b: "a" }, { b: null }, {}, null, "text"].flatMap((a) =>
        [undefined, true, "b"].map((x) => JSON.parse(JSON.stringify({ id: "i", n, a, x }))),
      ),
    );
    let said = 0;
    for (let n = 0; n < 2000; n++) {
      const expression = make(3);
      const where = where_of(expression);
      if (!where) continue;
      said++;
      const is_true = db.compileSingleRowExpression(expression);
      for (const item of items)
        if (is_true(item) === true)
          assert.ok(holds(where, item), JSON.stringify([expression, where, item]));
    }
    assert.ok(said > 500, `${said}`);
  });
});

const ITEMS = [
  { id: "a", room: "r3", n: 1 },
  { id: "b", room: "r3", n: 5 },
  { id: "c", room: "r4", n: 9 },
];

/** @param {any} sub */
const matching = ({ where = {} }) => structuredClone(ITEMS).filter((item) => holds(where, item));

/** A collection on demand, connected to a server that knows filters. */
function on_demand() {
  const { client } = make();
  const collection = db.createCollection(
    /** @type {any} */ (collection_options(client, C, { syncMode: "on-demand" })),
  );
  // A server of which is known that it speaks level 2 is asked for each subscription alone.
  client.acquire("/app/items/other");
  const socket = FakeWebSocket.last.open().know().serve();
  /** @param {(row: any) => any} where */
  const query = (where) => {
    const live = db.createLiveQueryCollection((q) =>
      q.from({ t: collection }).where(({ t }) => where(t)),
    );
    live.preload().catch(() => {});
    return live;
  };
  return { client, collection, socket, query };
}

/** @param {Iterable<any>} rows */
const names = (rows) => [...rows].map(({ id }) => id).sort().join(""); // prettier-ignore

/** @param {FakeWebSocket} socket */
const asked = (socket) =>
  socket.sent.flatMap(({ arg }) => arg.insert ?? []).map(([, { where }]) => where);

describe("TanStack DB on demand", () => {
  test("loads what queries ask for, once for equal ones, and lets it go with the last", async () => {
    const { client, collection, socket, query } = on_demand();
    const first = query((t) => db.eq(t.room, "r3"));
    const second = query((t) => db.gt(t.n, 3));
    const third = query((t) => db.eq(t.room, "r3"));
    assert.deepEqual(asked(socket), [{ room: { eq: "r3" } }, { n: { gt: 3 } }]);
    assert.equal(first.status, "loading");
    socket.serve(matching);
    await Promise.all([first, second, third].map((each) => each.preload()));
    assert.deepEqual([first, second, third].map((each) => names(each.values())), ["ab", "bc", "ab"]); // prettier-ignore
    assert.equal(names(collection.values()), "abc");
    await third.cleanup();
    assert.deepEqual(socket.sent, []);
    await first.cleanup();
    assert.equal(/** @type {any[]} */ (socket.sent)[0].arg.remove.length, 1);
    assert.equal(names(collection.values()), "bc", "b belongs to another subset, too");
    await second.cleanup();
    assert.equal(names(collection.values()), "");
    await collection.cleanup();
    client.close();
  });

  test("follows changes of each subset, and an item from one to another", async () => {
    const { client, collection, socket, query } = on_demand();
    const [r3, r4] = ["r3", "r4"].map((room) => query((t) => db.eq(t.room, room)));
    const names_of = socket.sent.map(({ arg }) => arg.insert[0][1].view);
    socket.serve(matching);
    await Promise.all([r3.preload(), r4.preload()]);
    const moved = { id: "a", room: "r4", n: 1 };
    socket.say(notify({ remove: ["a"] }, { ...at("e", 1, 2), ...view(names_of[0]) }));
    socket.say(notify({ insert: [moved] }, { ...at("e", 1, 2), ...view(names_of[1], [moved]) }));
    assert.deepEqual([names(r3.values()), names(r4.values())], ["b", "ac"]);
    assert.deepEqual(collection.get("a")?.room, "r4");
    client.close();
  });

  test("what cannot be said is loaded with the rest of the collection", async () => {
    const { client, socket, query } = on_demand();
    const rooms = query((t) => db.like(t.room, "r%"));
    assert.deepEqual(asked(socket), [undefined]);
    socket.serve(matching);
    await rooms.preload();
    assert.equal(names(rooms.values()), "abc");
    const r3 = query((t) => db.eq(t.room, "r3"));
    await r3.preload();
    assert.equal(names(r3.values()), "ab");
    assert.deepEqual(socket.sent, [], "that is there already");
    client.close();
  });

  test("order and limit are its own affair", async () => {
    const { client, collection, socket } = on_demand();
    const newest = db.createLiveQueryCollection((q) =>
      q
        .from({ t: collection })
        .where(({ t }) => db.eq(t.room, "r3"))
        .orderBy(({ t }) => t.n, "desc")
        .limit(1),
    );
    newest.preload();
    assert.deepEqual(asked(socket), [{ room: { eq: "r3" } }]);
    socket.serve(matching);
    await newest.preload();
    assert.equal(names(newest.values()), "b");
    assert.deepEqual(socket.sent, [], "the ties of the last one are there already");
    client.close();
  });

  test("a subset that is refused is told as such, and others stay", async () => {
    const { client, collection, socket, query } = on_demand();
    const good = query((t) => db.eq(t.room, "r3"));
    socket.serve(matching);
    await good.preload();
    const bad = query((t) => db.eq(t.room, "r4"));
    const { tunnel, arg } = socket.sent.pop();
    const [[path, { view }]] = arg.insert;
    const error = { code: "forbidden", message: "no" };
    socket.say(reply(tunnel, [], { errors: [[path, error, view]] }));
    await assert.rejects(bad.preload(), /no/);
    assert.equal(names(good.values()), "ab");
    assert.equal(collection.status, "ready");
    client.close();
  });

  test("an update reads the items that it is about, and nothing else", async () => {
    const { client, collection, socket, query } = on_demand();
    const r3 = query((t) => db.eq(t.room, "r3"));
    socket.serve(matching);
    await r3.preload();
    const done = collection.update("a", (/** @type {any} */ draft) => {
      draft.n = 2;
    });
    assert.equal(r3.get("a")?.n, 2);
    await until(() => socket.sent.length === 1);
    assert.deepEqual(asked(socket), [{ id: { in: ["a"] } }]);
    socket.serve(matching);
    await until(() => socket.sent.length === 1);
    assert.deepEqual(socket.sent[0].arg.insert, [{ id: "a", room: "r3", n: 2 }]);
    assert.deepEqual(socket.sent[0].arg.if.ids, ["a"]);
    socket.say(reply(socket.sent[0].tunnel, 1));
    await done.isPersisted.promise;
    await turn();
    client.close();
  });

  test("requests with the same options are taken back one by one", async () => {
    const { client } = make();
    /** @type {any[]} */
    const written = [];
    const target = /** @type {any} */ ({
      begin() {},
      commit: () => true,
      markReady() {},
      write: (/** @type {any} */ change) => written.push(change.type),
    });
    const { loadSubset, unloadSubset, cleanup } = /** @type {any} */ (
      collection_options(client, C, { syncMode: "on-demand" }).sync.sync(target)
    );
    const options = { where: func("eq", ref("room"), val("r3")) };
    const loads = [loadSubset(options), loadSubset(options)];
    const socket = FakeWebSocket.last.open().know().serve(matching);
    await Promise.all(loads);
    unloadSubset(options);
    unloadSubset({ ...options });
    assert.deepEqual([socket.sent.length, written], [0, ["insert", "insert"]]);
    unloadSubset(options);
    unloadSubset(options);
    assert.deepEqual(written.slice(2), ["delete", "delete"]);
    assert.equal(socket.sent.length, 1);
    loadSubset(options).catch(() => {});
    cleanup();
    assert.equal(socket.sent.length, 3);
    assert.equal(written.length, 4);
  });

  test("a subset is loaded once its rows are visible, and a row that is there already is updated", async () => {
    const { client } = make();
    /** @type {[string, number][]} */
    const written = [];
    /** @type {(() => void)[]} */
    const show = [];
    const target = /** @type {any} */ ({
      begin() {},
      commit: () => new Promise((resolve) => show.push(() => resolve(undefined))),
      markReady() {},
      write: (/** @type {any} */ { type, value }) => written.push([type, value.n]),
    });
    const { loadSubset } = /** @type {any} */ (
      collection_options(client, C, { syncMode: "on-demand" }).sync.sync(target)
    );
    const first = loadSubset({ where: func("eq", ref("id"), val("b")) });
    const socket = FakeWebSocket.last.open().know().serve(matching);
    let loaded = false;
    first.then(() => (loaded = true));
    await turn();
    assert.equal(loaded, false);
    for (const each of show) each();
    await first;
    loadSubset({ where: func("gt", ref("n"), val(3)) }).catch(() => {});
    socket.serve(() => [{ id: "b", room: "r3", n: 6 }]);
    assert.deepEqual(written, [
      ["insert", 5],
      ["update", 6],
    ]);
    client.close();
  });
});
