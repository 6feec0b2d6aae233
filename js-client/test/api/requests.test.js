/** Requests of the application: updates, and what is read once. */

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
    const error = {
      code: "bad_update",
      message,
      place: "insert[0].id",
      rule: "rules[0].insert",
      retry_after: 0.5,
    };
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
      const message = `${Object.keys(wrong).at(-1)}: expected insert, remove, reset, patch, if`;
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
