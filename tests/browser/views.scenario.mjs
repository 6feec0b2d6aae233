/** Parts of a collection in Node, against the real server: what enters and leaves, conflicts unseen, a restart, TanStack DB. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { SharedStateClient } from "../../js-client/src/index.js";
import { Server, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");
// In its own form for modules, the one that the bridge's types are of.
const db = await import(
  pathToFileURL(require.resolve("@tanstack/db").replace("/cjs/index.cjs", "/esm/index.js")).href
);
const { collection_options } = await import("../../js-client/src/bridges/tanstack.js");

const PATH = "/app/items/parts";
const server = new Server();
const problems = [];
const clients = [];
const ids = (ds) => ds.get_items().map(({ id }) => id).join(" "); // prettier-ignore
try {
  await server.start();
  for (let number = 0; number < 2; number++) {
    const on_error = (error) => problems.push(error);
    const url = `ws://127.0.0.1:${server.port}`;
    clients.push(new SharedStateClient(url, { WebSocket, on_error }));
  }
  const [one, two] = clients;
  const room = (n) => (n % 2 ? "odd" : "even");
  const insert = [1, 2, 3, 4, 5, 6].map((n) => ({ id: `m${n}`, n, room: room(n) }));
  await two.update(PATH, { insert });

  const [, odd] = one.acquire(PATH, { where: { room: "odd" } });
  const [, newest] = one.acquire(PATH, { last: 2 });
  const [, numbers] = one.acquire(PATH, { where: { n: { gte: 5 } }, fields: ["n"] });
  await Promise.all([odd, newest, numbers].map(({ ready }) => ready));
  assert.deepEqual([ids(odd), ids(newest)], ["m1 m3 m5", "m5 m6"]);
  assert.deepEqual(numbers.get_items(), [
    { id: "m5", n: 5 },
    { id: "m6", n: 6 },
  ]);
  const kept = odd.get_item("m5");

  // One's own update shows in each part before its promise resolves; what comes back has its old place.
  await one.update(PATH, { insert: [{ id: "m3", n: 3, room: "even" }], remove: ["m6"] });
  assert.deepEqual([ids(odd), ids(newest), ids(numbers)], ["m1 m5", "m4 m5", "m5"]);
  await one.update(PATH, { insert: [{ id: "m3", n: 3, room: "odd" }] });
  assert.equal(ids(odd), "m1 m3 m5");
  assert.equal(odd.get_item("m5"), kept);

  const page = await one.page(PATH, { last: 2, before: newest.before });
  assert.deepEqual([page.items.map(({ id }) => id), page.more], [["m2", "m3"], true]);
  const first = await one.page(PATH, { last: 2, before: page.before });
  assert.deepEqual([first.items.map(({ id }) => id), first.more], [["m1"], false]);
  assert.deepEqual(
    await one.get(PATH, { where: { n: 4 }, fields: [] }).catch(({ code }) => code),
    "bad_message",
  );
  assert.deepEqual(await one.get(PATH, { where: { n: 4 }, fields: ["room"] }), [
    { id: "m4", room: "even" },
  ]);

  assert.equal((await one.page(PATH)).items.length, 5);
  assert.equal((await one.get(PATH, { where: { and: [] } })).length, 5);

  // A transaction that has read all of a part conflicts with what it cannot see, and gets through all the same.
  let runs = 0;
  await odd.transaction(async (tx) => {
    const n = tx.size;
    if (++runs < 4) await two.update(PATH, { insert: [{ id: "unseen", room: "even", runs }] });
    tx.update({ insert: [{ id: "count", room: "odd", n }] });
  });
  assert.equal(runs, 4);
  assert.equal(odd.get_item("count").n, 3);
  await until(() => newest.has_item("count"));

  const bad = one.acquire(PATH, { where: { room: { near: 1 } } })[1];
  await assert.rejects(bad.ready, { code: "bad_message" });
  await assert.rejects(numbers.update({ insert: [{ id: "m5", n: 6 }] }), { code: "bad_update" });

  // Queries of TanStack DB: only what they ask for comes.
  const collection = db.createCollection(collection_options(one, PATH, { syncMode: "on-demand" }));
  const query = (where) =>
    db.createLiveQueryCollection((q) => q.from({ t: collection }).where(({ t }) => where(t)));
  const even = query((t) => db.and(db.eq(t.room, "even"), db.not(db.isUndefined(t.n))));
  const large = query((t) => db.gt(t.n, 3));
  await Promise.all([even.preload(), large.preload()]);
  const names = (rows) => [...rows.keys()].sort().join(" ");
  assert.deepEqual([names(even), names(large), names(collection)], ["m2 m4", "m4 m5", "m2 m4 m5"]);
  collection.update("m2", (draft) => {
    draft.n = 20;
  });
  await until(() => names(large) === "m2 m4 m5");
  await until(async () => (await two.get(PATH, { where: { id: "m2" } }))[0].n === 20);
  await even.cleanup();
  await until(() => names(collection) === "m2 m4 m5");
  await two.update(PATH, { remove: ["m5"] });
  await until(() => names(large) === "m2 m4");
  assert.equal(ids(odd), "m1 m3 count");
  await large.cleanup();
  await collection.cleanup();

  // After a restart the parts are what they are, and what has not changed is the same object.
  const [m1] = odd.get_items();
  assert.equal(await server.stop(), 0);
  await until(() => clients.every(({ status }) => status === "reconnecting"));
  const waiting = two.update(PATH, { insert: [{ id: "m7", n: 7, room: "odd" }], remove: ["m3"] });
  await server.start();
  await waiting;
  await until(() => ids(odd) === "m1 count m7");
  assert.equal(odd.get_item("m1"), m1);
  await until(() => ids(newest) === "count m7");
  assert.deepEqual(problems, []);
  for (const client of clients) client.close();
  assert.equal(await server.stop(), 0);
} finally {
  for (const client of clients) client.close();
  server.kill();
}
