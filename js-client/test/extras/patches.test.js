/** Patches of a dataset, and within transactions. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { FakeWebSocket, synced, turn, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** As `synced`, where the server takes patches. @param {any[]} items */
function patching(items) {
  const all = synced(items);
  all.socket.know();
  return all;
}

describe("patches in a transaction", () => {
  test("are sent behind all else, and nobody has to have read what they change", async () => {
    const { ds, socket } = patching([{ id: "a", n: 1 }, { id: "b", n: 1 }]); // prettier-ignore
    ds.transaction((tx) => {
      tx.increment("a", "n");
      tx.patch("a", { done: true });
      tx.update({ insert: [{ id: "c", n: 1 }], patch: [{ id: "c", inc: { n: 1 } }] });
      tx.increment("b", "n", 5);
      tx.update({ insert: [{ id: "b", n: 0 }] });
    });
    await turn();
    const [{ arg }] = socket.sent;
    assert.deepEqual(arg, {
      remove: [],
      insert: [{ id: "c", n: 1 }, { id: "b", n: 0 }], // prettier-ignore
      reset: false,
      patch: [
        { id: "a", inc: { n: 1 } },
        { id: "a", set: { done: true } },
        { id: "c", inc: { n: 1 } },
      ],
    });
  });

  test("are seen by it: then what they change was read", async () => {
    const { ds, socket } = patching([{ id: "a", n: 1 }, { id: "b" }]); // prettier-ignore
    ds.transaction((tx) => {
      tx.increment("a", "n");
      tx.increment("a", "n");
      assert.deepEqual(tx.get_item("a"), { id: "a", n: 3 });
      assert.deepEqual(ds.get_item("a"), { id: "a", n: 1 });
      tx.update({ patch: [{ id: "new", set: { n: 1 }, upsert: true }] });
      assert.deepEqual(tx.get_item("new"), { id: "new", n: 1 });
    });
    await turn();
    assert.deepEqual(socket.sent[0].arg.if.ids, ["a", "new"]);
  });

  test("are among all items, and go with what is removed", async () => {
    const { ds, socket } = patching([{ id: "a", n: 1 }, { id: "b", n: 1 }]); // prettier-ignore
    ds.transaction((tx) => {
      tx.increment("b", "n");
      assert.deepEqual(tx.get_items(), [{ id: "a", n: 1 }, { id: "b", n: 2 }]); // prettier-ignore
      tx.update({ remove: ["b"] });
      assert.equal(tx.has_item("b"), false);
    });
    await turn();
    assert.equal(socket.sent[0].arg.patch, undefined);
    assert.deepEqual(socket.sent[0].arg.remove, ["b"]);
  });

  test("that do not fit what is there are a mismatch as soon as that is read", async () => {
    const { ds } = patching([{ id: "a", n: "1" }]);
    const done = ds.transaction((tx) => {
      tx.increment("a", "n");
      tx.get_item("a");
    });
    await assert.rejects(done, with_code("mismatch"));
  });
});

describe("patches of a dataset", () => {
  test("name members, and what becomes of them", async () => {
    const { ds, socket } = patching([{ id: "a", n: 1 }]);
    ds.patch("a", { done: true, "/size/width": 3, note: null });
    ds.increment("a", "n");
    ds.increment("a", "n", -2);
    ds.update({ patch: [{ id: "a", add: { tags: ["x"] }, now: ["at"] }] });
    await turn();
    assert.deepEqual(
      socket.sent.map(({ arg }) => arg.patch),
      [
        [{ id: "a", set: { done: true, "/size/width": 3, note: null } }],
        [{ id: "a", inc: { n: 1 } }],
        [{ id: "a", inc: { n: -2 } }],
        [{ id: "a", add: { tags: ["x"] }, now: ["at"] }],
      ],
    );
  });

  test("set nothing to undefined: that would be as if it were not there", async () => {
    const { ds } = patching([{ id: "a" }]);
    await assert.rejects(ds.patch("a", { x: undefined }), {
      code: "bad_update",
      message: "patch[0].set.x: expected a value; `unset` takes it away",
    });
    await assert.rejects(ds.increment("a", "n", NaN), with_code("bad_update"));
  });
});
