/** What must be the same in every browser engine (ENGINE): the pages, the bundles, and a page that is left in every way. */

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { application, holds, ready } from "./application.mjs";
import { launch, WATCH } from "./engines.mjs";
import { page_for, Server, serve_pages, until } from "./support.mjs";

const BUNDLES = ["iife", "iife.min", "es", "es.min"];
const server = new Server();
const opened = [];
let engine;
try {
  await server.start();
  engine = await launch(process.env.ENGINE);
  const home = `http://127.0.0.1:${server.port}`;
  const site = await serve_pages({
    ...(await bundles()),
    "/app": application(home),
    "/elsewhere": "<!DOCTYPE html><title>Elsewhere</title>",
  });
  for (const [name, test] of Object.entries({
    pages,
    all_bundles,
    restart,
    reload,
    history,
    nowhere,
    worker,
    many,
  })) {
    console.log(name);
    await test(site.url, home);
    // Firefox lets every failed attempt delay the next one to the same host, whoever makes it.
    for (const page of opened.splice(0)) await page.close();
  }
  site.close();
  assert.equal(await server.stop(), 0);
} finally {
  await engine?.close();
  server.kill();
}

// --- the scenarios --------------------------------------------------------------------------------

/** The server's own page in two windows: what is added in one shows in both, and hostile text runs nothing. */
async function pages(_, home) {
  const windows = [await open(home), await open(home)];
  const add = (pane, text) =>
    windows[1].evaluate(
      (pane, text) => {
        const input = document.querySelector(
          `[aria-label="New item, ${pane}"]`,
        );
        input.value = text;
        input.form.requestSubmit();
      },
      pane,
      text,
    );
  const shown = () =>
    [
      ...document.querySelectorAll(
        '[aria-label="Items, Client A"] input[type=text]',
      ),
    ].map(({ value }) => value);
  await until(() =>
    windows[1].evaluate(
      () => document.querySelector("#status").dataset.status === "connected",
    ),
  );
  const texts = ["bread", '<img src="x" onerror="globalThis.hacked = true">'];
  await add("Client A", texts[0]);
  await until(
    async () => (await windows[0].evaluate(shown)).length === 1,
    "the first item",
  );
  await add("Client B", texts[1]);
  for (const page of windows) {
    await until(
      async () => (await page.evaluate(shown)).length === 2,
      "both items",
    );
    assert.deepEqual(await page.evaluate(shown), texts);
    assert.equal(await page.evaluate(() => "hacked" in globalThis), false);
  }
}

/** Each bundle from another origin, with a dataset acquired before connecting and one after. */
async function all_bundles(site) {
  const tabs = [];
  for (const name of BUNDLES) tabs.push(await open(`${site}/${name}`));
  const shows = (page, id, text) =>
    until(
      () =>
        page.evaluate(
          (id, text) => document.getElementById(id).textContent === text,
          id,
          text,
        ),
      `${text} in ${id}`,
    );
  for (const page of tabs) {
    await shows(page, "status", "connected");
    for (const id of ["early", "late"]) await shows(page, id, "[]");
  }
  await tabs[0].evaluate(() => document.querySelector("button").click());
  for (const page of tabs) {
    for (const id of ["early", "late"])
      await shows(page, id, `[{"id":"a","place":"${id}"}]`);
    assert.deepEqual(await page.evaluate(() => problems), []);
  }
}

