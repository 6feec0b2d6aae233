/** What the bridges to frameworks show of a collection that is refused at first; without a page, so not React. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createCollection } from "@tanstack/db";
import { effectScope, watch } from "vue";
import * as svelte from "../src/svelte.js";
import { collection_options } from "../src/tanstack.js";
import * as vue from "../src/vue.js";
import { SharedStateClient } from "../src/index.js";
import { C, FakeWebSocket, reply, turn } from "./support.js";

/** @import { Loading } from "../src/loading.js" */

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** Refuse the subscription that was asked for. @param {string} [code] */
function refuse(code = "forbidden") {
  const { tunnel } = FakeWebSocket.last.sent.pop();
  FakeWebSocket.last.say(reply(tunnel, [], { errors: [[C, { code, message: "no" }]] }));
}

/** @typedef {{seen: unknown[], end: () => unknown}} Shown what was shown, state by state */

/** @param {Loading} state */
const brief = ({ loading, error }) => error?.code ?? (loading ? "loading" : "loaded");

/** @type {Record<string, (client: SharedStateClient) => Shown>} */
const BRIDGES = {
  Vue(client) {
    const scope = effectScope();
    /** @type {unknown[]} */
    const seen = [];
    scope.run(() => {
      const [, , state] = vue.useCollection(client, C);
      watch(state, (now) => seen.push(brief(now)), { immediate: true, flush: "sync" });
    });
    return { seen, end: () => scope.stop() };
  },
  Svelte(client) {
    /** @type {unknown[]} */
    const seen = [];
    const end = svelte.loading(client, C).subscribe((now) => seen.push(brief(now)));
    return { seen, end };
  },
};

for (const [name, show] of Object.entries(BRIDGES))
  describe(name, () => {
    test("a refusal goes when the empty collection is there after all", async () => {
      const reported = /** @type {unknown[]} */ ([]);
      const client = new SharedStateClient("ws://host:1", {
        WebSocket: FakeWebSocket,
        on_error: (error) => reported.push(error),
      });
      const { seen, end } = show(client);
      FakeWebSocket.last.open();
      refuse();
      await turn();
      assert.deepEqual(seen.splice(0), ["loading", "forbidden"]);
      client.acquire(C);
      await turn();
      assert.deepEqual(seen.splice(0), ["loading"], "the server is asked once more");
      refuse("no_service");
      await turn();
      assert.deepEqual(seen.splice(0), ["no_service"]);
      client.acquire(C);
      FakeWebSocket.last.serve();
      await turn();
      assert.equal(seen.pop(), "loaded");
      assert.deepEqual(reported, [], "it was shown");
      end();
      client.close();
    });

    test("a refusal goes with the next connection", async (t) => {
      t.mock.timers.enable({ apis: ["setTimeout"] });
      const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket });
      const { seen, end } = show(client);
      FakeWebSocket.last.open();
      refuse();
      await turn();
      FakeWebSocket.last.drop();
      t.mock.timers.tick(20_000);
      FakeWebSocket.last.open().serve();
      await turn();
      assert.deepEqual(seen, ["loading", "forbidden", "loaded"], "without a step back");
      end();
      client.close();
    });

    test("who connects again after he was sent away loads again", async () => {
      const client = new SharedStateClient("ws://host:1", {
        WebSocket: FakeWebSocket,
        on_error() {},
      });
      const { seen, end } = show(client);
      FakeWebSocket.last.open().onclose?.({ code: 4403, reason: "no" });
      await turn();
      client.connect();
      await turn();
      FakeWebSocket.last.open().serve();
      await turn();
      assert.deepEqual(seen, ["loading", "sent_away", "loading", "loaded"]);
      end();
      client.close();
    });

    test("what has ended shows nothing any more", async () => {
      const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket });
      client.acquire(C);
      const { seen, end } = show(client);
      FakeWebSocket.last.open();
      refuse();
      end();
      client.acquire(C);
      FakeWebSocket.last.serve();
      await turn();
      assert.deepEqual(seen, ["loading"]);
      client.close();
    });
  });

test("TanStack DB: a collection that was refused is ready when it is there after all", async () => {
  const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket });
  const collection = createCollection(collection_options(client, C));
  collection.startSyncImmediate();
  FakeWebSocket.last.open();
  refuse();
  await turn();
  assert.equal(collection.status, "error");
  client.acquire(C);
  FakeWebSocket.last.serve();
  await turn();
  assert.equal(collection.status, "ready");
  await collection.cleanup();
  client.close();
});
