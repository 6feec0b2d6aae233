import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { pathToFileURL } from "node:url";
import { runInNewContext } from "node:vm";
import { gzipSync } from "node:zlib";
import { BUNDLES, build } from "../scripts/bundles.js";

/** What a page may have to load, minified and compressed, in bytes. Raise it only for something worth its weight. */
const BUDGET = 6 * 1024;

const folder = mkdtempSync(join(tmpdir(), "sharedstate-test-"));
after(() => rmSync(folder, { recursive: true }));
build(folder);

/** @param {string} name */
const text = (name) => readFileSync(join(folder, name), "utf8");

test("the minified bundle stays within its budget", (t) => {
  const size = gzipSync(text("sharedstate.es.min.js"), { level: 9 }).length;
  t.diagnostic(`${size} bytes of ${BUDGET}`);
  assert.ok(size <= BUDGET, `${size} bytes, budget ${BUDGET}`);
});

test("the modules are importable and export what the sources do", async () => {
  const sources = Object.keys(await import("../src/index.js")).sort();
  for (const { name } of BUNDLES.filter(({ format }) => format === "esm"))
    assert.deepEqual(
      Object.keys(await import(pathToFileURL(join(folder, name)).href)).sort(),
      sources,
    );
});

test("the scripts set one global", () => {
  for (const { name } of BUNDLES.filter(({ format }) => format === "iife")) {
    const page = /** @type {any} */ ({});
    runInNewContext(text(name), page);
    assert.deepEqual(Object.keys(page), ["SHAREDSTATE"]);
    assert.equal(new page.SHAREDSTATE.SharedStateClient("ws://host:1").status, "idle");
  }
});

test("a bundle says what it is and nothing of where it was made", () => {
  for (const { name } of BUNDLES) {
    assert.match(text(name), /^\/\*! SharedState client \d+\.\d+\.\d+, BSD-2-Clause \*\/\n/);
    assert.ok(!text(name).includes(process.cwd()));
    assert.doesNotMatch(text(name), /node_modules|sourceMappingURL/);
  }
});