/** The server goes and comes back: nothing is lost, what was asked meanwhile is done, and no page is loaded anew. */
async function restart(site) {
  const tabs = [await open(`${site}/app`), await open(`${site}/app`)];
  for (const page of tabs) await ready(page);
  await tabs[0].evaluate(() =>
    ds.update({ reset: true, insert: [{ id: "a", n: 1 }] }),
  );
  await tabs[0].evaluate(() => (globalThis.stayed = true));
  for (const page of tabs) await holds(page, [["a", 1]]);
  await server.crash();
  for (const page of tabs)
    await until(
      () => page.evaluate(() => client.status === "reconnecting"),
      "the loss to show",
    );
  await tabs[0].evaluate(() => {
    globalThis.pending = ds.update({ insert: [{ id: "b", n: 2 }] });
  });
  await server.start();
  assert.equal(await tabs[0].evaluate(() => pending), 1);
  for (const page of tabs)
    await holds(page, [
      ["a", 1],
      ["b", 2],
    ]);
  assert.deepEqual(await tabs[0].evaluate(() => [stayed, statuses.at(-1)]), [
    true,
    "connected",
  ]);
  for (const page of tabs)
    assert.deepEqual(await page.evaluate(() => problems), []);
}

/** A page is loaded anew with updates on their way: of those a first part is stored, each whole, and all copies agree. */
async function reload(site) {
  const [other, page] = [await open(`${site}/app`), await open(`${site}/app`)];
  for (const each of [other, page]) await ready(each);
  await page.evaluate(() => ds.update({ reset: true }));
  for (let round = 0; round < 3; round++) {
    await page.evaluate((round) => {
      for (let n = 0; n < 50; n++) {
        const pair = ["x", "y"].map((half) => ({
          id: `${round} ${n} ${half}`,
          n,
        }));
        ds.update({ insert: pair }).catch(() => {});
      }
    }, round);
    await page.goto(`${site}/elsewhere`);
    await page.goto(`${site}/app`);
    await ready(page);
    const stored = await page.evaluate(async () => {
      await ds
        .update({ insert: [{ id: "last", n: 0 }], remove: ["last"] })
        .catch(() => {});
      return ds.get_items().map(({ id, n }) => [id, n]);
    });
    await holds(other, stored);
    const now = stored.filter(([id]) => id.startsWith(`${round} `));
    assert.equal(now.length % 2, 0, "half of an update is stored");
    assert.deepEqual(
      now.map(([, n]) => n),
      now.map((_, index) => Math.floor(index / 2)),
      "one in between is missing",
    );
  }
}

/** Gone to another page and back, whether or not the browser has kept it: it holds what is there now, and can write. */
async function history(site) {
  const [other, page] = [await open(`${site}/app`), await open(`${site}/app`)];
  for (const each of [other, page]) await ready(each);
  for (let n = 0; n < 3; n++) {
    await page.goto(`${site}/elsewhere`);
    await other.evaluate(
      (n) => ds.update({ reset: true, insert: [{ id: "n", n }] }),
      n,
    );
    await page.back();
    await ready(page);
    await holds(page, [["n", n]]);
    await page.evaluate((n) => ds.update({ insert: [{ id: "back", n }] }), n);
    await holds(other, [
      ["n", n],
      ["back", n],
    ]);
    assert.deepEqual(await page.evaluate(() => problems), []);
  }
}

/**
 * Somebody enters an address that leads nowhere while a callback runs, and Firefox ends the callback without an exception:
 * the change is there, the others are called, and the client goes on.
 */
async function nowhere(site) {
  const [other, page] = [await open(`${site}/app`), await open(`${site}/app`)];
  for (const each of [other, page]) await ready(each);
  await other.evaluate(() => ds.update({ reset: true }));
  await holds(page, []);
  const firefox = process.env.ENGINE === "firefox";
  await page.evaluate((busy) => {
    globalThis.calls = [];
    const channel = new BroadcastChannel("calls");
    ds.add_callback(([{ id }]) => {
      calls.push(`${id} begins`);
      channel.postMessage(id);
      const end = performance.now() + busy;
      while (id === "a" && performance.now() < end);
      calls.push(`${id} ends`);
    });
    ds.add_callback((diffs) => calls.push(...diffs.map(({ id }) => `${id} told`)));
  }, firefox ? 10_000 : 300);
  await other.evaluate(() => {
    globalThis.begun = [];
    new BroadcastChannel("calls").onmessage = ({ data }) => begun.push(data);
  });
  await page.evaluate(() => {
    globalThis.settled = Promise.allSettled([ds.update({ insert: [{ id: "a", n: 1 }] })]);
  });
  await until(() => other.evaluate(() => begun.includes("a")), "the callback");
  await page.enter(`${site}/nowhere`);
  await other.evaluate(() => ds.update({ insert: [{ id: "b", n: 2 }] }));
  await holds(page, [
    ["a", 1],
    ["b", 2],
  ]);
  const calls = () => page.evaluate(() => calls);
  await until(async () => (await calls()).includes("b told"), "the call after that");
  const ended = firefox ? [] : ["a ends"]; // else this has lost its point
  assert.deepEqual(await calls(), ["a begins", ...ended, "a told", "b begins", "b ends", "b told"]);
  assert.equal((await page.evaluate(() => settled)).length, 1);
  // Firefox may have closed the connection, too, even while this update is under way.
  const write = () => ds.update({ remove: ["b"] }).then(Boolean, () => false);
  await until(() => page.evaluate(write), "an update of the page");
  await holds(other, [["a", 1]]);
}

