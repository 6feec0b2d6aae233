/**
 * One client's life, the same text in Node, Deno, Bun and a worker: `runtimes.scenario.mjs` puts in its name, the bundle and
 * the port, and says when the server goes. It ends by itself, which shows that `close` leaves nothing.
 */

import { SharedStateClient } from "BUNDLE";

const NAMES = "NAMES".split(",");
const client = new SharedStateClient("ws://127.0.0.1:9000");
const statuses = [];
const away = new Promise((resolve) =>
  client.add_status_callback((status) => {
    statuses.push(status);
    if (status === "reconnecting") resolve();
  }),
);

const [handle, ds] = client.acquire("/app/items/runtimes");
await ds.ready;
ds.add_callback(() => {
  throw new Error("this callback throws");
});
await client.clock.ready;

/** Wait until every client has written this number. */
async function all(n) {
  const done = () => NAMES.every((name) => ds.get_item(name)?.n === n);
  const changes = ds.changes();
  while (!done()) await changes.next();
  await changes.return();
}

await ds.update({ insert: [{ id: "NAME", n: 1, text: "é\u2028😀" }] });
await all(1);
console.log("ready");

await away;
const waiting = ds.update({ insert: [{ id: "NAME", n: 2 }] });
console.log("away");

await waiting;
await all(2);
for (let times = 0; times < 5; times++) {
  await ds.transaction((tx) => {
    const n = (tx.get_item("count")?.n ?? 0) + 1;
    tx.update({ insert: [{ id: "count", n }] });
  });
}
for (const changes = ds.changes(); ds.get_item("count").n < 5 * NAMES.length; ) await changes.next();
client.release(handle);
client.close();
console.log(`closed ${statuses}`);
