/** Datasets: what they hold, when they are ready, refused, released. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { C, FakeWebSocket, at, make, notify, reply, synced, with_code } from "../support.js";

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
    assert.deepEqual(socket.sent[1].arg, { remove: [C], brief: true });
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
      FakeWebSocket.last.open().refuse("no_service");
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
