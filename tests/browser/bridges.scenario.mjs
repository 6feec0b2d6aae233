/** The bridges to React, Vue, Svelte and TanStack DB, in the real frameworks, on one collection of the real server. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { scenario, serve_pages, until } from "./support.mjs";

const PACKAGE = new URL("../../js-client/package.json", import.meta.url);
const require = createRequire(PACKAGE);
const { build } = require("esbuild");
const { compile } = require("svelte/compiler");

const SVELTE = `
  <script>let {items, status} = $props();</script>
  <p>{$status}</p>
  <ul>{#each $items as item (item.id)}<li>{item.text}</li>{/each}</ul>`;

// The package is imported by its name, through its exports map, as an application does.
const APP = `
  import { SharedStateClient } from "sharedstate-client";
  const client = globalThis.client = new SharedStateClient(ADDRESS);
  const PATH = "/app/mitems/bridges";
  const [handle, ds] = client.acquire(PATH);
  Object.assign(globalThis, { handle, ds });
  const find = (id) => document.getElementById(id);

  import { createElement as e, StrictMode, useState, memo } from "react";
  import { createRoot } from "react-dom/client";
  import { useCollection, useItem, useItems, useStatus } from "sharedstate-client/react";
  globalThis.rendered = { a: 0, all: 0 };
  const One = memo(({ ds }) => {
    rendered.a++;
    return e("b", null, useItem(ds, "a")?.text);
  });
  const List = ({ path }) => {
    rendered.all++;
    const [items, ds] = useCollection(client, path);
    (globalThis.acquired ??= []).push(typeof ds);
    return e("div", null,
      e("p", null, useStatus(client)),
      e("ul", null, items.map(({ id, text }) => e("li", { key: id }, text))),
      e(One, { ds }));
  };
  const App = () => {
    const [path, set_path] = useState(PATH);
    globalThis.set_path = set_path;
    return path && e(List, { path });
  };
  createRoot(find("react")).render(e(StrictMode, null, e(App)));

  import { createApp, h } from "vue";
  import * as vue from "sharedstate-client/vue";
  globalThis.vue_app = createApp({
    setup() {
      const [items] = vue.useCollection(client, PATH);
      const status = vue.useStatus(client);
      return () => [h("p", status.value), h("ul", items.value.map(({ id, text }) => h("li", { key: id }, text)))];
    },
  });
  vue_app.mount(find("vue"));

  import { mount, unmount } from "svelte";
  import * as stores from "sharedstate-client/svelte";
  import List_ from "./List.svelte";
  const props = { items: stores.collection(client, PATH), status: stores.status(client) };
  const list = mount(List_, { target: find("svelte"), props });
  globalThis.unmount_svelte = () => unmount(list);

  import { createCollection, createLiveQueryCollection, eq } from "@tanstack/db";
  import { collection_options } from "sharedstate-client/tanstack";
  const collection = globalThis.collection = createCollection(collection_options(client, PATH));
  globalThis.open = createLiveQueryCollection((query) =>
    query.from({ item: collection }).where(({ item }) => eq(item.done, false)));
  await open.preload();
  globalThis.log = [];
  globalThis.texts = (of) => of.toArray.map(({ text }) => text).sort();
  open.subscribeChanges(() => log.push(texts(open)));
  globalThis.loaded = true;
`;

/** What is committed first, and what an empty list means; then the same page, rendered by a server, hydrated. */
const COMMITTED = `
  import { SharedStateClient } from "sharedstate-client";
  import { createElement as e, useLayoutEffect, useState } from "react";
  import { createRoot, hydrateRoot } from "react-dom/client";
  import { renderToString } from "react-dom/server";
  import { useCollection, useItem, useItems, useStatus } from "sharedstate-client/react";
  import { effectScope, watch } from "vue";
  import * as vue from "sharedstate-client/vue";
  import * as stores from "sharedstate-client/svelte";
  const client = new SharedStateClient(ADDRESS, { on_error: (error) => console.error(error) });
  const [FULL, OTHER, EMPTY, REFUSED] =
    ["mitems/full", "mitems/other", "mitems/empty", "nosuch/c"].map((path) => "/app/" + path);
  await client.update(FULL, { insert: [{ id: "full" }] });
  await client.update(OTHER, { insert: [{ id: "other" }] });
  const [handle, held] = client.acquire(FULL);
  await held.ready;
  const log = [];
  const List = ({ path }) => {
    const [items, ds, { loading, error }] = useCollection(client, path);
    useLayoutEffect(() => {
      log.push([path.split("/").at(-1), items.map(({ id }) => id).join(), ds?.path === path ? "own" : typeof ds, error?.code ?? loading]);
    });
    return e("p", null, items.length);
  };
  let set_path;
  const App = () => {
    const [path, set] = useState(FULL);
    set_path = set;
    return e(List, { path });
  };
  const until = async (condition) => {
    while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  globalThis.committed = async () => {
    createRoot(document.getElementById("react")).render(e(App));
    const settled = async (name, state) => until(() => log.at(-1)?.[0] === name && log.at(-1)[3] === state);
    await settled("full", false);
    for (const [path, state] of [[OTHER, false], [FULL, false], [EMPTY, false], [REFUSED, "no_service"]]) {
      set_path(path);
      await settled(path.split("/").at(-1), state);
    }
    return log;
  };
  globalThis.loading = async () => {
    const found = {};
    const scope = effectScope();
    await scope.run(async () => {
      for (const path of [EMPTY, REFUSED]) {
        const [, , state] = vue.useCollection(client, path);
        found["vue " + path] = [state.value.loading];
        watch(state, ({ loading, error }) => found["vue " + path].push(error?.code ?? loading), { flush: "sync" });
        found["svelte " + path] = [];
        stores.loading(client, path).subscribe(({ loading, error }) => found["svelte " + path].push(error?.code ?? loading));
      }
    });
    await until(() => Object.values(found).every(({ length }) => length === 2));
    scope.stop();
    return found;
  };
  let rendered = 0;
  const INITIAL = [{ id: "from the server" }];
  const Page = () => {
    rendered++;
    const [items] = useCollection(client, FULL, { initial: [...INITIAL] });
    return e("div", null, useStatus(client), useItem(held, "full")?.id,
      useItems(held, { initial: INITIAL }).map(({ id }) => id), items.map(({ id }) => id));
  };
  globalThis.hydrated = async () => {
    const place = document.getElementById("vue");
    const html = (place.innerHTML = renderToString(e(Page)));
    const problems = [];
    hydrateRoot(place, e(Page), { onRecoverableError: (error) => problems.push(String(error)) });
    await until(() => place.textContent === "connectedfullfullfull");
    await new Promise((resolve) => setTimeout(resolve, 100));
    return [html.replace(/<[^>]*>/g, ""), problems, rendered < 10];
  };
  globalThis.loaded = true;
`;

