/**
 * The JavaScript client under remote control: one JSON command a line comes in, one JSON answer a line goes out.
 *
 * Arguments: URL of the server, path of a collection.
 */

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { SharedStateClient } from "../../js-client/src/index.js";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");

const [url, path] = process.argv.slice(2);
const client = new SharedStateClient(url, { WebSocket });
const [, ds] = client.acquire(path);
await ds.ready;

/** Raise a counter, as often as it takes: an update counts only if nobody was faster. */
async function raise() {
  let seen = { epoch: "none", version: 0 };
  for (;;) {
    const items = await client.get(path); // read at `seen` or later; if later, the update is refused
    const count = (items.find(({ id }) => id === "n")?.count ?? 0) + 1;
    try {
      return await ds.update({ insert: [{ id: "n", count }], if: seen });
    } catch (error) {
      if (error.code !== "conflict") throw error;
      seen = { epoch: error.epoch, version: error.version };
    }
  }
}

const commands = {
  items: async () => ds.get_items(),
  update: async ({ changes }) => ds.update(changes),
  raise: async ({ rounds }) => {
    for (let round = 0; round < rounds; round++) await raise();
    return null;
  },
};

for await (const line of createInterface(process.stdin)) {
  const command = JSON.parse(line);
  console.log(JSON.stringify(await commands[command.do](command)));
}
client.close();
