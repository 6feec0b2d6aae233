/** Items with places in an order: what is only a part of a collection. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Replica } from "../../src/protocol/replica.js";
import { ids, patch } from "../support.js";

/** @typedef {import("../../src/protocol/views.js").At} At */

/** @param {any} update */
const update = (update) => ({ remove: [], insert: [], reset: false, ...update });

/** A pseudo-random whole number below `n`, the same each time. @param {number} seed */
const lots = (seed) => (/** @type {number} */ n) =>
  (seed = (seed * 16807) % 2147483647) % n; // prettier-ignore

test("whatever comes, the items are those of a list sorted by place, and the diffs lead there", () => {
  for (let seed = 1; seed <= 60; seed++) {
    const lot = lots(seed);
    const it = new Replica();
    /** @type {Map<string, {item: any, at: At}>} */
    const model = new Map();
    for (let step = 0; step < 30; step++) {
      const taken = new Set();
      const place = () => {
        /** @type {number[]} */
        let at;
        do at = [lot(9), lot(9)];
        while (taken.has(`${at}`) || [...model.values()].some((each) => `${each.at}` === `${at}`));
        taken.add(`${at}`);
        return /** @type {At} */ (/** @type {unknown} */ (at));
      };
      const reset = lot(6) === 0;
      const names = [..."abcdefghijkl"].filter(() => lot(3) === 0).reverse();
      const remove = [..."abcdefghijkl"].filter(() => lot(5) === 0);
      const kept = (/** @type {string} */ id) => lot(2) === 0 && model.get(id)?.at;
      const entries = names.map((id) => ({ item: { id, n: lot(2) }, at: kept(id) || place() }));
      const before = new Map([...it.items]);
      const insert = entries.map(({ item }) => item);
      const diffs = it.apply(update({ remove, insert, reset, at: entries.map(({ at }) => at) }));
      if (reset) model.clear();
      else for (const id of remove) model.delete(id);
      for (const entry of entries) model.set(entry.item.id, entry);
      const sorted = [...model.values()].sort((a, b) => a.at[0] - b.at[0] || a.at[1] - b.at[1]);
      assert.deepEqual([...it.items.values()], sorted.map(({ item }) => item)); // prettier-ignore
      assert.deepEqual(it.before, sorted[0]?.at);
      for (const { id, new: now, old } of diffs) {
        assert.equal(old, before.get(id));
        if (now === undefined) before.delete(id);
        else before.set(id, now);
      }
      assert.deepEqual(new Map([...before].sort()), new Map([...it.items].sort()));
    }
  }
});

test("an update puts items in order once, and not at all if they go to the end", (t) => {
  const size = 1000;
  const it = new Replica();
  const insert = Array.from({ length: size }, (_, n) => ({ id: `${n}` }));
  it.apply(update({ insert, at: insert.map((_, n) => [n, 0]), reset: true }));
  const { items } = it;
  it.apply(update({ insert: [{ id: "0", n: 1 }, { id: "new" }], at: [[0, 0], [size, 0]] })); // prettier-ignore
  assert.equal(it.items, items, "put in order though nothing went to the middle");
  let sorts = 0;
  const { sort } = Array.prototype;
  const counted = /** @this {any[]} */ function (/** @type {any} */ compare) {
    sorts++;
    return sort.call(this, compare);
  };
  patch(t, Array.prototype, "sort", counted);
  const middle = Array.from({ length: size }, (_, n) => ({ id: `m${n}` }));
  it.apply(update({ insert: middle, at: middle.map((_, n) => [n, 1]) }));
  assert.equal(sorts, 1);
  assert.deepEqual([...it.items.keys()].slice(0, 4), ["0", "m0", "1", "m1"]);
  it.apply(update({ insert: [{ id: "a" }], at: [[1, 0]], reset: true }));
  it.apply(update({ insert: [{ id: "b" }], at: [[2, 0]] }));
  assert.equal(sorts, 1, "after a snapshot the end is that of the snapshot");
});

test("what comes without places goes to the end, and a snapshot without them stands as it comes", () => {
  const it = new Replica();
  it.apply(update({ insert: [{ id: "b" }, { id: "c" }], at: [[2, 0], [3, 0]] })); // prettier-ignore
  it.apply(update({ insert: [{ id: "x" }] }));
  it.apply(update({ insert: [{ id: "a" }], at: [[1, 0]] }));
  assert.equal(ids(it), "abcx");
  it.apply(update({ insert: [{ id: "b" }, { id: "a" }], reset: true }));
  assert.equal(ids(it), "ba");
  assert.equal(it.before, undefined);
});

test("a snapshot takes the objects of its kin for items that are the same, once", () => {
  const kin = new Replica();
  kin.apply(update({ insert: [{ id: "a", n: 1 }, { id: "b", n: 1 }] })); // prettier-ignore
  const it = new Replica();
  it.kin = kin;
  const diffs = it.apply(update({ insert: [{ id: "b", n: 2 }, { id: "a", n: 1 }], reset: true })); // prettier-ignore
  assert.equal(it.items.get("a"), kin.items.get("a"));
  assert.deepEqual(it.items.get("b"), { id: "b", n: 2 });
  assert.deepEqual(
    diffs.map(({ id, old }) => [id, old]),
    [
      ["b", undefined],
      ["a", undefined],
    ],
  );
  assert.equal(it.kin, undefined);
});