/** The examples of the documentation that import the package. */
const DOCUMENTED = `
  import { SharedStateClient as Client } from "sharedstate-client";
  import { createRoot } from "react-dom/client";
  const client = new Client(ADDRESS);
  await client.update("/myapp/items/todo", { reset: true, insert: [{ id: "milk", text: "Milk" }] });
  ${await block("docs/javascript-client.md", "jsx")}
  createRoot(document.getElementById("react")).render(<List />);
  ${await block("js-client/README.md", "javascript")}
  console.log("done");`;

/** The one block of a language in a page, for the server at hand; imports first, names its own. */
async function block(page, language) {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), "utf-8");
  const [[, found], ...others] = text.matchAll(
    new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"),
  );
  assert.deepEqual(others, [], "a block that nobody runs");
  const [imports, rest] = [/^import .*$/gm, found.replace(/^import .*$/gm, "")];
  const here = rest.replace('"ws://host:9000"', "ADDRESS");
  const own = language === "jsx" ? here : `await (async () => {${here}})();`;
  return `${found.match(imports).join("\n")}\n${own}`;
}

async function bundle(url, contents) {
  const plugin = {
    name: "svelte",
    setup(build) {
      build.onResolve({ filter: /\.svelte$/ }, ({ path }) => ({ path, namespace: "svelte" }));
      build.onLoad({ filter: /.*/, namespace: "svelte" }, () => ({
        contents: compile(SVELTE, { generate: "client", filename: "List.svelte" }).js.code,
        resolveDir: dirname(PACKAGE.pathname),
      }));
    },
  };
  const { outputFiles } = await build({
    stdin: { contents, resolveDir: dirname(PACKAGE.pathname), loader: "jsx" },
    jsx: "automatic",
    bundle: true,
    write: false,
    format: "esm",
    target: "es2022",
    plugins: [plugin],
    define: {
      ADDRESS: JSON.stringify(url),
      "process.env.NODE_ENV": '"development"',
      __VUE_OPTIONS_API__: "true",
      __VUE_PROD_DEVTOOLS__: "false",
      __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    },
  });
  return outputFiles[0].text;
}

