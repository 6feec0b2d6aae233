/** TLS: Node trusts the test's authority (NODE_EXTRA_CA_CERTS), Chromium opens the page and its wss:// connection. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { SharedStateClient } from "../../js-client/src/index.js";
import { CHROMIUM_ARGUMENTS, Server, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");
const { chromium } = require("playwright-core");

const server = new Server();
const clients = [];
let browser;
try {
  await server.start();
  for (const [index, name] of ["localhost", "127.0.0.1"].entries()) {
    clients.push(new SharedStateClient(`wss://${name}:${server.port}`, { WebSocket }));
    const [, ds] = clients[index].acquire("/demo/mitems/list");
    await ds.ready;
  }
  const [, ds] = clients[0].acquire("/demo/mitems/list");
  const [, other] = clients[1].acquire("/demo/mitems/list");
  const text = "x".repeat(300_000);
  assert.equal(await ds.update({ insert: [{ id: "big", text }] }), 1);
  await until(() => other.get_item("big")?.text === text, "the item at the other client");
  await ds.update({ reset: true });

  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: CHROMIUM_ARGUMENTS,
    headless: true,
  });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  const page = await context.newPage();
  const sockets = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));
  await page.goto(`https://localhost:${server.port}/`);
  await page.getByRole("status").getByText("Connected").first().waitFor();
  const entry = page.getByRole("textbox", { name: "New item, Client A" });
  await entry.fill("bread");
  await entry.press("Enter");
  await until(() => other.size === 1, "the page's item in Node");
  assert.ok(sockets.length > 0);
  assert.ok(
    sockets.every((url) => url.startsWith("wss://")),
    String(sockets),
  );
  await browser.close();
  for (const client of clients) client.close();
  assert.equal(await server.stop(), 0);
} finally {
  await browser?.close();
  for (const client of clients) client.close();
  server.kill();
}
