/** Initial items in Vue and Svelte, in a page: what follows them, and when. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { effectScope, shallowRef, watch } from "vue";
import * as svelte from "../../src/bridges/svelte.js";
import * as vue from "../../src/bridges/vue.js";
import { C, FakeWebSocket, in_a_page, make, synced, turn } from "../support.js";

/** @import { Dataset, SharedStateClient } from "../../src/index.js" */
/** @import { Initially } from "../../src/bridges/loading.js" */

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @typedef {Initially<{id: string}> | undefined} Options */

const INITIAL = Object.freeze([{ id: "initial" }]);
const ids = (/** @type {readonly {id: string}[]} */ items) => items.map(({ id }) => id).join();

/** @typedef {{seen: string[], end: () => unknown}} Shown the ids that were shown, list by list */

/**
 * @typedef {object} Bridge
 * @property {(client: SharedStateClient, options: Options) => Shown} collection
 * @property {(ds: Dataset<any> | undefined, options: Options) => Shown} items
 */

/** @type {Record<string, Bridge>} */
const PAGES = {
  Vue: {
    collection: (client, options) => in_scope(() => vue.useCollection(client, C, options)[0]),
    items: (ds, options) => in_scope(() => vue.useItems(ds, options)),
  },
  Svelte: {
    collection: (client, options) => subscribed(svelte.collection(client, C, options)),
    items: (ds, options) => subscribed(svelte.items(ds, options)),
  },
};

/** @param {() => import("vue").Ref<readonly any[]>} use @returns {Shown} */
function in_scope(use) {
  const seen = /** @type {string[]} */ ([]);
  const scope = effectScope();
  scope.run(() => watch(use(), (now) => seen.push(ids(now)), { immediate: true, flush: "sync" }));
  return { seen, end: () => scope.stop() };
}

/** @param {import("../../src/bridges/svelte.js").Readable<readonly any[]>} store @returns {Shown} */
function subscribed(store) {
  const seen = /** @type {string[]} */ ([]);
  return { seen, end: store.subscribe((now) => seen.push(ids(now))) };
}

for (const [name, show] of Object.entries(PAGES))
  describe(`${name}, in a page`, () => {
    in_a_page();

    for (const [what, items, shown] of /** @type {[string, {id: string}[], string][]} */ ([
      ["there are others", [{ id: "a" }, { id: "b" }], "a,b"],
      ["there are none", [], ""],
    ]))
      test(`initial items stay until ${what}`, async () => {
        const { client } = make();
        const { seen, end } = show.collection(client, { initial: INITIAL });
        await turn();
        FakeWebSocket.last.open();
        assert.deepEqual(seen, ["initial"]);
        FakeWebSocket.last.serve(items);
        await turn();
        assert.deepEqual(seen, ["initial", shown], "nothing twice, nothing in between");
        end();
        client.close();
      });

    test("initial items go with a refusal", async () => {
      const { client } = make();
      const { seen, end } = show.collection(client, { initial: INITIAL });
      await turn();
      FakeWebSocket.last.open().refuse();
      await turn();
      assert.deepEqual(seen, ["initial", ""]);
      end();
      client.close();
    });

    test("a collection is released at the end", async (t) => {
      const { client, change, handle } = synced([{ id: "a" }]);
      const release = t.mock.method(client, "release");
      const { seen, end } = show.collection(client, undefined);
      await turn();
      change({ insert: [{ id: "b" }] });
      assert.equal(seen.at(-1), "a,b");
      end();
      assert.equal(release.mock.callCount(), 1);
      change({ insert: [{ id: "c" }] });
      assert.equal(seen.at(-1), "a,b");
      client.release(handle);
      assert.deepEqual(FakeWebSocket.last.sent.at(-1)?.arg.remove, [C], "nobody has it any more");
      client.close();
    });

    test("the items of a dataset are those in memory, until the end", async () => {
      const { client, ds, change } = synced([{ id: "a" }]);
      const { seen, end } = show.items(ds, { initial: INITIAL });
      await turn();
      change({ insert: [{ id: "b" }] });
      assert.deepEqual(seen.slice(-2), ["a", "a,b"]);
      end();
      change({ insert: [{ id: "c" }] });
      assert.equal(seen.at(-1), "a,b");
      client.close();
    });

    test("without a dataset the initial items are shown", async () => {
      const { seen, end } = show.items(undefined, { initial: INITIAL });
      await turn();
      end();
      assert.deepEqual(seen, ["initial"]);
    });
  });

test("Vue: the dataset may come, go and be another one", () => {
  const { client, ds, change } = synced([{ id: "a" }]);
  const current = shallowRef(/** @type {Dataset<any> | undefined} */ (undefined));
  for (const source of [current, () => current.value]) {
    current.value = undefined;
    const { seen, end } = in_scope(() => vue.useItems(source, { initial: INITIAL }));
    current.value = ds;
    current.value = undefined;
    change({ insert: [{ id: "a" }] });
    end();
    assert.deepEqual(seen, ["initial", "a", "initial"]);
  }
  client.close();
});

test("Vue: outside of components a collection is acquired at once", () => {
  const { client, ds } = synced([{ id: "a" }]);
  const scope = effectScope();
  const [items, own] = scope.run(() => vue.useCollection(client, C)) ?? [];
  assert.equal(own?.value, ds);
  assert.equal(items?.value, ds.snapshot);
  scope.stop();
  client.close();
});

describe("Svelte, whoever subscribes", () => {
  in_a_page();

  test("each subscriber hears the initial items first, though there are others", async () => {
    const { client, ds } = synced([{ id: "a" }]);
    for (const store of [
      svelte.collection(client, C, { initial: INITIAL }),
      svelte.items(ds, { initial: INITIAL }),
    ]) {
      const one = subscribed(store);
      assert.deepEqual(one.seen, ["initial"]);
      await turn();
      const other = subscribed(store);
      assert.deepEqual(other.seen, ["initial"]);
      await turn();
      assert.deepEqual([one.seen, other.seen], Array(2).fill(["initial", "a"]));
      one.end();
      other.end();
    }
    client.close();
  });

  test("who ends at once, or when he hears the second value, leaves nothing behind", async (t) => {
    const { client } = synced([{ id: "a" }]);
    const acquire = t.mock.method(client, "acquire");
    const release = t.mock.method(client, "release");
    const store = svelte.collection(client, C);
    store.subscribe(() => {})();
    await turn();
    assert.equal(acquire.mock.callCount(), 0);
    const end = store.subscribe((items) => items.length && end());
    await turn();
    assert.deepEqual([acquire.mock.callCount(), release.mock.callCount()], [1, 1]);
    client.close();
  });
});