const expected = (problem) =>
  problem.includes("WebSocket connection to") || problem.includes("React DevTools");

await scenario(async ({ server, open }) => {
  const site = await serve_pages({
    "/": `<!doctype html><meta charset="utf-8">
      <div id="react"></div><div id="vue"></div><div id="svelte"></div>`,
  });
  const { page } = await open(site.url);
  await page.addScriptTag({
    type: "module",
    content: await bundle(`ws://127.0.0.1:${server.port}`, APP),
  });
  await page.waitForFunction(() => globalThis.loaded);

  const committed = await open(site.url);
  await committed.page.addScriptTag({
    type: "module",
    content: await bundle(`ws://127.0.0.1:${server.port}`, COMMITTED),
  });
  await committed.page.waitForFunction(() => globalThis.loaded);
  const commits = await committed.page.evaluate(() => globalThis.committed());
  const first = {};
  for (const [path, items, ds, state] of commits) {
    first[path] ??= [items, ds, state];
    assert.ok(["own", "undefined"].includes(ds), "never another collection's dataset");
    assert.ok(["", path].includes(items), `never another collection's items: ${items}`);
  }
  assert.deepEqual(first.full, ["full", "own", true], "at once what is in memory");
  for (const path of ["other", "empty", "c"])
    assert.deepEqual(first[path], ["", "undefined", true], path);
  assert.deepEqual(commits.at(-1), ["c", "", "own", "no_service"]);
  const shown = { "/app/mitems/empty": [true, false], "/app/nosuch/c": [true, "no_service"] };
  assert.deepEqual(
    await committed.page.evaluate(() => globalThis.loading()),
    Object.fromEntries(
      Object.entries(shown).flatMap(([path, seen]) => [
        [`vue ${path}`, seen],
        [`svelte ${path}`, seen],
      ]),
    ),
  );
  assert.deepEqual(await committed.page.evaluate(() => globalThis.hydrated()), [
    "idlefrom the serverfrom the server",
    [],
    true, // not again and again because the initial items are another list each time
  ]);
  await committed.page.close();

  const documented = await open(site.url);
  await documented.page.addScriptTag({
    type: "module",
    content: await bundle(`ws://127.0.0.1:${server.port}`, DOCUMENTED),
  });
  await documented.page.locator("#react li").getByText("Milk", { exact: true }).click();
  await documented.page.locator("#react li").waitFor({ state: "detached" });
  await until(() => documented.logged.at(-1) === "done", "the end of the example");
  assert.match(documented.logged.at(-2), /^myid undefined → /);

  const all_show = async (...texts) => {
    for (const name of ["react", "vue", "svelte"])
      await until(
        async () =>
          JSON.stringify(await page.locator(`#${name} li`).allTextContents()) ===
          JSON.stringify(texts),
        `${texts} in ${name}`,
      );
    assert.deepEqual(await page.evaluate(() => texts(collection)), texts.toSorted());
  };
  for (const name of ["react", "vue", "svelte"])
    await page.locator(`#${name} p`).getByText("connected", { exact: true }).waitFor();
  await all_show();
  const acquired = await page.evaluate(() => globalThis.acquired);
  assert.deepEqual([acquired[0], acquired.at(-1)], ["object", "object"], "the test has it already");
  const update = (changes) => page.evaluate((changes) => ds.update(changes), changes);
  await update({
    insert: [
      { id: "z", text: "Z", done: false },
      { id: "a", text: "A", done: true },
    ],
  });
  await all_show("Z", "A");
  assert.equal(await page.locator("#react b").textContent(), "A");
  await until(async () => (await page.evaluate(() => texts(globalThis.open))).join() === "Z");

  // What did not change is not rendered.
  const before = await page.evaluate(() => ({ ...rendered }));
  await update({ insert: [{ id: "b", text: "B", done: false }] });
  await all_show("Z", "A", "B");
  const after = await page.evaluate(() => ({ ...rendered }));
  assert.equal(after.a, before.a);
  assert.ok(after.all > before.all);

  // TanStack DB: shown at once, sent, confirmed; a refused change is taken back.
  const at_once = await page.evaluate(async () => {
    const inserted = collection.insert({ id: "c", text: "C", done: false });
    const seen = texts(open);
    await inserted.isPersisted.promise;
    await collection.update("c", (item) => (item.text = "CC")).isPersisted.promise;
    await collection.delete("a").isPersisted.promise;
    return [seen, ds.get_item("c"), texts(open)];
  });
  assert.deepEqual(at_once, [
    ["B", "C", "Z"],
    { id: "c", text: "CC", done: false },
    ["B", "CC", "Z"],
  ]);
  await all_show("Z", "B", "CC");
  // What others have changed of an item stays; what they have deleted stays away.
  const both = await page.evaluate(async () => {
    const theirs = ds.update({ insert: [{ ...ds.get_item("c"), note: "theirs" }] });
    const gone = ds.update({ remove: ["z"] });
    const mine = collection.update("c", (item) => (item.text = "mine"));
    const late = collection.update("z", (item) => (item.text = "late"));
    await Promise.all([theirs, gone, mine.isPersisted.promise, late.isPersisted.promise]);
    const now = [ds.get_item("c"), ds.get_item("z"), texts(open)];
    await ds.update({ reset: true, insert: [ds.get_item("b"), { id: "c", text: "CC", done: false }] });
    await ds.update({ insert: [{ id: "z", text: "Z", done: false }] });
    return now;
  });
  assert.deepEqual(both, [
    { id: "c", text: "mine", done: false, note: "theirs" },
    undefined,
    ["B", "mine"],
  ]);
  await all_show("B", "CC", "Z");
  const refused = await page.evaluate(async () => {
    const inserted = collection.insert({ id: "x".repeat(300), text: "X", done: false });
    const seen = texts(open);
    const { code } = await inserted.isPersisted.promise.catch((error) => error);
    return [seen, code, texts(open)];
  });
  assert.deepEqual(refused, [["B", "CC", "X", "Z"], "bad_update", ["B", "CC", "Z"]]);
  const states = (await page.evaluate(() => log)).map(String);
  assert.ok(!states.includes("B,C,CC,Z"), "no state in between");

  // Resume after a restart: in memory everything is gone.
  assert.equal(await server.stop(), 0);
  await page.locator("#react p").getByText("reconnecting", { exact: true }).waitFor();
  await server.start();
  await all_show();
  await update({ insert: [{ id: "n", text: "new", done: false }] });
  await all_show("new");

  // Another path, then none; the others end, too: nobody holds the collection but this test.
  await page.evaluate(() => set_path("/app/mitems/other"));
  await until(async () => (await page.locator("#react li").count()) === 0);
  await page.evaluate(async () => {
    set_path("");
    vue_app.unmount();
    await unmount_svelte();
    await open.cleanup();
    await collection.cleanup();
  });
  await page.locator("#react p").waitFor({ state: "detached" });
  const subscriptions = () => page.evaluate(() => client.get("/subs"));
  assert.deepEqual(
    (await subscriptions()).map(([path]) => path),
    ["/app/mitems/bridges"],
    "the handle of this test is the only one left",
  );
  await page.evaluate(() => client.release(handle));
  assert.deepEqual(await subscriptions(), []);
  site.close();
}, expected);
