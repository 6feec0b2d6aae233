/** Pages with the bridges to React, Vue, Svelte and TanStack DB, bundled with the real frameworks as an application is. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { WATCH } from "./engines.mjs";

const PACKAGE = new URL("../../js-client/package.json", import.meta.url);
const require = createRequire(PACKAGE);
const { build } = require("esbuild");
const { compile } = require("svelte/compiler");
const { compileScript, parse } = require("vue/compiler-sfc");

const SVELTE = `
  <script>let {items, status} = $props();</script>
  <p>{$status}</p>
  <ul>{#each $items as item (item.id)}<li>{item.text}</li>{/each}</ul>`;

// What it renders first is what a server has rendered.
const SVELTE_PAGE = `
  <script>let {status, items, all, loading, seen} = $props();</script>
  <p>{seen($status, $items, $all, $loading)}</p>`;

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
  import { createSSRApp, effectScope, h, watch } from "vue";
  import { renderToString as render_vue } from "vue/server-renderer";
  import * as vue from "sharedstate-client/vue";
  import { hydrate, unmount } from "svelte";
  import { render as render_svelte } from "svelte/server";
  import SveltePage from "./Page.svelte";
  import ServerPage from "./Page.server.svelte";
  import * as stores from "sharedstate-client/svelte";
  let barred = true;
  class Barring extends WebSocket {
    send(text) {
      super.send(barred ? text.replaceAll("/app/mitems/barred", "/app/nosuch/barred") : text);
    }
  }
  const options = { WebSocket: Barring, on_error: (error) => console.error(error) };
  const client = new SharedStateClient(ADDRESS, options);
  const [FULL, OTHER, EMPTY, REFUSED, BARRED] =
    ["mitems/full", "mitems/other", "mitems/empty", "nosuch/c", "mitems/barred"].map((path) => "/app/" + path);
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
  globalThis.lifted = async () => {
    const shown = () => log.at(-1);
    set_path(BARRED);
    await until(() => shown()[0] === "barred" && shown()[3] === "refused");
    const from = log.length;
    barred = false;
    const [handle] = client.acquire(BARRED);
    await until(() => shown()[3] === false);
    client.release(handle);
    return log.slice(from);
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
  /** Whatever the client keeps for somebody: handles, and callbacks. */
  let kept = 0;
  const count = (object, begin, end) => {
    const originals = [object[begin], object[end]];
    object[begin] = (...args) => (kept++, originals[0].apply(object, args));
    object[end] = (...args) => (kept--, originals[1].apply(object, args));
  };
  /** Render as a server does, though this client has it all; hydrate; return the server's text, the first one here, the last. */
  globalThis.hydrated_first = async (options) => {
    count(client, "acquire", "release");
    count(client, "add_status_callback", "remove_status_callback");
    const { subscribe } = held;
    held.subscribe = (callback) => {
      kept++;
      const end = subscribe(callback);
      return () => (kept--, end());
    };
    const text = (status, items, all, { loading }) =>
      [status, ...[items, all].map((list) => list.map(({ id }) => id).join()), loading].join("|");
    const hydrated = async (render, start) => {
      const place = document.createElement("div");
      document.body.append(place);
      place.innerHTML = await render(text);
      const found = { server: place.textContent.trim(), left_by_server: kept };
      const node = place.querySelector("p");
      const end = start(place, (...shown) => {
        found.first ??= text(...shown);
        return text(...shown);
      });
      await until(() => place.textContent.trim() === "connected|full|full|false");
      found.same_node = node === place.querySelector("p");
      await end();
      return { ...found, left: kept };
    };
    const app = (seen) => createSSRApp({
      setup() {
        const items = vue.useItems(held, options);
        const [all, ds, loading] = vue.useCollection(client, FULL, options);
        const status = vue.useStatus(client);
        return () => h("p", seen(status.value, items.value, all.value, loading.value));
      },
    });
    const by_vue = await hydrated((seen) => render_vue(app(seen)), (place, seen) => {
      const page = app(seen);
      page.mount(place);
      return () => page.unmount();
    });
    const props = (seen) => ({
      seen,
      items: stores.items(held, options),
      all: stores.collection(client, FULL, options),
      loading: stores.loading(client, FULL),
      status: stores.status(client),
    });
    const render = async (seen) => (await render_svelte(ServerPage, { props: props(seen) })).body;
    const by_svelte = await hydrated(render, (target, seen) => {
      const page = hydrate(SveltePage, { target, props: props(seen) });
      return () => unmount(page);
    });
    for (const name of ["acquire", "release", "add_status_callback", "remove_status_callback"]) delete client[name];
    held.subscribe = subscribe;
    return { vue: by_vue, svelte: by_svelte };
  };
  globalThis.loaded = true;
