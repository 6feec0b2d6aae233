/** The client in Node, against the real server: two clients, a restart, and what Node's users do by hand. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { SharedStateClient } from "../../js-client/src/index.js";
import { Server, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");

const server = new Server();
const problems = [];
const on_error = (error) => problems.push(error);
const clients = [];
try {
  await server.start();
  const url = `ws://127.0.0.1:${server.port}`;
  for (let number = 0; number < 3; number++) {
    clients.push(new SharedStateClient(url, { WebSocket, on_error }));
  }
  const [one, two, three] = clients;
  const [, ds] = one.acquire("/app/items/c");
  const [, other] = two.acquire("app//items/c/");
  await Promise.all([ds.ready, other.ready]);
  assert.deepEqual(await three.get("/"), ["items", "mitems"]);
  assert.ok(Math.abs((await three.get("/clock")) - Date.now() / 1000) < 60);

  const diffs = [];
  other.add_callback((change) => diffs.push(...change));
  assert.equal(await ds.update({ insert: [{ id: "a", n: 1 }, { id: "b" }] }), 2);
  assert.deepEqual(ds.get_item("a"), { id: "a", n: 1 }, "acknowledged, so it shows");
  await until(() => other.size === 2);
  assert.equal(
    await three.update("/app/items/c", { insert: [{ id: "a", n: 2 }], remove: ["b"] }),
    2,
  );
  await until(() => ds.size === 1 && other.size === 1);
  const lines = diffs.map(({ id, new: now, old }) => `${id}: ${JSON.stringify([old, now])}`);
  assert.deepEqual(lines.sort(), [
    'a: [null,{"id":"a","n":1}]',
    'a: [{"id":"a","n":1},{"id":"a","n":2}]',
    'b: [null,{"id":"b"}]',
    'b: [{"id":"b"},null]',
  ]);
  await assert.rejects(three.update("/app/nowhere/c", { reset: true }), { code: "no_service" });
  await assert.rejects(three.update("/app/items/c", { insert: [{ id: "\0" }] }), {
    code: "bad_update",
  });

  assert.equal(await server.stop(), 0);
  await until(() => clients.every(({ status }) => status === "reconnecting"));
  const waiting = ds.update({ insert: [{ id: "asked while it was away" }] });
  await server.start();
  assert.equal(await waiting, 1);
  for (const each of [ds, other]) {
    await until(() => each.has_item("asked while it was away"));
    assert.deepEqual(each.get_items(), [{ id: "a", n: 2 }, { id: "asked while it was away" }]);
  }
  assert.deepEqual(problems, []);
  for (const client of clients) client.close();
  assert.equal(await server.stop(), 0);
} finally {
  for (const client of clients) client.close();
  server.kill();
}
