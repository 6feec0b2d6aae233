import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  C,
  FakeWebSocket,
  at,
  failure,
  make,
  notify,
  patch,
  reply,
  synced,
  with_code,
} from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("datasets", () => {
  test("the page of the README works, connected or not", async () => {
    const { client } = make();
    client.connect();
    const [handle, ds] = client.acquire("/myapp/items/mycollection");
    /** @type {any[]} */
    const seen = [];
    ds.add_callback((/** @type {any} */ diffs) => seen.push([diffs, ds.get_item("myid")?.data]));
    const item = { id: "myid", data: true };
    ds.update({ insert: [item] });
    ds.update({ reset: true });
    const { sent } = FakeWebSocket.last.open();
    assert.deepEqual(
      sent.map(({ arg }) => Object.keys(arg)),
      [["insert", "reset"], ["insert"], ["reset"]],
    );
    FakeWebSocket.last.serve([item]);
    assert.deepEqual(seen, [[[{ id: "myid", new: item, old: undefined }], true]]);
    client.release(handle);
  });

  test("hold what the server says", async () => {
    const items = [{ id: "b" }, { id: "__proto__" }, { id: "a" }];
    const { ds } = synced(items);
    await ds.ready;
    assert.equal(ds.path, C);
    assert.equal(ds.size, 3);
    assert.deepEqual(ds.get_items(), items);
    assert.equal(ds.has_item("a"), true);
    assert.equal(ds.has_item("toString"), false);
    assert.equal(ds.get_item("toString"), undefined);
    assert.deepEqual(ds.get_item("__proto__"), { id: "__proto__" });
    ds.get_items().pop();
    assert.equal(ds.size, 3);
  });

  test("every spelling of a path names one dataset", () => {
    const { client, ds } = synced();
    for (const path of ["app/items/c", "/app/items/c/", "/app//items/c"])
      assert.equal(client.acquire(path)[1], ds);
    assert.deepEqual(FakeWebSocket.last.sent, [], "no further subscription");
  });

  test("a path that names no collection is refused at once", () => {
    const { client } = make();
    for (const path of ["", "/", "/app/items", "/a/b/c/d", /** @type {any} */ (3)])
      assert.throws(() => client.acquire(path), with_code("bad_path"));
    for (const name of [".", "..", "a\0", "a\x7f", "\x85", "\ud800", "x".repeat(129)])
      for (const path of [`/${name}/items/c`, `/app/${name}/c`, `/app/items/${name}`])
        assert.throws(() => client.acquire(path), with_code("bad_path"), JSON.stringify(path));
    assert.equal(client.status, "idle");
  });

  test("a name may have dots, blanks and any letters in it", () => {
    const { client } = make();
    for (const name of ["...", ".a", "a..", "a b", "é\u200d😀", "x".repeat(128)])
      assert.equal(client.acquire(`/app/items/${name}`)[1].path, `/app/items/${name}`);
  });

  test("are released with the last handle", () => {
    const { client, handle, ds, socket } = synced([{ id: "a" }]);
    const [second] = client.acquire(C);
    assert.notEqual(handle, second);
    client.release(handle);
    client.release(handle);
    client.release({});
    ds.update({});
    assert.equal(socket.sent.length, 1, "only the update");
    client.release(second);
    assert.deepEqual(socket.sent[1].arg, { remove: [C] });
    assert.throws(() => ds.update({}), with_code("released"));
    socket.say(notify({ remove: ["a"] }, at("e", 1, 2)));
    assert.equal(ds.size, 1);
    assert.notEqual(client.acquire(C)[1], ds);
  });

  test("released before the connection is up are never asked for", async () => {
    const { client } = make();
    const [handle, ds] = client.acquire(C);
    client.release(handle);
    FakeWebSocket.last.open();
    assert.deepEqual(FakeWebSocket.last.sent, []);
    await assert.rejects(ds.ready, with_code("released"));
  });

  test("a refusal rejects ready and is reported; acquiring again asks again", async () => {
    const { client, reported } = make();
    const [, ds] = client.acquire(C);
    const socket = FakeWebSocket.last.open();
    socket.refuse();
    await assert.rejects(ds.ready, with_code("forbidden"));
    assert.deepEqual(
      reported.map(({ code }) => code),
      ["forbidden"],
    );
    client.acquire(C);
    const { ready } = ds;
    socket.serve([{ id: "a" }]);
    await ready;
    assert.equal(ds.size, 1);
  });

  test("a refusal is told once: by ready, if somebody has it, else by a report", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { client, reported } = make();
    const [, ds] = client.acquire(C);
    const { ready } = ds;
    FakeWebSocket.last.open().refuse();
    await assert.rejects(ready, with_code("forbidden"));
    assert.deepEqual(reported, []);
    // The next connections are refused, too.
    for (let n = 0; n < 2; n++) {
      FakeWebSocket.last.drop();
      t.mock.timers.tick(20_000);
      FakeWebSocket.last.open().refuse();
    }
    assert.deepEqual(reported, []);
    // Who asks anew is told anew, and whoever was in sync learns it from no `ready`.
    client.acquire(C);
    FakeWebSocket.last.refuse();
    assert.equal(reported.length, 1);
    client.acquire(C);
    FakeWebSocket.last.serve([{ id: "a" }]);
    await ds.ready;
    for (let n = 0; n < 2; n++) {
      FakeWebSocket.last.drop();
      t.mock.timers.tick(20_000);
      FakeWebSocket.last.open().refuse();
      await ds.ready;
      assert.equal(reported.length, 2);
    }
  });

  test("in sync once, then refused: what was ready stays so", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { client, ds, socket, reported } = synced([{ id: "a" }]);
    socket.drop();
    t.mock.timers.tick(250);
    const next = FakeWebSocket.last.open();
    next.say(reply(/** @type {any} */ (next.sent.shift()).tunnel, []));
    assert.equal(reported.length, 1);
    client.acquire(C);
    assert.equal(next.sent.length, 1, "asked again");
    await ds.ready;
    assert.equal(ds.size, 1);
  });

  test("refused, then accepted by the next connection: ready is a new promise", async (t) => {
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { client } = make();
    const [, ds] = client.acquire(C);
    const socket = FakeWebSocket.last.open();
    socket.say(reply(/** @type {any} */ (socket.sent.shift()).tunnel, []));
    socket.drop();
    t.mock.timers.tick(250);
    FakeWebSocket.last.open().serve();
    await ds.ready;
  });
});

