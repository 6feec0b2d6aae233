/** A page with one client and one dataset, and what it is waited for. */

import { WATCH } from "./engines.mjs";
import { until } from "./support.mjs";

/**
 * The page, with `client`, its `statuses` so far, and the dataset `ds`.
 *
 * @param {string} url the server's, `http:` or `https:`; the page may come from elsewhere
 */
export function application(url, path = "/app/items/engines") {
  return `<!DOCTYPE html><meta charset="utf-8"><title>An application</title>${WATCH}
    <script type="module">
      import { SharedStateClient } from "${url}/libs/sharedstate.es.js";
      globalThis.client = new SharedStateClient("${url.replace("http", "ws")}");
      globalThis.statuses = [];
      client.add_status_callback((status) => statuses.push(status));
      [, globalThis.ds] = client.acquire("${path}");
    </script>`;
}

/** Wait until the page has its content, and is connected. */
export function ready(page) {
  return until(
    () =>
      page.evaluate(() =>
        globalThis.ds?.ready.then(() => client.status === "connected"),
      ),
    "the page to be ready",
  );
}

/** Wait until the page holds these items, `[id, n]` each, in this order. */
export function holds(page, items) {
  const found = () =>
    page.evaluate(() => ds.get_items().map(({ id, n }) => [id, n]));
  const wanted = JSON.stringify(items);
  return until(
    async () => JSON.stringify(await found()) === wanted,
    wanted.slice(0, 200),
  );
}
