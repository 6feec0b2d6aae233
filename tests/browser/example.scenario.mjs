/** The example page of the README, as it stands there, in two windows; the server is restarted under them. */

import assert from "node:assert/strict";
import { click, toggle, told } from "./example.mjs";
import { page_for, scenario, serve_pages } from "./support.mjs";

const refused = (problem) => problem.includes("WebSocket connection to");

await scenario(async ({ server, open }) => {
  const site = await serve_pages({ "/": await page_for("example.html", server) });
  const one = await open(site.url);
  const two = await open(site.url);
  for (const tab of [one, two]) {
    await tab.page.evaluate(() => (globalThis.never_reloaded = true));
  }
  await toggle(one, two);

  // Someone who comes later is shown what is there.
  const three = await open(site.url);
  await three.logs("true");

  // The server goes and comes back: same port, same file. What is asked meanwhile waits.
  for (const tab of [one, two, three]) tab.logged.length = 0;
  assert.equal(await server.stop(), 0);
  await click(one, "Update");
  await server.start();
  for (const tab of [one, two, three]) await tab.logs("false");
  await click(two, "Update");
  for (const tab of [one, two, three]) await tab.logs("false", "true");
  await click(one, "Reset");
  for (const tab of [one, two, three]) {
    await told(tab, ({ reset, insert }) => reset === true && insert.length === 0);
  }
  await click(three, "Update");
  for (const tab of [one, two, three]) await tab.logs("false", "true", "true");
  for (const tab of [one, two]) {
    assert.equal(await tab.page.evaluate(() => globalThis.never_reloaded), true);
  }
  site.close();
}, refused);
