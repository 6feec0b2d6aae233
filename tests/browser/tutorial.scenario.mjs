/** docs/tutorial.md, as a reader does it: its commands, its page, which grows, and what it says that happens. */

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, utimes, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { promisify } from "node:util";
import { scenario, until } from "./support.mjs";

const { SHAREDSTATE_CLIENT: command, PYTHON: python } = process.env;
const text = await readFile(new URL("../../docs/tutorial.md", import.meta.url), "utf-8");
const blocks = (language) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, block]) => block,
  );
const [serve, web, shell, serve_again, ...more] = blocks("sh");
const [page, ...other_pages] = blocks("html");
const [transaction, title, ...other_scripts] = blocks("js");
assert.deepEqual([more, other_pages, other_scripts], [[], [], []], "a block that nobody runs");
assert.deepEqual([serve, serve_again], ["make serve\n", "make serve\n"]);

/** Serve the working folder with the tutorial's own command, on a free port. */
async function web_server() {
  const [program, ...options] = web.trim().replace(" 8000 ", " 0 ").split(" ");
  assert.equal(program, "python3");
  const web_process = spawn(python, ["-u", ...options], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const [line] = await once(createInterface(web_process.stdout), "line");
  return { port: line.match(/port (\d+)/)[1], kill: () => web_process.kill() };
}

/** Save the page: `versions` seconds later than it is, since to the web server what is of the same second has not changed. */
async function save(content, versions) {
  await writeFile("list.html", content);
  const time = Date.now() / 1000 + versions;
  await utimes("list.html", time, time);
}

const site = await web_server();
await scenario(
  async ({ server, open }) => {
    const here = (what) => what.replaceAll(":9000", `:${server.port}`);
    let content = here(page);
    let versions = 0;
    await save(content, versions);
    const url = `http://localhost:${site.port}/list.html`;
    const tabs = [await open(url), await open(url)];
    const lines = ({ page: each }) => each.getByRole("listitem").allTextContents();
    const show = (...expected) =>
      until(async () => {
        const shown = await Promise.all(tabs.map(lines));
        return shown.every((each) => each.join() === expected.join());
      }, `two windows that show ${expected}`);
    const add = async (tab, what) => {
      await tab.page.getByRole("textbox").fill(what);
      await tab.page.getByRole("button").click();
    };
    /** Put a script above `</script>`, and reload both windows. */
    const extend = async (script) => {
      content = content.replace("</script>", `${script}</script>`);
      await save(content, ++versions);
      await Promise.all(tabs.map((tab) => tab.page.reload()));
    };

    await add(tabs[0], "Bread");
    await show("3 × Bread");

    const script = here(shell).replaceAll(".venv/bin/sharedstate", command);
    const { stdout } = await promisify(execFile)("sh", ["-ec", script]);
    assert.equal(stdout, '{"id": "tea", "text": "Tea", "n": 2}\n');
    await show("3 × Bread", "2 × Tea");

    await extend(transaction);
    await show("3 × Bread", "2 × Tea");
    await Promise.all(tabs.map((tab) => tab.page.getByText("Bread").click()));
    await show("1 × Bread", "2 × Tea");
    await tabs[1].page.getByText("Bread").click();
    await show("2 × Tea");

    await extend(title);
    const titles = (expected) =>
      until(async () => {
        const shown = await Promise.all(tabs.map((tab) => tab.page.title()));
        return shown.every((each) => each === expected);
      }, `titles that say ${expected}`);
    await titles("connected");
    await show("2 × Tea");
    assert.equal(await server.stop(), 0);
    await titles("reconnecting");
    await add(tabs[0], "Milk");
    await show("2 × Tea");
    for (const tab of tabs) tab.received = [];
    await server.start();
    await titles("connected");
    await show("2 × Tea", "3 × Milk");
    for (const { received } of tabs) {
      const told = received.filter(({ type }) => type === "MESSAGE").map(({ data }) => data);
      assert.ok(told.length && told.every(({ reset }) => !reset), "what had changed, not the list");
      assert.deepEqual(
        told.flatMap(({ insert }) => insert.map((item) => item.text)),
        ["Milk"],
      );
    }
  },
  (problem) => problem.includes("ERR_CONNECTION_REFUSED") || problem.includes("404"), // /favicon.ico
).finally(site.kill);
