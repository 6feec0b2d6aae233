import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { C, FakeWebSocket, at, make, notify } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @param {any[]} items */
function synced(items) {
  const { client } = make();
  const [handle, object] = client.acquire_object(C, "list");
  const socket = FakeWebSocket.last.open().serve(items);
  let version = 1;
  /** @param {object} data */
  const change = (data) => socket.say(notify(data, at("e", version++, version)));
  return { client, handle, object, socket, change };
}

test("a list lives in one item", () => {
  const { object, socket } = synced([
    { id: "list", state: [{ id: "a" }, { id: "b", n: 1 }] },
    { id: "other", state: [{ id: "x" }] },
  ]);
  assert.deepEqual(object.get_items(), [{ id: "a" }, { id: "b", n: 1 }]);
  assert.deepEqual(object.get_item("b"), { id: "b", n: 1 });
  assert.equal(object.has_item("a"), true);
  assert.equal(object.has_item("x"), false);
  object.get_items().pop();
  assert.equal(object.get_items().length, 2);
  const given = Object.freeze([Object.freeze({ n: 2 }), { id: "c" }]);
  object.set_items(/** @type {any} */ (given));
  const [item] = socket.sent[0].arg.insert;
  assert.equal(item.id, "list");
  assert.equal(typeof item.state[0].id, "string");
  assert.deepEqual(item.state[1], { id: "c" });
  assert.throws(() => object.set_items(/** @type {any} */ ({})), TypeError);
});

test("callbacks get the list's own diffs", () => {
  const { object, change } = synced([{ id: "list", state: [{ id: "a" }, { id: "b" }] }]);
  /** @type {any[]} */
  const seen = [];
  const callback = object.add_callback((diffs) => seen.push(diffs));
  change({ insert: [{ id: "list", state: [{ id: "b" }, { id: "c" }, 7, null] }, { id: "x" }] });
  change({ insert: [{ id: "x", n: 1 }] });
  change({ insert: [{ id: "list", state: "not a list" }] });
  object.remove_callback(callback);
  change({ remove: ["list"] });
  assert.deepEqual(seen, [
    [
      { id: "a", new: undefined, old: { id: "a" } },
      { id: "c", new: { id: "c" }, old: undefined },
    ],
    [
      { id: "b", new: undefined, old: { id: "b" } },
      { id: "c", new: undefined, old: { id: "c" } },
    ],
  ]);
  assert.deepEqual(object.get_items(), []);
});

test("callbacks are told another order, and never called with nothing", () => {
  const { object, change } = synced([{ id: "list", state: [{ id: "a" }, { id: "b" }] }]);
  /** @type {any[]} */
  const seen = [];
  object.add_callback((diffs) => seen.push(diffs));
  change({ insert: [{ id: "list", state: [{ id: "b" }, { id: "a" }] }] });
  change({ insert: [{ id: "list", state: [{ id: "b" }, { id: "a" }, 7] }] });
  assert.deepEqual(seen, [[{ id: "a", new: { id: "a" }, old: { id: "a" } }]]);
});

test("of items with the same id the last one counts, in the place of the first", () => {
  const { object, socket, change } = synced([]);
  object.set_items([{ id: "a", n: 1 }, { id: "b" }, { id: "a", n: 2 }, { n: 3 }]);
  const [{ state }] = socket.sent[0].arg.insert;
  assert.deepEqual(state.slice(0, 2), [{ id: "a", n: 2 }, { id: "b" }]);
  assert.equal(state.length, 3);
  /** @type {any[]} */
  const seen = [];
  object.add_callback((diffs) => seen.push(...diffs));
  const others = [{ id: "a", n: 1 }, 0, { id: "b" }, { id: "a", n: 2 }, { id: 1 }, { id: 1 }];
  change({ insert: [{ id: "list", state: others }] });
  assert.deepEqual(object.get_item("a"), { id: "a", n: 2 });
  assert.deepEqual(
    seen.map((diff) => diff.new),
    [{ id: "a", n: 2 }, { id: "b" }],
  );
  const all = [{ id: "a", n: 2 }, 0, { id: "b" }, { id: 1 }, { id: 1 }];
  assert.deepEqual(object.get_items(), all, "what has no id stays");
});

test("is the same object until the collection is released", () => {
  const { client, handle, object, socket } = synced([]);
  const [second, same] = client.acquire_object("app/items/c", "list");
  assert.equal(same, object);
  assert.notEqual(client.acquire_object(C, "other")[1], object);
  assert.equal(socket.sent.length, 0, "one subscription for all");
  for (const each of [handle, second]) client.release(each);
  object.set_items([]);
  assert.equal(socket.sent.length, 1, "the other object's handle still holds the collection");
});

test("an item with an id that is no text is refused at once", () => {
  const { object, socket } = synced([]);
  for (const [id, found] of [
    [7, "7"],
    ["", '""'],
    [null, "null"],
    [{ n: 1 }, '{"n":1}'],
  ])
    assert.throws(() => object.set_items([{ id: "a" }, /** @type {any} */ ({ id })]), {
      code: "bad_update",
      message: `items[1].id: expected a non-empty string, found ${found}`,
    });
  for (const item of [null, 7, [1]])
    assert.throws(() => object.set_items(/** @type {any} */ ([item])), {
      code: "bad_update",
      message: "items[0]: expected an object",
    });
  assert.equal(socket.sent.length, 0);
});
