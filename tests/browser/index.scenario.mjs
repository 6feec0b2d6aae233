/** The server's own page: two panes, and two windows, show one list. */

import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { scenario, serve_pages, until } from "./support.mjs";

const HOSTILE = '<img src="x" onerror="globalThis.hacked = true">';

await scenario(async ({ server, open }) => {
  const url = `http://127.0.0.1:${server.port}/`;
  const windows = [await open(url), await open(url)];
  const panes = windows.flatMap(({ page }) =>
    ["Client A", "Client B"].map((name) => ({
      name,
      list: page.getByRole("list", { name: `Items, ${name}` }),
      entry: page.getByRole("textbox", { name: `New item, ${name}` }),
      region: page.getByRole("region", { name, exact: true }),
    })),
  );
  /** Wait until every pane shows these texts in this order. */
  const all_show = async (...texts) => {
    for (const { list } of panes) {
      const fields = list.getByRole("textbox");
      await until(async () => {
        const shown = await fields.evaluateAll((found) => found.map(({ value }) => value));
        return JSON.stringify(shown) === JSON.stringify(texts);
      }, `a list of ${texts}`);
    }
  };
  const add = async ({ entry }, text) => {
    await entry.fill(text);
    await entry.press("Enter");
  };

  for (const { page } of windows) {
    await page.getByRole("status").getByText("Connected").first().waitFor();
    assert.match(await page.title(), /SharedState/);
  }
  await all_show();
  await add(panes[0], "bread");
  await all_show("bread");
  await add(panes[3], "milk");
  await add(panes[3], HOSTILE);
  await all_show("bread", "milk", HOSTILE);

  await panes[1].region.getByRole("checkbox", { name: "Done: milk" }).check();
  for (const { region } of panes) {
    await until(() => region.getByRole("checkbox", { name: "Done: milk" }).isChecked());
    assert.equal(await region.getByRole("checkbox", { name: "Done: bread" }).isChecked(), false);
  }
  await panes[2].list.getByRole("textbox", { name: "Text of bread" }).fill("brown bread");
  await panes[2].list.getByRole("textbox", { name: "Text of bread" }).press("Enter");
  await all_show("brown bread", "milk", HOSTILE);
  await panes[0].region.getByRole("button", { name: "Delete milk" }).click();
  await all_show("brown bread", HOSTILE);

  // A third window sees what is there; clearing empties all.
  const late = await open(url);
  const fields = late.page.getByRole("list", { name: "Items, Client A" }).getByRole("textbox");
  await until(async () => (await fields.count()) === 2);
  await panes[3].region.getByRole("button", { name: "Clear all" }).click();
  await all_show();
  await until(async () => (await fields.count()) === 0);
  for (const { page } of windows) {
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  }

  // The example that the page offers works from a web server on localhost; opened as a file it may not connect.
  const code = await late.page.getByRole("region", { name: "Example page" }).innerText();
  await writeFile("saved.html", code);
  const file = await open(pathToFileURL("saved.html").href);
  await until(() => file.problems.some((problem) => problem.includes("403")), "a refusal");
  await file.page.getByText("or none that accepts this origin").waitFor();
  await file.page.close(); // it would try again, and be refused again
  file.problems.length = 0;
  const site = await serve_pages({ "/page.html": code });
  const saved = await open(`${site.url}/page.html`);
  await saved.page.getByRole("button", { name: "Add" }).click();
  await saved.page.getByText("Hello").waitFor();
  await all_show("Hello");
  site.close();
});
