/** The pages and scripts of docs/filters.md, for users whose tokens are in the environment (ANN, BOB, MODERATOR). */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { scenario, serve_pages, until } from "./support.mjs";

const PACKAGE = new URL("../../js-client/package.json", import.meta.url);
const { build } = createRequire(PACKAGE)("esbuild");
const GUIDE = await readFile(new URL("../../docs/filters.md", import.meta.url), "utf-8");
const { ANN, BOB, MODERATOR } = process.env;

const blocks = (language) =>
  [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    (match) => match[1],
  );

/** Make `expression;   // value` an assertion, in a script that tells so many. */
function checked(script, many) {
  const assertion = /^((?:mine|open|urgent|seen)\.[^;]+);\s+\/\/ ([\d{[].*|true|false)$/gm;
  assert.equal(script.match(assertion)?.length, many, `the script tells ${many} values`);
  return script.replaceAll(assertion, "check($1, $2);");
}

/** The application of the guide, as it is built. */
async function react_page(application) {
  const contents = `${application}\nglobalThis.client = client;`;
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: dirname(PACKAGE.pathname), loader: "jsx" },
    jsx: "automatic",
    bundle: true,
    write: false,
    format: "esm",
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const script = outputFiles[0].text.replaceAll("</script", "<\\/script");
  return `<!doctype html><div id="root"></div><script type="module">${script}</script>`;
}

await scenario(async ({ server, open }) => {
  const here = (text) => text.replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`);
  const [[chat, ...pages], [own, wall, parts, ...scripts], [search, ...components]] = [
    blocks("html"),
    blocks("js"),
    blocks("jsx"),
  ];
  assert.deepEqual([pages, scripts, components], [[], [], []], "a block that nobody runs");
  const site = await serve_pages({
    "/": here(chat),
    "/empty": "<!DOCTYPE html>",
    "/search": await react_page(here(search)),
  });

  await chatting();
  for (const each of [ANN, BOB]) await run(checked(here(own), 2), each);
  await moderating();
  await run(checked(here(parts), 6));
  await searching();
  site.close();

  async function chatting() {
    const rooms = ["kitchen", "kitchen", "garden"];
    const [one, two, garden] = await Promise.all(
      rooms.map(async (room) => (await open(`${site.url}/#${room}`)).page),
    );
    const shown = (page) => page.getByRole("listitem").allTextContents();
    const shows = (page, expected) =>
      until(async () => (await shown(page)).join() === expected.join(), `${expected} shown`);
    const say = async (page, text) => {
      await page.getByRole("textbox").fill(text);
      await page.getByRole("button", { name: "Send" }).click();
    };
    const press = (page, name) => page.getByRole("button", { name, exact: true }).click();
    const offered = (page, name) => page.getByRole("button", { name, exact: true }).isVisible();

    await say(garden, "roses");
    const texts = Array.from({ length: 120 }, (_, n) => `number ${n}`);
    await run(`
      const client = new SharedStateClient("ws://127.0.0.1:${server.port}");
      const insert = ${JSON.stringify(texts)}.map((text) => ({ room: "kitchen", text }));
      await client.update("/chat/items/messages", { insert });
      client.close();`);
    for (const page of [one, two]) await shows(page, texts.slice(-50));
    await shows(garden, ["roses"]);
    assert.equal(await offered(garden, "Older"), false, "there are no older ones");

    await press(two, "Older");
    await shows(two, texts.slice(19));
    await say(one, "one more");
    await shows(one, [...texts.slice(-49), "one more"]);
    await shows(two, [...texts.slice(19), "one more"]);
    await press(two, "Older");
    await shows(two, [...texts, "one more"]);
    await until(async () => !(await offered(two, "Older")), "the end");
    await press(two, "Newest");
    await shows(two, [...texts.slice(-49), "one more"]);
    assert.equal(await offered(two, "Newest"), false, "they are shown");
  }

  async function moderating() {
    const looking = `
      const client = new SharedStateClient("ws://127.0.0.1:9000", {token: location.hash.slice(1)});
      const [, wall] = client.acquire("/wall/items/all");
      await wall.ready;
      check(wall.get_items().map(({id}) => id), EXPECTED);
      client.close();`;
    const sees = (who, ids) => run(here(looking).replace("EXPECTED", JSON.stringify(ids)), who);
    await run(here(wall), ANN);
    await run(here(wall), BOB);
    await sees(ANN, ["ann"]);
    await sees(BOB, ["bob"]);
    await sees(MODERATOR, ["ann", "bob"]);
    await run(here(wall), MODERATOR);
    await sees(ANN, ["ann", "bob"]);
    await run(here(wall), BOB); // changes what was released, which takes it back
    await sees(ANN, ["ann"]);
    await sees(BOB, ["ann", "bob"]);
  }

  async function searching() {
    const { page } = await open(`${site.url}/search`);
    await page.evaluate(() => {
      const insert = ["apple", "apricot", "banana"].map((name) => ({ id: name, name }));
      return client.update("/shop/items/fruits", { insert });
    });
    for (const [text, found] of [
      ["", "apple,apricot,banana"],
      ["ap", "apple,apricot"],
      ["app", "apple"],
      ["appx", ""],
      ["b", "banana"],
    ]) {
      await page.getByRole("textbox").fill(text);
      const shown = () => page.getByRole("listitem").allTextContents();
      await until(async () => (await shown()).join() === found, `${found} for ${text}`);
    }
  }

  /** Run a script in a page of its own, for whom a token names, and hold it to the values it tells. */
  async function run(content, token = "") {
    const tab = await open(`${site.url}/empty#${token}`);
    await tab.page.addScriptTag({
      type: "module",
      content: `
        import {SharedStateClient} from "http://127.0.0.1:${server.port}/libs/sharedstate.es.js";
        const check = (found, expected) => console.log(JSON.stringify([found, expected]));
        ${content}
        console.log("done");`,
    });
    await until(
      () => tab.logged.at(-1) === "done" || tab.problems.length > 0,
      "the end of the script",
    );
    assert.deepEqual(tab.problems, []);
    for (const line of tab.logged.slice(0, -1)) {
      const [found, expected] = JSON.parse(line);
      assert.deepEqual(found, expected);
    }
  }
});
