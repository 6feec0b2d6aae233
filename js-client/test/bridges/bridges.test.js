/** What the bridges to frameworks show of a refusal and of the status; without a page, so not React. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { createCollection } from "@tanstack/db";
import { createSSRApp, effectScope, h, watch } from "vue";
import { renderToString } from "vue/server-renderer";
import * as svelte from "../../src/bridges/svelte.js";
import { collection_options } from "../../src/bridges/tanstack.js";
import * as vue from "../../src/bridges/vue.js";
import { C, FakeWebSocket, in_a_page, make, make_timed, reply, turn } from "../support.js";

/** @import { SharedStateClient } from "../../src/index.js" */
/** @import { Loading } from "../../src/bridges/loading.js" */

beforeEach(() => {
  FakeWebSocket.made = [];
});

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
    in_a_page();

    test("a refusal goes when the empty collection is there after all", async () => {
      const { client, reported } = make();
      const { seen, end } = show(client);
      await turn();
      FakeWebSocket.last.open().refuse();
      await turn();
      assert.deepEqual(seen.splice(0), ["loading", "forbidden"]);
      client.acquire(C);
      await turn();
      assert.deepEqual(seen.splice(0), ["loading"], "the server is asked once more");
      FakeWebSocket.last.refuse("no_service");
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
      const { client } = make_timed(t);
      const { seen, end } = show(client);
      await turn();
      FakeWebSocket.last.open().refuse();
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
      const { client } = make();
      const { seen, end } = show(client);
      await turn();
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
      const { client } = make();
      client.acquire(C);
      const { seen, end } = show(client);
      await turn();
      FakeWebSocket.last.open().refuse();
      end();
      client.acquire(C);
      FakeWebSocket.last.serve();
      await turn();
      assert.deepEqual(seen, ["loading"]);
      client.close();
    });
  });

test("TanStack DB: a collection that was refused is ready when it is there after all", async () => {
  const { client } = make();
  const collection = createCollection(collection_options(client, C));
  collection.startSyncImmediate();
  FakeWebSocket.last.open().refuse();
  await turn();
  assert.equal(collection.status, "error");
  client.acquire(C);
  FakeWebSocket.last.serve();
  await turn();
  assert.equal(collection.status, "ready");
  await collection.cleanup();
  client.close();
});

describe("the status", () => {
  in_a_page();

  function connected() {
    const { client } = make();
    client.connect();
    FakeWebSocket.last.open();
    return client;
  }

  test("Vue: a server renders it constant, and leaves nothing behind", async (t) => {
    const client = connected();
    const add = t.mock.method(client, "add_status_callback");
    const setup = () => {
      const status = vue.useStatus(client);
      return () => h("p", status.value);
    };
    assert.equal(await renderToString(createSSRApp({ setup })), "<p>idle</p>");
    assert.equal(add.mock.callCount(), 0);
    client.close();
  });

  test("Vue: outside of components it is what it is, until its scope ends", () => {
    const client = connected();
    const scope = effectScope();
    const status = scope.run(() => vue.useStatus(client));
    assert.equal(status?.value, "connected");
    FakeWebSocket.last.drop();
    assert.equal(status?.value, "reconnecting");
    scope.stop();
    client.close();
    assert.equal(status?.value, "reconnecting");
  });

  test("Svelte: it is constant first, and then what it is, as long as somebody subscribes", async () => {
    const client = connected();
    const seen = /** @type {string[]} */ ([]);
    const end = svelte.status(client).subscribe((status) => seen.push(status));
    assert.deepEqual(seen, ["idle"]);
    await turn();
    FakeWebSocket.last.drop();
    assert.deepEqual(seen.splice(0), ["idle", "connected", "reconnecting"]);
    end();
    svelte.status(client).subscribe((status) => seen.push(status))(); // as a server does
    client.close();
    await turn();
    assert.deepEqual(seen, ["idle"]);
  });
});

describe("the user", () => {
  in_a_page();

  /** @param {SharedStateClient} client @param {object | null} user */
  function identify(client, user) {
    client.connect();
    const socket = FakeWebSocket.last;
    socket.say(reply(socket.sessions[0].tunnel, { user, expires: null }));
  }

  test("Vue and Svelte: nobody first, and then whoever it is", async () => {
    const { client } = make({ token: "abc" });
    client.connect();
    FakeWebSocket.last.open();
    const scope = effectScope();
    const in_vue = scope.run(() => vue.useUser(client));
    const seen = /** @type {unknown[]} */ ([]);
    const end = svelte.user(client).subscribe((user) => seen.push(user));
    await turn();
    assert.equal(in_vue?.value, null);
    identify(client, { id: "ann" });
    assert.deepEqual(in_vue?.value, { id: "ann" });
    assert.deepEqual(seen, [null, { id: "ann" }]);
    end();
    scope.stop();
    client.close();
  });
});
