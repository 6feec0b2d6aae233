/**
 * The example page of the first generation (PAGE), unchanged, in two windows, and in a third one that comes later.
 *
 * Whoever calls this has started the server where the page expects it, on port 9000 of this machine. Of what the page asks for,
 * one thing is given to it by the test: the page imports its script from a code host, which no test may depend on, and which
 * would send another version. In its place it gets the script of the server.
 */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { toggle } from "./example.mjs";
import { CHROMIUM_ARGUMENTS, serve_pages, Tab } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { chromium } = require("playwright-core");

const FROM_THE_CODE_HOST = /^https:\/\/github\.com\/.*(\/libs\/sharedstate\.es\.js)$/;

const site = await serve_pages({ "/": await readFile(process.env.PAGE, "utf-8") });
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: CHROMIUM_ARGUMENTS,
});
try {
  const tabs = [];
  const open = async () => {
    const context = await browser.newContext();
    const tab = new Tab(await context.newPage());
    await tab.page.route(FROM_THE_CODE_HOST, async (route) => {
      const [, file] = route.request().url().match(FROM_THE_CODE_HOST);
      const script = await fetch(`http://localhost:9000${file}`);
      await route.fulfill({
        contentType: script.headers.get("content-type"),
        headers: { "access-control-allow-origin": "*" },
        body: await script.text(),
      });
    });
    await tab.page.goto(site.url);
    tabs.push(tab);
    return tab;
  };
  await toggle(await open(), await open());
  const late = await open();
  await late.logs("true");
  assert.deepEqual(
    tabs.flatMap((tab) => tab.problems),
    [],
  );
} finally {
  await browser.close();
  site.close();
}
