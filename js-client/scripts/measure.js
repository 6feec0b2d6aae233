/**
 * Print the time from a message to the callback, for a change of one item, in datasets of growing size: the core's
 * work, in this process, without a network. It should not depend on the size.
 *
 * Usage: node scripts/measure.js
 */
import { SharedStateClient } from "../src/index.js";
import { C, FakeWebSocket, at, notify } from "../test/support.js";

const ROUNDS = 20_000;
/** @type {number | undefined} */
let base;
for (const size of [100, 1_000, 10_000, 100_000]) {
  const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket });
  const [, ds] = client.acquire(C);
  const items = Array.from({ length: size }, (_, n) => ({ id: `item ${n}`, n, text: "some text" }));
  const socket = FakeWebSocket.last.open().serve(items);
  let called = 0;
  ds.add_callback(() => called++);
  const texts = Array.from({ length: ROUNDS }, (_, n) =>
    notify({ insert: [{ id: `item ${(n * 7919) % size}`, n }] }, at("e", n + 1, n + 2)),
  );
  const rounds = texts.map((text) => {
    const start = performance.now();
    socket.say(text);
    return performance.now() - start;
  });
  if (called !== ROUNDS) throw new Error(`${called} callbacks for ${ROUNDS} changes`);
  const median = 1000 * rounds.sort((a, b) => a - b)[ROUNDS / 2];
  base ??= median;
  const ratio = (median / base).toFixed(2);
  console.log(
    `${String(size).padStart(7)} items: ${median.toFixed(2)} µs, ${ratio} of the smallest`,
  );
  client.close();
}
