/**
 * TLS in a browser engine (ENGINE), and in Node, which trusts the test's authority (NODE_EXTRA_CA_CERTS): the server's own
 * page, and a page from elsewhere that connects to wss://, through a restart of the server.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { SharedStateClient } from "../../js-client/src/index.js";
import { application, ready } from "./application.mjs";
import { launch } from "./engines.mjs";
import { Server, serve_pages, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");

const server = new Server();
const clients = [];
let engine;
try {
  await server.start();
  const plain = await fetch(`http://localhost:${server.port}/`);
  assert.equal(plain.status, 400, "without TLS there is nothing to connect to");
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

  engine = await launch(process.env.ENGINE);
  await own_page(other);
  await page_from_elsewhere(other);
  for (const client of clients) client.close();
  assert.equal(await server.stop(), 0);
} finally {
  await engine?.close();
  for (const client of clients) client.close();
  server.kill();
}

/** The server's own page: what is added there is in Node, and the other way round. */
async function own_page(node) {
  const page = await engine.open(`https://localhost:${server.port}/`);
  const status = () => document.querySelector("#status").dataset.status;
  await until(async () => (await page.evaluate(status)) === "connected", "the connection");
  await page.evaluate(() => {
    const entry = document.querySelector('[aria-label="New item, Client A"]');
    entry.value = "bread";
    entry.form.requestSubmit();
  });
  await until(() => node.size === 1, "the page's item in Node");
  await node.update({ reset: true });
  const shown = () => document.querySelectorAll('[aria-label="Items, Client A"] li').length;
  await until(async () => (await page.evaluate(shown)) === 0, "the page to be empty");
  await page.close();
}

/** A page from a plain address, with the bundle and the connection from the server: large items, and a restart. */
async function page_from_elsewhere(node) {
  const address = `https://localhost:${server.port}`;
  const site = await serve_pages({ "/": application(address, "/demo/mitems/list") });
  const page = await engine.open(site.url);
  await ready(page);
  const text = "é😀 ".repeat(100_000);
  await node.update({ insert: [{ id: "big", text }] });
  const size = () => ds.get_item("big")?.text.length;
  await until(async () => (await page.evaluate(size)) === text.length, "the item in the page");
  await page.evaluate(() => ds.update({ insert: [{ ...ds.get_item("big"), id: "back" }] }));
  await until(() => node.get_item("back")?.text === text, "the page's item in Node");

  await server.crash();
  const lost = () => client.status === "reconnecting";
  await until(() => page.evaluate(lost), "the loss to show");
  await page.evaluate(() => {
    globalThis.pending = ds.update({ reset: true, insert: [{ id: "after" }] });
  });
  await server.start();
  assert.equal(await page.evaluate(() => pending), 1);
  await until(() => node.size === 1 && node.has_item("after"), "the page's item in Node");
  assert.deepEqual(await page.evaluate(() => problems), []);
  await page.close();
  site.close();
}
