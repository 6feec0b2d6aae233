/** Vue and Svelte where a server renders. That a page hydrates it is in tests/browser/bridges.mjs. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { compile } from "svelte/compiler";
import { render } from "svelte/server";
import { createSSRApp, h } from "vue";
import { renderToString } from "vue/server-renderer";
import * as svelte from "../../src/bridges/svelte.js";
import * as vue from "../../src/bridges/vue.js";
import { C, FakeWebSocket, synced, turn, with_code } from "../support.js";

/** @import { Dataset, SharedStateClient } from "../../src/index.js" */
/** @import { Initially } from "../../src/bridges/loading.js" */

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @typedef {Initially<{id: string}> | undefined} Options */

const INITIAL = Object.freeze([{ id: "initial" }]);
const ids = (/** @type {readonly {id: string}[]} */ items) => items.map(({ id }) => id).join();

const PAGE = `
  <script>let {items, all, state, status, fail = () => ""} = $props();</script>
  {$items.map(({id}) => id)}|{$all.map(({id}) => id)}|{$state.loading}|{$status}{fail()}`;

/**
 * Compiled as for a server.
 *
 * @param {string} source
 */
async function server_component(source) {
  const { code } = compile(source, { generate: "server" }).js;
  const runtime = import.meta.resolve("svelte/internal/server");
  const resolved = code.replaceAll("'svelte/internal/server'", JSON.stringify(runtime));
  return (await import(`data:text/javascript,${encodeURIComponent(resolved)}`)).default;
}

/**
 * What a server renders: the items of a dataset, those of a collection, whether these are loading, the status.
 *
 * @typedef {(client: SharedStateClient, ds: Dataset<any> | undefined, options: Options, fail?: () => string) => Promise<string>} Rendered
 */

/** @type {Record<string, Rendered>} */
const SERVERS = {
  async Vue(client, ds, options, fail = () => "") {
    const setup = async () => {
      const items = vue.useItems(ds, options);
      const [all, own, state] = vue.useCollection(client, C, options);
      const status = vue.useStatus(client);
      assert.equal(own.value, undefined);
      await null;
      fail();
      return () =>
        h("p", [ids(items.value), ids(all.value), state.value.loading, status.value].join("|"));
    };
    return await renderToString(createSSRApp({ setup }));
  },
  async Svelte(client, ds, options, fail) {
    const props = {
      items: svelte.items(ds, options),
      all: svelte.collection(client, C, options),
      state: svelte.loading(client, C),
      status: svelte.status(client),
      fail,
    };
    return (await render(await server_component(PAGE), { props })).body;
  },
};

for (const [name, rendered] of Object.entries(SERVERS))
  describe(`${name}, on a server`, () => {
    /**
     * A client that has the collection already, and a check that nothing was asked of it since.
     *
     * @param {import("node:test").TestContext} t
     */
    function in_memory(t) {
      const { client, ds } = synced([{ id: "in memory" }]);
      const mocks = [
        t.mock.method(client, "acquire"),
        t.mock.method(client, "add_status_callback"),
        t.mock.method(ds, "subscribe"),
      ];
      const untouched = async () => {
        await turn();
        assert.deepEqual(
          mocks.map((mock) => mock.mock.callCount()),
          [0, 0, 0],
        );
        client.close();
      };
      return { client, ds, untouched };
    }

    test("what is shown does not depend on what is in memory, and nothing is left behind", async (t) => {
      const { client, ds, untouched } = in_memory(t);
      assert.match(await rendered(client, ds, undefined), /(?:>|^|\s)\|\|true\|idle(?:<|$|\s)/);
      await untouched();
    });

    test("the initial items are shown, with and without a dataset", async (t) => {
      const { client, ds, untouched } = in_memory(t);
      for (const each of [ds, undefined])
        assert.match(
          await rendered(client, each, { initial: INITIAL }),
          /initial\|initial\|true\|idle/,
        );
      await untouched();
    });

    test("nothing is left behind by a component that fails", async (t) => {
      const { client, ds, untouched } = in_memory(t);
      const fail = () => {
        throw new Error("in the middle");
      };
      await assert.rejects(rendered(client, ds, undefined, fail), /in the middle/);
      await untouched();
    });

    test("a path that is none is refused at once", async (t) => {
      const { client, untouched } = in_memory(t);
      if (name === "Svelte") {
        assert.throws(() => svelte.collection(client, "/c"), with_code("bad_path"));
        assert.throws(() => svelte.loading(client, "/c"), with_code("bad_path"));
      } else {
        assert.throws(() => vue.useCollection(client, "/c"), with_code("bad_path"));
      }
      await untouched();
    });
  });