describe("callbacks", () => {
  test("are called once for each notification that changes something", () => {
    const { ds, socket } = synced([{ id: "a" }]);
    /** @type {any[]} */
    const seen = [];
    const handle = ds.add_callback((diffs) => seen.push(diffs.map(({ id }) => id)));
    socket.say(notify({ remove: ["a"], insert: [{ id: "b" }] }, at("e", 1, 2)));
    socket.say(notify({ remove: ["x"] }, at("e", 2, 3)));
    ds.remove_callback(handle);
    ds.remove_callback(handle);
    socket.say(notify({ remove: ["b"] }, at("e", 3, 4)));
    assert.deepEqual(seen, [["a", "b"]]);
  });

  test("one that throws is reported and disturbs nobody, nor does a reporter that throws", (t) => {
    const logged = t.mock.method(console, "error", () => {});
    for (const on_error of [undefined, () => assert.fail("reporter")]) {
      const { client } = make({ on_error });
      const [, ds] = client.acquire(C);
      let calls = 0;
      ds.add_callback(() => assert.fail("callback"));
      ds.add_callback(() => calls++);
      FakeWebSocket.last.open().serve([{ id: "a" }]);
      FakeWebSocket.last.say(notify({ remove: ["a"] }, at("e", 1, 2)));
      assert.equal(calls, 2);
    }
    assert.equal(logged.mock.callCount(), 6);
  });

  test("may add, remove, update, release and acquire", () => {
    const { client, handle, ds, socket } = synced();
    /** @type {string[]} */
    const seen = [];
    ds.add_callback(() => {
      seen.push("first");
      ds.remove_callback(second);
      ds.add_callback(() => seen.push("late"));
      ds.update({ remove: ["a"] });
      client.release(handle);
      client.acquire(C);
    });
    const second = ds.add_callback(() => seen.push("second"));
    socket.say(notify({ insert: [{ id: "a" }] }, at("e", 1, 2)));
    assert.deepEqual(seen, ["first"]);
    assert.deepEqual(
      socket.sent.map(({ path, arg }) => [path, Object.keys(arg)[0]]),
      [
        [C, "remove"],
        ["/subs", "remove"],
        ["/subs", "insert"],
      ],
    );
  });

  test("one that acquires anew does not get the old dataset's news for the new one's", async () => {
    const { client } = make();
    const [handle, ds] = client.acquire(C);
    let ready = false;
    ds.add_callback(() => {
      client.release(handle);
      client.acquire(C)[1].ready.then(() => (ready = true));
    });
    FakeWebSocket.last.open().serve([{ id: "a" }]);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(ready, false, "its own snapshot has not come");
  });

  test("a callback is a function", () => {
    assert.throws(() => synced().ds.add_callback(/** @type {any} */ (undefined)), TypeError);
  });
});

