/** The example page of the README, as it stands there, in two windows; the server is restarted under them. */

import assert from "node:assert/strict";
import { page_for, scenario, serve_pages, until } from "./support.mjs";

const refused = (problem) => problem.includes("WebSocket connection to");

await scenario(async ({ server, open }) => {
  const site = await serve_pages({ "/": await page_for("example.html", server) });
  const one = await open(site.url);
  const two = await open(site.url);
  for (const tab of [one, two]) {
    await tab.page.evaluate(() => (globalThis.never_reloaded = true));
  }
  const click = (tab, name) => tab.page.getByRole("button", { name }).click();
  const told = (tab, test) => until(() => tab.received.some(({ data }) => test(data ?? {})));

  await click(one, "Update");
  await one.logs("true");
  await two.logs("true");
  await click(two, "Update");
  await one.logs("true", "false");
  await two.logs("true", "false");
  await click(one, "Update");
  await two.logs("true", "false", "true");
  await one.logs("true", "false", "true");

  for (const tab of [one, two]) tab.received.length = 0;
  await click(one, "Reset");
  await told(two, ({ reset }) => reset === true);
  await click(two, "Update");
  await two.logs("true", "false", "true", "true");
  await one.logs("true", "false", "true", "true");

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
