/** The page and the scripts of docs/writing.md. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { scenario, serve_pages, until } from "./support.mjs";

const GUIDE = await readFile(new URL("../../docs/writing.md", import.meta.url), "utf-8");
const TOLD = /^([a-z]+\.[^;]+);\s+\/\/ (-?\d+|["{[].*)$/gm;

const blocks = (language) =>
  [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    (match) => match[1],
  );

await scenario(async ({ server, open }) => {
  const here = (text) => text.replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`);
  const [poll, ...pages] = blocks("html");
  const scripts = blocks("js");
  assert.deepEqual([pages.length, scripts.length], [0, 3], "a block that nobody runs");
  const site = await serve_pages({ "/": here(poll), "/empty": "<!DOCTYPE html>" });

  await polling();
  for (const [n, told] of [7, 3, 2].entries()) await run(scripts[n], told);
  site.close();

  async function polling() {
    const pages = await Promise.all([1, 2, 3].map(async () => (await open(`${site.url}/`)).page));
    await pages[0].getByRole("textbox").fill("Tea");
    await pages[0].getByRole("button", { name: "Add", exact: true }).click();
    const tea = (page) => page.getByRole("button", { name: /^Tea: / });
    for (const page of pages) await tea(page).waitFor();
    // In the page, so that many clicks meet: each button is made anew by what the others do.
    const clicks = () => {
      for (let n = 0; n < 50; n++) document.querySelector("li button").click();
    };
    await Promise.all(pages.map((page) => page.evaluate(clicks)));
    for (const page of pages)
      await until(async () => (await tea(page).textContent()) === "Tea: 150", "every click");
  }

  /** Run a script in a page of its own, and hold it to the values that it tells, so many. */
  async function run(script, told) {
    assert.equal(script.match(TOLD)?.length, told, "the values that the script tells");
    const tab = await open(`${site.url}/empty`);
    await tab.page.addScriptTag({
      type: "module",
      content: `
        import {SharedStateClient} from "http://127.0.0.1:${server.port}/libs/sharedstate.es.js";
        const check = (found, expected) => console.log(JSON.stringify([found, expected]));
        ${here(script).replaceAll(TOLD, "check($1, $2);")}
        console.log("done");`,
    });
    const is_over = () => tab.logged.at(-1) === "done" || tab.problems.length > 0;
    await until(is_over, "the end of the script");
    assert.deepEqual(tab.problems, []);
    for (const line of tab.logged.slice(0, -1)) {
      const [found, expected] = JSON.parse(line);
      assert.deepEqual(found, expected);
    }
  }
});