/** The same life in a worker, from a blob, through a restart of the server. */
async function worker(site) {
  const text = (
    await readFile(new URL("runtime.mjs", import.meta.url), "utf-8")
  )
    .replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`)
    .replaceAll('"NAMES"', '"worker"')
    .replaceAll('"NAME"', '"worker"')
    .replaceAll(
      "BUNDLE",
      `http://127.0.0.1:${server.port}/libs/sharedstate.es.js`,
    )
    .replaceAll("console.log(", "postMessage(");
  const page = await open(`${site}/app`);
  await page.evaluate((text) => {
    globalThis.said = [];
    const url = URL.createObjectURL(
      new Blob([text], { type: "text/javascript" }),
    );
    globalThis.worker = new Worker(url, { type: "module" });
    worker.onmessage = ({ data }) => said.push(data);
  }, text);
  let said = [];
  const says = async (words) => {
    const has = async () => {
      said = await page.evaluate(() => said);
      return said.some((line) => line.startsWith(words));
    };
    await until(has, words).catch((error) =>
      assert.fail(`${error.message}; it said ${said}`),
    );
  };
  await says("ready");
  await server.crash();
  await says("away");
  await server.start();
  await says("closed connecting,connected,reconnecting,connected,closed");
}

/** Ten thousand items, written in one page and shown in another. */
async function many(site) {
  const [other, page] = [await open(`${site}/app`), await open(`${site}/app`)];
  for (const each of [other, page]) await ready(each);
  await page.evaluate(async () => {
    const items = Array.from({ length: 10_000 }, (_, n) => ({
      id: `${n}`,
      n,
      text: "é😀 ".repeat(10),
    }));
    for (let n = 0; n < items.length; n += 1000)
      await ds.update({ reset: n === 0, insert: items.slice(n, n + 1000) });
  });
  const sum = (page) =>
    page.evaluate(() => [
      ds.size,
      ds.get_items().reduce((sum, { n }) => sum + n, 0),
    ]);
  await until(async () => (await sum(other))[0] === 10_000, "all items");
  const late = await open(`${site}/app`);
  await ready(late);
  for (const each of [other, late])
    assert.deepEqual(await sum(each), [10_000, 49_995_000]);
}

// --- pages ----------------------------------------------------------------------------------------

async function bundles() {
  const template = await page_for("bundle.html", server);
  const libs = `http://127.0.0.1:${server.port}/libs`;
  const load = (name) =>
    name.startsWith("iife")
      ? `<script src="${libs}/sharedstate.${name}.js"></script>`
      : `<script type="module">
          import * as all from "${libs}/sharedstate.${name}.js";
          globalThis.SHAREDSTATE = all;
        </script>`;
  return Object.fromEntries(
    BUNDLES.map((name) => [
      `/${name}`,
      template.replace("BUNDLE", () => WATCH + load(name)),
    ]),
  );
}

async function open(url) {
  const page = await engine.open(url);
  opened.push(page);
  return page;
}
