/** The viewer under a strict Content-Security-Policy: hostile ids and values are shown, run nothing, and can be deleted. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { scenario, until } from "./support.mjs";

const POLICY =
  "default-src 'none'; script-src 'self'; connect-src ws:; require-trusted-types-for 'script'";

const WORDS = [
  '<img src=x onerror="globalThis.hacked = true">',
  "<script>globalThis.hacked = true</script>",
  '"><svg onload=alert(1)>',
  "javascript:alert(1)",
  "${globalThis.hacked = true}",
  "</div></script>",
  "#list > *",
  "a b.c:d[e]",
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "list",
  "\u0001\u007f",
  "\u202e reversed",
  "\u2028\u2029",
  "e\u0301 é",
  "😀",
  " ",
  "0",
];
const IDS = Array.from(
  { length: 200 },
  (_, n) => WORDS[n % WORDS.length] + "'".repeat(Math.floor(n / WORDS.length)),
);

const SCRIPT = `
  globalThis.client = new SHAREDSTATE.SharedStateClient("ws://127.0.0.1:PORT");
  globalThis.ds = client.acquire("/app/mitems/c")[1];
  const rows = (id) => document.querySelectorAll("#" + id + " > .list-item");
  globalThis.texts = (id) => [...rows(id)].map((row) => row.querySelector("span").textContent);
  globalThis.row = (id, n) => rows(id)[n];
  addEventListener("DOMContentLoaded", () => {
    const find = (id) => document.getElementById(id);
    globalThis.viewer = new SHAREDSTATE.DatasetViewer(ds, find("list"), {delete: true});
    new SHAREDSTATE.DatasetViewer(ds, find("texts"), {toString: (item) => item.text});
  });
`;

/** Pages and the server's own bundle on one origin, so that the policy can say 'self'. */
async function serve(port) {
  const files = {
    "/": ["text/html", await readFile(new URL("viewer.html", import.meta.url))],
    "/viewer.js": ["text/javascript", SCRIPT.replace("PORT", port)],
    "/libs/sharedstate.iife.min.js": [
      "text/javascript",
      await readFile(new URL("../../libs/sharedstate.iife.min.js", import.meta.url)),
    ],
  };
  const server = createServer((request, response) => {
    const [type, content] = files[request.url] ?? ["text/plain", ""];
    response.writeHead(content === "" ? 204 : 200, {
      "content-type": `${type}; charset=utf-8`,
      "content-security-policy": POLICY,
    });
    response.end(content);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return { url: `http://127.0.0.1:${server.address().port}/`, close: () => server.close() };
}

await scenario(async ({ server, open }) => {
  const site = await serve(server.port);
  const { page } = await open(site.url);
  await page.evaluate((ids) => ds.update({ insert: ids.map((id) => ({ id, text: id })) }), IDS);
  const texts = (id) => page.evaluate((id) => texts(id), id);
  assert.deepEqual(await texts("texts"), IDS, "all are shown, in order, as they are");
  assert.deepEqual(
    await texts("list"),
    IDS.map((id) => JSON.stringify({ id, text: id })),
  );
  assert.equal(
    await page.evaluate(
      () => document.querySelectorAll("#list img, #list svg, #list script").length,
    ),
    0,
  );

  // An item that changes keeps its element; one that is inserted anew goes to the end; the focus stays.
  await page.evaluate(() => {
    globalThis.kept = row("list", 1);
    row("list", 2).querySelector("button").focus();
  });
  await page.evaluate(
    ([first, second]) =>
      ds.update({ remove: [first], insert: [{ id: first }, { id: second, text: "<b>" }] }),
    IDS,
  );
  assert.equal(await page.evaluate(() => row("list", 0) === kept), true);
  assert.deepEqual(await texts("texts"), ["<b>", ...IDS.slice(2), "undefined"]);
  assert.equal(
    await page.evaluate(() => document.activeElement === row("list", 1).querySelector("button")),
    true,
  );

  // A filter is asked for as JSON; what is shown stays until what it asks for has come, and one that is refused says why.
  await page.evaluate(() => viewer.close());
  await page.evaluate(() => {
    globalThis.viewer = new SHAREDSTATE.DatasetViewer(ds, document.getElementById("list"), {
      delete: true,
      filter: client,
    });
  });
  const field = page.locator(".list-filter");
  const filter = async (text) => {
    await field.fill(text);
    await field.press("Enter");
  };
  const count = async (number) =>
    until(async () => (await texts("list")).length === number, `${number} rows`);
  await filter('{"text": {"prefix": "<"}}');
  await count(IDS.filter((id, n) => n > 1 && id.startsWith("<")).length + 1);
  const shown = await texts("list");
  for (const wrong of ['{"text": {"near": 1}}', "{text: 1}"]) {
    await filter(wrong);
    await until(() => field.evaluate((input) => !input.checkValidity()), `no to ${wrong}`);
    assert.deepEqual(await texts("list"), shown);
  }
  await filter("");
  await count(IDS.length);
  assert.equal(await field.evaluate((input) => input.checkValidity()), true);
  await page.evaluate(() => row("list", 1).querySelector("button").focus());

  // With the keyboard alone, every one is deleted; the focus goes on to the next.
  for (let left = IDS.length; left > 1; left--) {
    await page.keyboard.press(left % 2 ? "Enter" : "Space");
    await until(async () => (await texts("list")).length === left - 1, `${left - 1} rows`);
  }
  await page.evaluate(() => row("list", 0).querySelector("button").click());
  await until(async () => (await texts("list")).length === 0, "an empty list");
  assert.equal(await page.evaluate(() => ds.size), 0);

  await page.evaluate(() => viewer.close());
  assert.equal(await field.count(), 0);
  await page.evaluate(() => ds.update({ insert: [{ id: "a" }] }));
  assert.deepEqual(await texts("list"), []);
  assert.equal(await page.evaluate(() => globalThis.hacked), undefined);
  site.close();
});
