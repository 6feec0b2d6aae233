/** Items as no page expects them, of every JSON type: each page shows what is there, runs nothing, and goes on. */

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { scenario, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");

const HTML = `"><img src=x onerror="globalThis.hacked = true"><script>globalThis.hacked = true</script>`;
const UNTIDY = `{"toString":1,"valueOf":1,"toJSON":1,"then":1,"length":1e9}`;
const DEEP = "[".repeat(60) + "]".repeat(60);

/** Values, as JSON text. */
const VALUES = {
  toString: `{"toString":1}`,
  valueOf: `{"valueOf":1}`,
  untidy: UNTIDY,
  proto: `{"__proto__":{"toString":1},"constructor":null}`,
  null: "null",
  true: "true",
  zero: "0",
  huge: "1e999",
  minus: "-1e999",
  array: `[[],{"toString":null}]`,
  nothing: `""`,
  html: JSON.stringify(HTML),
  deep: DEEP,
  long: JSON.stringify("long ".repeat(20_000)),
  controls: JSON.stringify("\u0000\u001b[2J\u0085\u202e\u2066\u2028\ufeff"),
  surrogate: `"\\ud83d\\ude00 \\uffff"`,
};

/** Ids that are members of every object, or markup. */
const IDS = ["__proto__", "constructor", "toString", "hasOwnProperty", "id", HTML, "\u202e\u0085"];

/** Items in which each member that a page reads is each of these values; and items with nothing but an id. */
const items = (...members) => [
  ...members.flatMap((member) =>
    Object.entries(VALUES).map(
      ([name, value]) => `{"id":"${member} ${name}","${member}":${value}}`,
    ),
  ),
  ...Object.entries(VALUES).map(
    ([name, value]) =>
      `{"id":"all ${name}",${members.map((each) => `"${each}":${value}`).join(",")}}`,
  ),
  ...IDS.map((id) => `{"id":${JSON.stringify(id)},"__proto__":${UNTIDY}}`),
];

/** Write JSON texts, as they are, into a collection. */
async function write(port, path, texts, reset = false) {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  await new Promise((resolve) => (socket.onopen = resolve));
  const answer = new Promise((resolve, reject) => {
    socket.onmessage = resolve;
    socket.onclose = ({ code, reason }) => reject(new Error(`${code} ${reason}`));
  });
  socket.send(
    `{"type":"REQUEST","cmd":"PUT","path":${JSON.stringify(path)},"tunnel":1,` +
      `"arg":{"reset":${reset},"insert":[${texts.join(",")}]}}`,
  );
  const { data } = await answer;
  assert.equal(JSON.parse(data).ok, true, data);
  socket.close();
}

await scenario(async ({ server, open }) => {
  const home = `http://127.0.0.1:${server.port}`;
  const put = (collection, texts) => write(server.port, `/demo/mitems/${collection}`, texts);
  const good = (members) => `{"id":"good",${members}}`;
  /** Each page is loaded with the items there, and sees them come. */
  const visit = async (target, collection, texts, check) => {
    const early = await open(home + target);
    await until(() => early.received.some(({ cmd }) => cmd === "NOTIFY"), `${target} in sync`);
    await put(collection, texts);
    const late = await open(home + target);
    for (const { page } of [early, late]) {
      await check(page);
      assert.equal(await page.evaluate(() => globalThis.hacked), undefined, target);
      assert.equal(await page.locator("img[src=x]").count(), 0, target);
    }
    return late.page;
  };
  const values = (page, selector) =>
    page.locator(selector).evaluateAll((all) => all.map(({ value }) => value));

  // The start page: the last 200 items, each with its text or else as JSON.
  const list = [...items("text", "done"), good(`"text":"good"`)];
  await visit("/", "list", list, async (page) => {
    const selector = "section[aria-label='Client A'] li input[type=text]";
    await until(async () => (await values(page, selector)).includes("good"), "the last item");
    const shown = await values(page, selector);
    assert.equal(shown.length, list.length);
    assert.ok(shown.every(({ length }) => length <= 1001));
    assert.ok(shown.includes(HTML));
    assert.ok(shown.some((text) => text.includes(`"text":{"toString":1}`)));
  });

  // The to-do list: all of them, and it still works.
  const tasks = [...items("text", "done", "at"), good(`"text":"good","done":false,"at":1`)];
  const todo = await visit("/pages/todo.html", "todo", tasks, async (page) => {
    const selector = "#tasks input[type=text]";
    await until(async () => (await values(page, selector)).length === tasks.length, "all tasks");
    const shown = await values(page, selector);
    assert.ok(shown.includes(HTML) && shown.includes("good"));
    assert.ok(shown.every(({ length }) => length <= 1001));
    assert.ok(shown.some((text) => text.includes(`"text":{"toString":1}`)));
    assert.equal(await page.locator("#problem").textContent(), "");
  });
  const good_one = todo.getByLabel("Text of good", { exact: true });
  await todo.getByLabel("Done: good", { exact: true }).check();
  await todo.locator("li.done").filter({ has: good_one }).waitFor();
  await todo.getByRole("button", { name: "Clear what is done" }).click();
  await until(async () => (await good_one.count()) === 0, "one task less");
  await todo.getByLabel("New task").fill("another");
  await todo.getByRole("button", { name: "Add", exact: true }).click();
  await todo.getByLabel("Text of another").waitFor();

  // The cursors: those without a time are cleared away, and those without a place do no harm.
  const early = await open(`${home}/pages/cursors.html`);
  await early.page.getByText("1 visitor", { exact: true }).waitFor();
  await put("cursors", items("x", "y", "hue", "at"));
  const late = await open(`${home}/pages/cursors.html`);
  for (const { page } of [early, late]) {
    await page.getByText("2 visitors", { exact: true }).waitFor();
    await page.locator(".cursor.me").waitFor();
    assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  }
  const now = Date.now() / 1000;
  const alive = Object.entries(VALUES).map(
    ([name, value]) =>
      `{"id":"alive ${name}","x":${value},"y":${value},"hue":${value},"at":${now}}`,
  );
  await put("cursors", alive);
  for (const { page } of [early, late]) {
    await page.getByText(`${alive.length + 2} visitors`, { exact: true }).waitFor();
    assert.equal(await page.locator(".cursor").count(), alive.length + 2);
  }

  // The switch, thrown by anything.
  for (const value of Object.values(VALUES)) {
    const on = ["null", "0", `""`].includes(value) ? "off" : "on";
    await put("switch", [`{"id":"myid","data":${value}}`]);
    const { page } = await open(`${home}/pages/minimal.html`);
    const output = page.getByRole("status", { name: "The switch is" });
    await output.getByText(on, { exact: true }).waitFor();
    await page.context().close();
  }

  // The viewer, as it is and with a function that takes items for what they should be.
  const { page } = await open(`${home}/pages/minimal.html`);
  await put("viewer", [...items("text"), good(`"text":"good"`)]);
  const texts = await page.evaluate(async () => {
    const { SharedStateClient, DatasetViewer } = await import("/libs/sharedstate.es.js");
    const client = new SharedStateClient(`ws://${location.host}`, { on_error: () => {} });
    const [, ds] = client.acquire("/demo/mitems/viewer");
    const show = (options) => {
      const element = document.body.appendChild(document.createElement("div"));
      new DatasetViewer(ds, element, options);
      return element;
    };
    const whole = show({ delete: true });
    const text = show({ toString: (item) => item.text });
    const loud = show({ toString: (item) => item.text.toUpperCase() });
    await ds.ready;
    await new Promise((resolve) => setTimeout(resolve));
    return [whole, text, loud].map((element) =>
      [...element.children].map((row) => row.firstChild.textContent),
    );
  });
  const count = items("text").length + 1;
  assert.deepEqual(
    texts.map(({ length }) => length),
    [count, count, count],
  );
  const [whole, text, loud] = texts;
  assert.ok(whole.includes(`{"id":"text toString","text":{"toString":1}}`));
  assert.deepEqual(text.slice(0, 1), [`{"toString":1}`]);
  assert.ok(text.includes(HTML) && text.includes("null") && text.includes("undefined"));
  assert.equal(loud.at(-1), "GOOD");
  assert.equal(loud[0], `{"id":"text toString","text":{"toString":1}}`);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);

  // A name that is no service's is told, and nothing is promised any more.
  for (const name of ["minimal", "todo", "cursors"])
    for (const service of ["a/b", "", "..", "%00", "a%2Fb%2Fc", HTML]) {
      const query = new URLSearchParams({ service: decodeURIComponent(service) });
      const { page } = await open(`${home}/pages/${name}.html?${query}`);
      await page.getByRole("alert").getByText("expected /app/service/collection").waitFor();
      assert.equal(await page.getByText(/Connecting|^…$/).count(), 0, `${name}, ${service}`);
      assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
      await page.context().close();
    }
}, expected);

/** A name that is none stops the script of a demo, and what a viewer's function throws is reported; both are told in the console. */
function expected(problem) {
  return problem.includes("expected /app/service/collection") || problem.includes("toUpperCase");
}
