/** A hundred thousand items, in a page and in a worker: all arrive, and one that changes arrives alone. */

import assert from "node:assert/strict";
import { scenario, serve_pages } from "./support.mjs";

const MANY = 100_000;
const AT_ONCE = 20_000;

await scenario(async ({ server, open }) => {
  const site = await serve_pages({ "/": "<!doctype html><meta charset='utf-8'>" });
  const libs = `http://127.0.0.1:${server.port}/libs/sharedstate.es.min.js`;
  const address = `ws://127.0.0.1:${server.port}`;
  const { page } = await open(site.url);

  // The worker answers with how much it holds, each time that it changes.
  await page.evaluate(
    ([libs, address]) => {
      const source = `
        import { SharedStateClient } from "${libs}";
        const [, ds] = new SharedStateClient("${address}").acquire("/app/mitems/many");
        ds.add_callback((diffs) =>
          postMessage({ size: ds.size, diffs: diffs.length, last: ds.get_item("0")?.n }));`;
      const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
      globalThis.heard = [];
      globalThis.worker = new Worker(url, { type: "module" });
      worker.onmessage = ({ data }) => heard.push(data);
      worker.onerror = (event) => console.error(String(event.message));
    },
    [libs, address],
  );
  const seen = await page.evaluate(
    async ([libs, address, many, at_once]) => {
      const { SharedStateClient } = await import(libs);
      const client = new SharedStateClient(address);
      for (let first = 0; first < many; first += at_once) {
        const insert = Array.from({ length: at_once }, (_, n) => ({ id: `${first + n}`, n }));
        await client.update("/app/mitems/many", { insert });
      }
      const [, ds] = client.acquire("/app/mitems/many");
      await ds.ready;
      const { snapshot } = ds;
      const diffs = [];
      ds.subscribe((change) => diffs.push(change));
      await ds.update({ insert: [{ id: "0", n: -1 }] });
      const kept = ds.snapshot.filter((item, n) => item === snapshot[n]).length;
      return { size: snapshot.length, last: snapshot.at(-1).id, diffs, kept };
    },
    [libs, address, MANY, AT_ONCE],
  );
  assert.deepEqual(seen, {
    size: MANY,
    last: `${MANY - 1}`,
    diffs: [[{ id: "0", new: { id: "0", n: -1 }, old: { id: "0", n: 0 } }]],
    kept: MANY - 1,
  });
  await page.waitForFunction(
    (many) => heard.at(-1)?.last === -1 && heard.at(-1).size === many,
    MANY,
  );
  assert.equal((await page.evaluate(() => heard.at(-1))).diffs, 1);
  site.close();
});
