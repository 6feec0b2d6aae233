/** The soak's clients in Node, in a process of their own, so that its heap is theirs: does what it is told by messages. */

import { createRequire } from "node:module";
import { SharedStateClient } from "../../js-client/src/index.js";
import { Writer, ending } from "./soak_writer.mjs";

const { WebSocket } = createRequire(new URL("../../js-client/package.json", import.meta.url))("ws");
const writers = [];

const CALLS = {
  begin: (number, [url, where]) => {
    writers[number] = new Writer(SharedStateClient, url, { WebSocket }, where);
  },
  stop: (number) => writers[number].stop(),
  books: (number) => writers[number].books(),
  copies: (number) => writers[number].copies(),
  subscriptions: (number) => ending(writers[number]),
  heap: () => {
    globalThis.gc();
    return process.memoryUsage().heapUsed;
  },
  close: () => {
    for (const { client } of writers) client.close();
    // Nothing is left that would keep this process.
    process.disconnect();
  },
};

process.on("message", async ({ call, kind, number, rest }) => {
  const result = await CALLS[kind](number, rest);
  if (process.connected) process.send({ call, result });
});