describe("requests", () => {
  test("give the data of the reply, after the dataset shows it", async () => {
    const { ds, socket } = synced();
    const promise = ds.update({ insert: [{ id: "a" }] });
    socket.say(notify({ insert: [{ id: "a" }] }, at("e", 1, 2)));
    socket.say(reply(socket.sent[0].tunnel, 1));
    assert.equal(await promise, 1);
  });

  test("items without id get one; what was passed stays as it is", async () => {
    const { client, ds, socket } = synced();
    const insert = [Object.freeze({ n: 1 }), Object.freeze({ id: "x" })];
    const changes = Object.freeze({
      insert: Object.freeze(insert),
      if: { epoch: "e", version: 1 },
    });
    ds.update(/** @type {any} */ (changes));
    client.update(C, /** @type {any} */ (changes));
    for (const { arg } of socket.sent) {
      assert.match(
        arg.insert[0].id,
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
      );
      assert.deepEqual(arg.insert.slice(1), [{ id: "x" }]);
      assert.deepEqual(arg.if, { epoch: "e", version: 1 });
    }
    assert.notEqual(socket.sent[0].arg.insert[0].id, socket.sent[1].arg.insert[0].id);
  });

  test("a page served over plain http has no randomUUID; ids look the same", (t) => {
    patch(t, crypto, "randomUUID", undefined);
    const { ds, socket } = synced();
    ds.update({ insert: [{}] });
    assert.match(
      socket.sent[0].arg.insert[0].id,
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  test("get and update connect by themselves and need no dataset", async () => {
    const { client } = make();
    const clock = client.get("/clock");
    const update = client.update("app/items/c/", { reset: true });
    const root = client.get("/");
    assert.equal(FakeWebSocket.made.length, 1);
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(
      socket.sent.map(({ cmd, path, arg }) => [cmd, path, arg]),
      [
        ["GET", "/clock", undefined],
        ["PUT", C, { reset: true }],
        ["GET", "/", undefined],
      ],
    );
    socket.sent.forEach(({ tunnel }, n) => socket.say(reply(tunnel, n)));
    assert.deepEqual(await Promise.all([clock, update, root]), [0, 1, 2]);
  });

  test("get asks for a page of a list", async () => {
    const { client } = make();
    const { signal } = new AbortController();
    const page = client.get("/app/items", { after: "", limit: 2 });
    const rest = client.get("/app/items", { after: "b", signal });
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(
      socket.sent.map(({ arg }) => arg),
      [{ after: "", limit: 2 }, { after: "b" }],
    );
    socket.say(reply(socket.sent[0].tunnel, ["a", "b"], { more: true }));
    socket.say(reply(socket.sent[1].tunnel, ["c"]));
    assert.deepEqual([await page, await rest], [["a", "b"], ["c"]]);
  });

  test("failures reject; ignored ones disturb nobody", async () => {
    const { client, ds, socket } = synced();
    const message = "insert[0].id: may not contain the character U+0000";
    const error = { code: "bad_update", message };
    const update = ds.update({ insert: [{ id: "\0" }] });
    socket.say(failure(socket.sent[0].tunnel, error.message, { error }));
    await assert.rejects(update, { ...error, name: "SharedStateError" });
    await assert.rejects(client.update("/subs", {}), with_code("bad_path"));
    await assert.rejects(client.get(/** @type {any} */ (undefined)), with_code("bad_path"));
    ds.update({});
    client.close();
    // An unhandled rejection would fail this test a turn later.
    await new Promise((resolve) => setImmediate(resolve));
  });

  test("another member than an update has is refused, and not in silence", async (t) => {
    const { client, ds, socket } = synced();
    for (const wrong of [{ inserts: [] }, { delete: ["a"] }, { insert: [{}], Reset: true }]) {
      const message = `${Object.keys(wrong).at(-1)}: expected insert, remove, reset, if`;
      const expected = { name: "SharedStateError", code: "bad_update", message };
      await assert.rejects(ds.update(/** @type {any} */ (wrong)), expected);
      await assert.rejects(client.update(C, /** @type {any} */ (wrong)), expected);
      const run = ds.transaction((tx) => tx.update(/** @type {any} */ (wrong)));
      await assert.rejects(run, expected);
    }
    assert.deepEqual(socket.sent, []);
    // Nobody looks at the promise: what Node and browsers make of that shows the mistake.
    const raised = /** @type {any[]} */ ([]);
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => raised.push(error));
    t.after(() => {
      process.removeAllListeners("unhandledRejection");
      for (const listener of listeners) process.on("unhandledRejection", listener);
    });
    ds.update(/** @type {any} */ ({ inserts: [] }));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(
      raised.map(({ code }) => code),
      ["bad_update"],
    );
    for (const changes of [
      {},
      { insert: [], remove: [], reset: true, if: { epoch: "e", version: 1 } },
    ])
      ds.update(changes);
    assert.equal(socket.sent.length, 2);
    socket.sent.forEach(({ tunnel }) => socket.say(failure(tunnel, "no")));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(raised.length, 1);
  });

  test("the queue has a bound", async () => {
    const { client } = make({ max_queue: 1 });
    client.update(C, {});
    await assert.rejects(client.update(C, {}), with_code("too_many"));
  });
});

test("a change of one item does not walk through the others", (t) => {
  const many = Array.from({ length: 100_000 }, (_, n) => ({ id: `${n}`, n }));
  const { client } = make();
  t.after(() => client.close());
  const [, ds] = client.acquire(C);
  const socket = FakeWebSocket.last.open().serve(many);
  let told = 0;
  ds.add_callback((diffs) => (told += diffs.length));
  let walks = 0;
  for (const name of /** @type {const} */ (["entries", "keys", "values", "forEach"])) {
    const original = /** @type {any} */ (Map.prototype[name]);
    t.mock.method(
      Map.prototype,
      name,
      /** @this {Map<any, any>} */ function (/** @type {unknown[]} */ ...given) {
        walks += Number(this.size > 1000);
        return original.apply(this, given);
      },
    );
  }
  t.mock.method(Map.prototype, Symbol.iterator, Map.prototype.entries);
  socket.say(notify({ insert: [{ id: "7", n: -1 }] }, at("e", 1, 2)));
  assert.deepEqual([told, walks, ds.get_item("7")?.n], [1, 0, -1]);
  assert.equal([ds.get_items().length, walks > 0].join(), "100000,true", "a walk would be seen");
});
