/**
 * Somebody points their name at the server, so that Chromium takes their page for one of the server's: it reads nothing
 * and opens no WebSocket. Under the server's own name the same page does both.
 */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { CHROMIUM_ARGUMENTS, Server } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { chromium } = require("playwright-core");

/** What a page of this origin gets: the status of what it reads, and whether a WebSocket opens. */
async function attempt() {
  const read = async (target) => (await fetch(target)).status;
  const opens = await new Promise((resolve) => {
    const socket = new WebSocket(`ws://${location.host}`);
    socket.onopen = () => resolve(true);
    socket.onerror = () => resolve(false);
  });
  return [await read("/"), await read("/pages/"), await read("/metrics"), opens];
}

const server = new Server();
let browser;
try {
  await server.start();
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: [...CHROMIUM_ARGUMENTS, "--host-resolver-rules=MAP *.example 127.0.0.1"],
    headless: true,
  });
  const page = await browser.newPage();
  for (const [name, expected] of [
    ["evil.example", [421, 421, 421, false]],
    ["state.example", [200, 200, 403, true]],
    ["localhost", [200, 200, 200, true]],
  ]) {
    await page.goto(`http://${name}:${server.port}/healthz`); // any document of this origin will do
    assert.deepEqual(await page.evaluate(attempt), expected, name);
  }
  await page.goto(`http://evil.example:${server.port}/`);
  const told = await page.textContent("main");
  assert.match(told, /does not answer to the name "evil\.example".*"hosts"/s);
  await browser.close();
  assert.equal(await server.stop(), 0);
} finally {
  await browser?.close();
  server.kill();
}
