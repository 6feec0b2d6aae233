/** Callbacks of a dataset: what they are told, and what they may do. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { C, FakeWebSocket, at, make, notify, synced, walks_through_maps } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
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

test("a change of one item does not walk through the others", (t) => {
  const many = Array.from({ length: 100_000 }, (_, n) => ({ id: `${n}`, n }));
  const { client } = make();
  t.after(() => client.close());
  const [, ds] = client.acquire(C);
  const socket = FakeWebSocket.last.open().serve(many);
  let told = 0;
  ds.add_callback((diffs) => (told += diffs.length));
  const walks = walks_through_maps(t, 1000);
  socket.say(notify({ insert: [{ id: "7", n: -1 }] }, at("e", 1, 2)));
  assert.deepEqual([told, walks.count, ds.get_item("7")?.n], [1, 0, -1]);
  assert.equal(
    [ds.get_items().length, walks.count > 0].join(),
    "100000,true",
    "a walk would be seen",
  );
});
