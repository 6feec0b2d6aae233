/** A list of 10,000 items in React, filtered while somebody types: it never flickers, and what stays is not made anew. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { scenario, serve_pages, until } from "./support.mjs";

const PACKAGE = new URL("../../js-client/package.json", import.meta.url);
const { build } = createRequire(PACKAGE)("esbuild");

const COUNT = 10_000;
const WORDS = ["apple", "apricot", "avocado", "banana", "blueberry", "cherry", "citron", "damson"];
const NAMES = Array.from({ length: COUNT }, (_, n) => `${WORDS[n % WORDS.length]} ${n}`);

// The filter is a new object at each rendering. What was shown is kept with it, to be compared.
const APP = `
  import { StrictMode, useState } from "react";
  import { createRoot } from "react-dom/client";
  import { SharedStateClient } from "sharedstate-client";
  import { useCollection } from "sharedstate-client/react";

  const client = globalThis.client = new SharedStateClient(ADDRESS);
  globalThis.shown = [];
  function List() {
    const [text, set_text] = useState("");
    const [items, , { loading, error }] = useCollection(client, "/app/mitems/fruit", {
      where: { name: { prefix: text } },
    });
    shown.push({ text, items, loading, error });
    return <>
      <input value={text} onChange={({ target }) => set_text(target.value)} />
      <output>{error?.message ?? items.length}</output>
      <ul>{items.slice(0, 100).map(({ id, name }) => <li key={id}>{name}</li>)}</ul>
    </>;
  }
  createRoot(document.getElementById("root")).render(<StrictMode><List /></StrictMode>);
`;

/** @param {string} address of the server */
async function page(address) {
  const { outputFiles } = await build({
    stdin: { contents: APP, resolveDir: dirname(PACKAGE.pathname), loader: "jsx" },
    jsx: "automatic",
    bundle: true,
    write: false,
    format: "esm",
    define: { ADDRESS: JSON.stringify(address), "process.env.NODE_ENV": '"development"' },
  });
  const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
  return `<!doctype html><div id="root"></div><script type="module">${script}</script>`;
}

const counted = (prefix) => NAMES.filter((name) => name.startsWith(prefix)).length;

await scenario(
  async ({ server, open }) => {
    const site = await serve_pages({ "/": await page(`ws://127.0.0.1:${server.port}`) });
    const { page: tab } = await open(`${site.url}/`);
    const update = (changes) =>
      tab.evaluate((given) => client.update("/app/mitems/fruit", given), changes);
    for (let from = 0; from < COUNT; from += 1000) {
      const names = NAMES.slice(from, from + 1000);
      await update({ insert: names.map((name, n) => ({ id: `${from + n}`, name })) });
    }
    const says = (text) =>
      until(async () => (await tab.textContent("output")) === text, `${text} items`);
    await says(`${COUNT}`);
    await tab.evaluate(() => shown.splice(0, shown.length - 1));

    // As fast as it gets, so that most of what is asked for is not waited for; then letter by letter.
    await tab.focus("input");
    await tab.keyboard.type("apri");
    await says(`${counted("apri")}`);
    for (const [key, prefix] of [
      ["Backspace", "apr"],
      ["Backspace", "ap"],
      ["p", "app"],
      ["Backspace", "ap"],
      ["Backspace", "a"],
      ["v", "av"],
    ]) {
      await tab.keyboard.press(key);
      await says(`${counted(prefix)}`);
    }
    const first = await tab.textContent("li");
    assert.equal(first, "avocado 2");

    const { renderings, empty, remade, wrong } = await tab.evaluate(() => {
      const told = { renderings: shown.length, empty: 0, remade: 0, wrong: 0 };
      let before = new Map();
      for (const { text, items, loading, error } of shown) {
        if (items.length === 0 || error) told.empty++;
        if (!loading && items.some(({ name }) => !name.startsWith(text))) told.wrong++;
        for (const item of items) if ((before.get(item.id) ?? item) !== item) told.remade++;
        before = new Map(items.map((item) => [item.id, item]));
      }
      return told;
    });
    assert.ok(renderings > 10, `${renderings}`);
    assert.deepEqual({ empty, remade }, { empty: 0, remade: 0 });
    assert.equal(wrong, 0, "what is shown for another filter is said to be loading");

    // What others do is followed by what is shown now: an item leaves, one enters at its place.
    await update({
      insert: [
        { id: "2", name: "renamed" },
        { id: "3", name: "avocado, once a banana" },
      ],
    });
    await says(`${counted("av")}`);
    assert.equal(await tab.textContent("li"), "avocado, once a banana");
    assert.equal(await tab.textContent("li:nth-child(2)"), "avocado 10");
    site.close();
  },
  (problem) => problem.includes("React DevTools"),
);
