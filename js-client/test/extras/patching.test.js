/** What a patch makes of an item, by the examples that the server is held to, too. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { patched } from "../../src/extras/patching.js";
import { with_code } from "../support.js";

const FILE = new URL("../../../tests/vectors/patches/patches.json", import.meta.url);

/** @type {{about: string, item: string | null, patch: string, result?: string, mismatch?: string}[]} */
const CASES = Object.values(JSON.parse(readFileSync(FILE, "utf8"))).find(Array.isArray) ?? [];

/** Numbers that JavaScript rounds. */
const ROUNDED = /\d{16}|\de[34]\d\d/;

describe("a patch does to an item what the server does", () => {
  for (const { about, item, patch, result, mismatch } of CASES) {
    const before = item === null ? undefined : JSON.parse(item);
    if (result !== undefined && !ROUNDED.test(item + patch))
      test(about, () => {
        const copy = structuredClone(before);
        assert.deepEqual(patched(before, JSON.parse(patch)), JSON.parse(result));
        assert.deepEqual(before, copy, "the item is as it was");
      });
    if (mismatch !== undefined)
      test(`${about}: mismatch`, () => {
        assert.throws(() => patched(before, JSON.parse(patch)), with_code("mismatch"));
      });
  }
});

test("what does not change is the same object", () => {
  const item = { id: "a", o: { x: 1 }, p: { y: 1 } };
  const after = patched(item, { id: "a", set: { "/p/y": 2 } });
  assert.equal(after.o, item.o);
  assert.deepEqual(after.p, { y: 2 });
});

test("a member that is now is the time, in seconds", () => {
  const before = Date.now() / 1000;
  const { at } = patched({ id: "a" }, { id: "a", now: ["at"] });
  assert.ok(before <= at && at <= Date.now() / 1000);
});

test("a member may have the name of a prototype", () => {
  const item = JSON.parse('{"id":"a","__proto__":{"x":1}}');
  const after = patched(item, { id: "a", set: { "/__proto__/y": 2, constructor: 3 } });
  assert.equal(JSON.stringify(after), '{"id":"a","__proto__":{"x":1,"y":2},"constructor":3}');
  assert.equal(Object.getPrototypeOf(after), Object.prototype);
});
