/** The documentation's pages and scripts, taken from the documentation itself. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { scenario, serve_pages, until } from "./support.mjs";

/** The blocks of one language in a page. */
async function blocks(page, language) {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), "utf-8");
  const fence = new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms");
  return [...text.matchAll(fence)].map((match) => match[1]);
}

/** Make `expression;   // value` an assertion, where the comment is a value; there are so many. */
function checked(script, many) {
  const [assertion] = [/^((?:ds|older)\.[^;]+);\s+\/\/ ([\d{[].*|true|false)$/gm];
  const found = script.match(assertion) ?? [];
  assert.equal(found.length, many, `the script tells ${many} values`);
  return script.replaceAll(assertion, "check($1, $2);");
}

await scenario(async ({ server, open }) => {
  const here = (text) => text.replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`);
  const [page, ...other_pages] = await blocks("README.md", "html");
  const [script, modern, signing_in, edit, part, refused, ...other_scripts] = [
    ...(await blocks("README.md", "js")),
    ...(await blocks("docs/javascript-client.md", "js")),
  ];
  assert.deepEqual([other_pages, other_scripts], [[], []], "a block that nobody runs");
  const site = await serve_pages({ "/": here(page), "/empty": "<!DOCTYPE html>" });

  const tabs = [await open(site.url), await open(site.url)];
  const shows = (tab, text) =>
    until(async () => (await tab.page.getByRole("button").textContent()) === text, text);
  for (const [clicks, tab] of [tabs[0], tabs[1], tabs[1]].entries()) {
    await tab.page.getByRole("button").click();
    for (const each of tabs) await shows(each, String(clicks + 1));
  }

  const { logged, values } = await run(checked(here(script), 3));
  const milk = { id: "milk", done: false };
  assert.deepEqual(values, [
    [2, 2],
    [true, true],
    [milk, milk],
  ]);
  assert.equal(logged.filter((line) => line.includes("became")).length, 2);

  const then = await run(checked(here(modern), 2));
  assert.deepEqual(then.values, [
    [true, true],
    [true, true],
  ]);
  assert.ok(then.logged.includes("1 changes"), "the subscriber was told");
  const [time, error] = then.logged
    .at(-2)
    .match(/\d[\d.e-]*/g)
    .map(Number);
  assert.ok(Math.abs(time - Date.now() / 1000) < 10 && error < 1, then.logged.at(-2));
  const signed = await run(here(signing_in).replace("{SharedStateClient, ", "{"));
  assert.deepEqual(signed.logged.at(-1), "done");
  assert.deepEqual((await run(checked(here(edit), 1))).values, [[true, true]]);
  const parts = (await run(checked(here(part), 4))).values;
  for (const [found, expected] of parts) assert.deepEqual(found, expected);
  assert.match((await run(here(refused))).logged.at(-2), /^conflict at version \d+$/);
  site.close();

  /** Run a script in a page of its own, and return what it says and the values it tells. */
  async function run(content) {
    const tab = await open(`${site.url}/empty`);
    await tab.page.addScriptTag({
      type: "module",
      content: `
        import {SharedStateClient} from "http://127.0.0.1:${server.port}/libs/sharedstate.es.js";
        const check = (found, expected) => console.log(JSON.stringify([found, expected]));
        ${content}
        console.log("done");`,
    });
    await until(() => tab.logged.at(-1) === "done", "the end of the script");
    const told = tab.logged.filter((line) => /^\[.*\]$/.test(line) && !line.includes("Object"));
    return { logged: tab.logged, values: told.map((line) => JSON.parse(line)) };
  }
});
