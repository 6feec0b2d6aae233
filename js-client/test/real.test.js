/** The client over a real socket, with a server of a few lines that knows one collection. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { WebSocket, WebSocketServer } from "ws";
import { SharedStateClient } from "../src/index.js";
import { C, at, notify, reply } from "./support.js";

let started = 0;

/** @param {import("node:test").TestContext} t @param {number} [port] */
async function serve(t, port = 0) {
  const server = new WebSocketServer({ host: "127.0.0.1", port });
  const epoch = `e${++started}`;
  let version = 0;
  /** @type {Map<string, any>} */
  const items = new Map();
  server.on("connection", (socket) =>
    socket.on("message", (text) => {
      const { path, tunnel, arg } = JSON.parse(String(text));
      if (path === "/session") return;
      if (path === "/subs") {
        socket.send(reply(tunnel, arg.insert));
        const insert = [...items.values()];
        socket.send(notify({ insert, reset: true }, at(epoch, 0, version)));
        return;
      }
      for (const item of arg.insert) items.set(item.id, item);
      const change = notify(arg, at(epoch, version++, version));
      for (const client of server.clients) client.send(change);
      socket.send(reply(tunnel, arg.insert.length));
    }),
  );
  const stop = async () => {
    for (const client of server.clients) client.terminate();
    server.close();
    await once(server, "close");
  };
  t.after(() => stop().catch(() => {}));
  await once(server, "listening");
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { stop, port: address.port };
}

/** @param {import("node:test").TestContext} t @param {number} port */
function connect(t, port) {
  const client = new SharedStateClient(`ws://127.0.0.1:${port}`, { WebSocket });
  t.after(() => client.close());
  return client;
}

test(
  "two clients share state, and come back after the server does",
  { timeout: 20_000 },
  async (t) => {
    const server = await serve(t);
    const [one, two] = [connect(t, server.port), connect(t, server.port)];
    const [[, ds], [, other]] = [one.acquire(C), two.acquire(C)];
    await Promise.all([ds.ready, other.ready]);
    const seen = new Promise((resolve) => other.add_callback(resolve));
    assert.equal(await ds.update({ insert: [{ id: "a", text: "é\u2028😀" }] }), 1);
    assert.equal(ds.get_item("a")?.text, "é\u2028😀");
    assert.equal(/** @type {any} */ (await seen)[0].id, "a");

    const lost = new Promise((resolve) => one.add_status_callback(resolve));
    await server.stop();
    assert.equal(await lost, "reconnecting");
    const update = ds.update({ insert: [{ id: "b" }] });
    const back = new Promise((resolve) =>
      other.add_callback(() => other.has_item("b") && resolve(undefined)),
    );
    await serve(t, server.port);
    assert.equal(await update, 1);
    await back;
    assert.deepEqual(other.get_items(), [{ id: "b" }], "the new server knew nothing of a");
  },
);

test("a client may be closed while it connects", async (t) => {
  const server = await serve(t);
  const client = connect(t, server.port);
  client.connect();
  client.close();
  assert.equal(client.status, "closed");
});
