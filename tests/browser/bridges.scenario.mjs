/** The bridges to React, Vue, Svelte and TanStack DB in a browser engine (ENGINE), on one collection of the real server. */

import assert from "node:assert/strict";
import { pages } from "./bridges.mjs";
import { launch } from "./engines.mjs";
import { Server, serve_pages, until } from "./support.mjs";

const FRAMEWORKS = ["react", "vue", "svelte"];
const server = new Server();
let engine;
try {
  await server.start();
  engine = await launch(process.env.ENGINE);
  const site = await serve_pages(await pages(`ws://127.0.0.1:${server.port}`));
  for (const [target, test] of Object.entries({ committed, documented, app })) {
    console.log(target);
    const page = await engine.open(`${site.url}/${target}`);
    await test(page);
    assert.deepEqual(await page.evaluate(() => problems), []);
    await page.close();
  }
  site.close();
  assert.equal(await server.stop(), 0);
} finally {
  await engine?.close();
  server.kill();
}

// --- the scenarios --------------------------------------------------------------------------------

/** What is committed first, what an empty list means, and the same page, rendered by a server, hydrated. */
async function committed(page) {
  await loaded(page);
  const commits = await page.evaluate(() => globalThis.committed());
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
  // A server that changes its mind: what is refused at first is there after all, and empty.
  assert.deepEqual(await page.evaluate(() => globalThis.lifted()), [
    ["barred", "", "own", true],
    ["barred", "", "own", false],
  ]);
  const shown = { "/app/mitems/empty": [true, false], "/app/nosuch/c": [true, "no_service"] };
  assert.deepEqual(
    await page.evaluate(() => globalThis.loading()),
    Object.fromEntries(
      Object.entries(shown).flatMap(([path, seen]) => [
        [`vue ${path}`, seen],
        [`svelte ${path}`, seen],
      ]),
    ),
  );
  assert.deepEqual(await page.evaluate(() => globalThis.hydrated()), [
    "idlefrom the serverfrom the server",
    [],
    true, // not again and again because the initial items are another list each time
  ]);
  for (const initial of [undefined, [{ id: "initial" }]]) {
    const first = initial ? "idle|initial|initial|true" : "idle|||true";
    const found = { server: first, left_by_server: 0, first, same_node: true, left: 0 };
    assert.deepEqual(await page.evaluate((options) => hydrated_first(options), { initial }), {
      vue: found,
      svelte: found,
    });
  }
}

/** The examples of the documentation. */
async function documented(page) {
  await shows(page, "react", "li", ["Milk"]);
  for (const [name, element] of [
    ["vue", "button"],
    ["svelte", "button"],
    ["react", "li"],
  ]) {
    await shows(page, name, "li", name === "react" ? ["Milk"] : ["Milk Done"]);
    await page.evaluate(
      (selector) => document.querySelector(selector).click(),
      `#${name} ${element}`,
    );
    for (const each of FRAMEWORKS) await shows(page, each, "li", []);
    await page.evaluate(() =>
      client.update("/myapp/items/todo", { insert: [{ id: "milk", text: "Milk" }] }),
    );
  }
  await loaded(page);
  const logged = await page.evaluate(() => globalThis.logged);
  assert.deepEqual(logged.slice(0, 2), ["vue Initial Done", "svelte Initial Done"]);
  assert.match(logged.at(-1), /^myid undefined → /);
}

/** One application in four frameworks: what is shown, rendered, taken back, and left at the end. */
async function app(page) {
  await loaded(page);
  const all_show = async (...texts) => {
    for (const name of FRAMEWORKS) await shows(page, name, "li", texts);
    assert.deepEqual(await page.evaluate(() => texts(collection)), texts.toSorted());
  };
  for (const name of FRAMEWORKS) await shows(page, name, "p", ["connected"]);
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
  await shows(page, "react", "b", ["A"]);
  await until(async () => (await page.evaluate(() => texts(globalThis.open))).join() === "Z");

  // What did not change is not rendered.
  const before = await page.evaluate(() => ({ ...rendered }));
  await update({ insert: [{ id: "b", text: "B", done: false }] });
  await all_show("Z", "A", "B");
  const after = await page.evaluate(() => ({ ...rendered }));
  assert.equal(after.a, before.a);
  assert.ok(after.all > before.all);

  await optimistic(page, all_show);

  // Resume after a restart: in memory everything is gone.
  assert.equal(await server.stop(), 0);
  await shows(page, "react", "p", ["reconnecting"]);
  await server.start();
  await all_show();
  await update({ insert: [{ id: "n", text: "new", done: false }] });
  await all_show("new");

  // Another path, then none; the others end, too: nobody holds the collection but this test.
  await page.evaluate(() => set_path("/app/mitems/other"));
  await shows(page, "react", "li", []);
  await page.evaluate(async () => {
    set_path("");
    vue_app.unmount();
    await unmount_svelte();
    await open.cleanup();
    await collection.cleanup();
  });
  await shows(page, "react", "p", []);
  const subscriptions = () => page.evaluate(() => client.get("/subs"));
  assert.deepEqual(
    (await subscriptions()).map(([path]) => path),
    ["/app/mitems/bridges"],
    "the handle of this test is the only one left",
  );
  await page.evaluate(() => client.release(handle));
  assert.deepEqual(await subscriptions(), []);
}

/** TanStack DB: shown at once, sent, confirmed; a refused change is taken back. */
async function optimistic(page, all_show) {
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
    const now = [ds.get_item("c"), ds.has_item("z"), texts(open)];
    const c = { id: "c", text: "CC", done: false };
    await ds.update({ reset: true, insert: [ds.get_item("b"), c] });
    await ds.update({ insert: [{ id: "z", text: "Z", done: false }] });
    return now;
  });
  assert.deepEqual(both, [
    { id: "c", text: "mine", done: false, note: "theirs" },
    false,
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
}

// --- what a page shows ----------------------------------------------------------------------------

function loaded(page) {
  return until(() => page.evaluate(() => globalThis.loaded === true), "the page's program");
}

/** The texts of a framework's elements. */
function shown(page, framework, element) {
  return page.evaluate(
    (selector) => [...document.querySelectorAll(selector)].map(({ textContent }) => textContent),
    `#${framework} ${element}`,
  );
}

function shows(page, framework, element, texts) {
  const wanted = JSON.stringify(texts);
  return until(
    async () => JSON.stringify(await shown(page, framework, element)) === wanted,
    `${wanted} in ${framework}`,
  );
}
