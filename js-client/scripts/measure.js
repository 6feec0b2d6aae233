/**
 * Print the time from a message to the callback, for a change of one item, in datasets of growing size: the core's
 * work, in this process, without a network.
 *
 * It does not depend on the size: see "changes of 100 items". With changes all over a large dataset the processor's
 * caches miss, once or twice for each; a bare `Map` that the same messages go into shows how much that is.
 *
 * Usage: node scripts/measure.js
 */
import { SharedStateClient } from "../src/index.js";
import { C, FakeWebSocket, at, notify } from "../test/support.js";

const SIZES = [100, 1_000, 10_000, 100_000];
const BATCH = 400;
const BATCHES = 200;
/** Of the batches, the first tenth is taken: what else the machine does makes the others longer. */
const QUANTILE = 0.1;

/** @param {number} size */
const items = (size) =>
  Array.from({ length: size }, (_, n) => ({ id: `item ${n}`, n, text: "some text" }));

/** @typedef {(text: string) => void} Take */

/** @type {Record<string, {make: (size: number) => Take, span: (size: number) => number}>} */
const CASES = {
  "changes of any item": { make: dataset, span: (size) => size },
  "changes of 100 items": { make: dataset, span: () => 100 },
  "any item, in a bare Map": { make: bare, span: (size) => size },
};

/** @param {number} size @returns {Take} */
function dataset(size) {
  const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket });
  const [, ds] = client.acquire(C);
  const socket = FakeWebSocket.last.open().serve(items(size));
  let called = 0;
  let said = 0;
  ds.add_callback(() => called++);
  return (text) => {
    socket.say(text);
    if (called !== ++said) throw new Error(`${called} callbacks for ${said} changes`);
  };
}

/** @param {number} size @returns {Take} */
function bare(size) {
  const map = new Map(items(size).map((item) => [item.id, item]));
  /** @type {unknown[]} */
  let diffs = [];
  return (text) => {
    const { insert } = JSON.parse(text).data;
    diffs = insert.map((/** @type {any} */ item) => ({ id: item.id, new: item, old: map.get(item.id) })); // prettier-ignore
    for (const item of insert) map.set(item.id, item);
    if (diffs.length !== 1) throw new Error("not one change");
  };
}

const runs = Object.entries(CASES).flatMap(([name, { make, span }]) =>
  SIZES.map((size) => ({
    name,
    take: make(size),
    span: span(size),
    version: 1,
    times: /** @type {number[]} */ ([]),
  })),
);
// In turn, so that a busy moment of the machine spoils no single one.
for (let batch = 0; batch < BATCHES; batch++) {
  for (const run of runs) {
    const texts = Array.from({ length: BATCH }, () => {
      const n = run.version++;
      const insert = [{ id: `item ${(n * 7919) % run.span}`, n }];
      return notify({ insert }, at("e", n, n + 1));
    });
    const start = performance.now();
    for (const text of texts) run.take(text);
    run.times.push((1000 * (performance.now() - start)) / BATCH);
  }
}
console.log(`µs for a change${SIZES.map((size) => `${size} items`.padStart(16)).join("")}`);
for (const name of Object.keys(CASES)) {
  const found = runs
    .filter((run) => run.name === name)
    .map(({ times }) => times.sort((a, b) => a - b)[Math.floor(times.length * QUANTILE)]);
  const shown = found.map((time) => `${time.toFixed(2)} (${(time / found[0]).toFixed(2)})`);
  console.log(`${name.padEnd(25)}${shown.map((each) => each.padStart(14)).join("  ")}`);
}
process.exit(0);
