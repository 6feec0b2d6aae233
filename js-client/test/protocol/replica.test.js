import assert from "node:assert/strict";
import { test } from "node:test";
import { Replica, same } from "../../src/protocol/replica.js";

/** @param {any} update */
const update = (update) => ({ remove: [], insert: [], reset: false, ...update });

/** @param {...any} items */
function replica(...items) {
  const made = new Replica();
  made.apply(update({ insert: items, reset: true }));
  return made;
}

/** @param {Replica} replica */
const ids = (replica) => [...replica.items.keys()].join("");

test("replacing keeps the place, removing and inserting puts last", () => {
  const it = replica({ id: "a" }, { id: "b" }, { id: "c" });
  it.apply(update({ insert: [{ id: "a", n: 1 }] }));
  assert.equal(ids(it), "abc");
  it.apply(update({ remove: ["a"], insert: [{ id: "a", n: 2 }] }));
  assert.equal(ids(it), "bca");
});

test("one diff for each id, with what was before and is after the whole step", () => {
  const it = replica({ id: "a" }, { id: "b" });
  const told = it.apply(
    update({
      remove: ["a", "b", "x"],
      insert: [{ id: "b", n: 1 }, { id: "c" }, { id: "b", n: 2 }],
    }),
  );
  assert.deepEqual(told, [
    { id: "a", new: undefined, old: { id: "a" } },
    { id: "b", new: { id: "b", n: 2 }, old: { id: "b" } },
    { id: "c", new: { id: "c" }, old: undefined },
  ]);
});

test("an item that is written again is told, though it is the same; an absent one removed is not", () => {
  const it = replica({ id: "a" });
  assert.equal(it.apply(update({ insert: [{ id: "a" }] })).length, 1);
  assert.deepEqual(it.apply(update({ remove: ["x"] })), []);
});

test("a snapshot is told as the net difference, and takes the server's order", () => {
  const it = replica({ id: "a", n: { x: [1, { y: 2 }], z: null } }, { id: "b" }, { id: "c" });
  const a = it.items.get("a");
  const insert = [
    { id: "c", n: 1 },
    { id: "d" },
    { z: 0, n: { z: null, x: [1, { y: 2 }] }, id: "a" },
  ];
  delete (/** @type {any} */ (insert[2]).z);
  assert.deepEqual(it.apply(update({ insert, remove: ["d"], reset: true })), [
    { id: "b", new: undefined, old: { id: "b" } },
    { id: "c", new: { id: "c", n: 1 }, old: { id: "c" } },
    { id: "d", new: { id: "d" }, old: undefined },
    { id: "a", new: a, old: a },
  ]);
  assert.equal(ids(it), "cda");
  assert.equal(it.items.get("a"), a, "the object the application knows stays");
});

test("what stood ahead of an item that is now ahead of it has moved", () => {
  for (const [before, after, moved] of [
    ["abc", "cab", "ab"],
    ["abc", "bca", "a"],
    ["abcd", "cabd", "ab"],
    ["abc", "acxb", "bx"],
    ["abc", "cb", "ab"],
    ["abc", "abc", ""],
    ["abc", "axbxc", "x"],
  ]) {
    const items = (/** @type {string} */ text) => [...text].map((id) => ({ id }));
    const it = replica(...items(before));
    const diffs = it.apply(update({ insert: items(after), reset: true }));
    assert.equal(diffs.map(({ id }) => id).sort().join(""), moved, `${before} → ${after}`); // prettier-ignore
  }
});

test("any id will do", () => {
  const names = ["__proto__", "constructor", "toString", "", "1", "0"];
  const it = replica(...names.map((id) => ({ id })));
  assert.deepEqual([...it.items.keys()], names);
  assert.equal(it.apply(update({ remove: ["__proto__"] })).length, 1);
  assert.equal(it.items.has("__proto__"), false);
});

test("same tells JSON values apart", () => {
  const proto = JSON.parse('{"__proto__":{"a":1}}');
  const pairs = [
    [{}, []],
    [null, {}],
    [0, null],
    [{ a: 1 }, { b: 1 }],
    [{ a: 1 }, { a: 1, b: 1 }],
    [[1], [1, 2]],
    ["1", 1],
    [{}, proto],
    [{ z: 1 }, JSON.parse('{"__proto__":{}}')],
    [{ a: undefined }, { toString: undefined }],
  ];
  for (const [a, b] of pairs) {
    assert.equal(same(a, b) || same(b, a), false, JSON.stringify([a, b]));
    assert.equal(same(a, structuredClone(a)), true);
  }
});

test("nesting deeper than the stack is a difference, not an exception", () => {
  const deep = () => JSON.parse("[".repeat(100_000) + "]".repeat(100_000));
  assert.equal(same(deep(), deep()), false);
});