`;

const GUIDE = "docs/javascript-client.md";

/** The examples of the documentation that import the package; those with initial items show them first, and log that. */
const DOCUMENTED = `
  import { SharedStateClient as Client } from "sharedstate-client";
  import { createRoot } from "react-dom/client";
  import { createApp } from "vue";
  import { flushSync, mount } from "svelte";
  import VueTodo from "./Documented.vue";
  import SvelteTodo from "./Documented.svelte";
  const client = (globalThis.client = new Client(ADDRESS));
  await client.update("/myapp/items/todo", { reset: true, insert: [{ id: "milk", text: "Milk" }] });
  const props = { client, initial: [{ id: "initial", text: "Initial" }] };
  createApp(VueTodo, props).mount("#vue");
  flushSync(() => mount(SvelteTodo, { target: document.getElementById("svelte"), props }));
  for (const name of ["vue", "svelte"]) console.log(name, document.querySelector("#" + name + " li").textContent);
  ${run(await block(GUIDE, "jsx"), "jsx")}
  createRoot(document.getElementById("react")).render(<List />);
  ${run(await block("js-client/README.md", "javascript"), "javascript")}
  globalThis.loaded = true;`;

/** The one block of a language in a page. */
async function block(page, language) {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), "utf-8");
  const [[, found], ...others] = text.matchAll(
    new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"),
  );
  assert.deepEqual(others, [], "a block that nobody runs");
  return found;
}

/** A block as a part of a program, for the server at hand; imports first, names its own. */
function run(found, language) {
  const [imports, rest] = [/^import .*$/gm, found.replace(/^import .*$/gm, "")];
  const here = rest.replace('"ws://host:9000"', "ADDRESS");
  const own = language === "jsx" ? here : `await (async () => {${here}})();`;
  return `${found.match(imports).join("\n")}\n${own}`;
}

/**
 * Bundle the pages for a server.
 *
 * @param {string} url the server's
 * @returns {Promise<{[target: string]: string}>} HTML by target; each has `watch` in it, and sets `loaded`
 */
export async function pages(url) {
  const programs = { "/app": APP, "/committed": COMMITTED, "/documented": DOCUMENTED };
  const made = Object.entries(programs).map(async ([target, program]) => [
    target,
    `<!doctype html><meta charset="utf-8">${WATCH}
      <div id="react"></div><div id="vue"></div><div id="svelte"></div>
      <script type="module">${await bundle(url, program)}</script>`,
  ]);
  return Object.fromEntries(await Promise.all(made));
}

/** The components that programs import. */
const COMPONENTS = {
  "./List.svelte": svelte(SVELTE),
  "./Page.svelte": svelte(SVELTE_PAGE),
  "./Page.server.svelte": svelte(SVELTE_PAGE, "server"),
  "./Documented.svelte": svelte(await block(GUIDE, "svelte")),
  "./Documented.vue": vue(await block(GUIDE, "vue")),
};

function svelte(source, generate = "client") {
  const { js, warnings } = compile(source, { generate });
  assert.deepEqual(warnings, []);
  return js.code;
}

function vue(source) {
  const { descriptor, errors } = parse(source);
  assert.deepEqual(errors, []);
  return compileScript(descriptor, { id: "documented", inlineTemplate: true }).content;
}

async function bundle(url, contents) {
  const plugin = {
    name: "components",
    setup(build) {
      build.onResolve({ filter: /^\.\/.*\.(svelte|vue)$/ }, ({ path }) =>
        path in COMPONENTS ? { path, namespace: "components" } : undefined,
      );
      build.onLoad({ filter: /.*/, namespace: "components" }, ({ path }) => ({
        contents: COMPONENTS[path],
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
    external: ["node:*"], // what Svelte's server would like to have
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
