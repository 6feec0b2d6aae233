/** What the bridges show of a part of a collection, and while another part is chosen; React is tried in a browser. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { writable } from "svelte/store";
import { effectScope, nextTick, ref } from "vue";
import { Follower, NOTHING } from "../../src/bridges/loading.js";
import * as svelte from "../../src/bridges/svelte.js";
import * as vue from "../../src/bridges/vue.js";
import { C, FakeWebSocket, in_a_page, make, reply, turn, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

const ITEMS = ["apple", "apricot", "avocado", "banana"].map((id) => ({ id, of: { deep: [id] } }));

/** @param {any} sub @returns {any[]} what a server has for it, each time made anew */
const matching = ({ where, fields }) =>
  structuredClone(ITEMS)
    .filter(({ id }) => id.startsWith(where?.id.prefix ?? ""))
    .map(({ id, of }) => (fields ? { id } : { id, of }));

/** @param {string} prefix */
const begins = (prefix) => ({ where: { id: { prefix } } });

/** @param {readonly {id: string}[]} items */
const names = (items) => items.map(({ id }) => id).join(" ");

/** A follower of all that begins with "a", in sync. */
async function following(/** @type {any} */ initial = NOTHING) {
  const { client } = make();
  /** @type {[string, string][]} */
  const seen = [];
  const show = () => {
    const [items, , { loading, error }] = follower.current;
    seen.push([names(items), error?.code ?? (loading ? "loading" : "loaded")]);
  };
  /** @type {Follower<any>} */
  const follower = new Follower(client, C, begins("a"), initial, show);
  const socket = FakeWebSocket.last.open().know().serve(matching);
  await turn();
  seen.length = 0;
  return { client, follower, socket, seen };
}

/** Names of the views that are to end, in order. @param {FakeWebSocket} socket */
const removed = (socket) => socket.sent.flatMap(({ arg }) => arg.remove ?? []).length;

describe("what is shown while another part is chosen", () => {
  test("stays until that has come, and what both have stays the same objects", async () => {
    const { follower, socket, seen } = await following();
    const [before, ds] = follower.current;
    follower.choose(begins("ap"));
    await turn();
    assert.equal(follower.current[0], before);
    assert.equal(follower.current[1], ds);
    assert.equal(removed(socket), 0, "what is shown is still kept in sync");
    socket.serve(matching);
    await turn();
    const [after, other] = follower.current;
    assert.notEqual(other, ds);
    assert.equal(names(after), "apple apricot");
    assert.equal(after[0], before[0]);
    assert.equal(after[1], before[1]);
    assert.equal(removed(socket), 1);
    follower.choose(begins("a"));
    socket.serve(matching);
    await turn();
    assert.equal(follower.current[0][0], before[0]);
    assert.deepEqual(seen.at(-1), ["apple apricot avocado", "loaded"]);
    for (const [items] of seen) assert.match(items, /^apple apricot/);
  });

  test("the same in other words is no change", async () => {
    const { follower, socket, seen } = await following();
    follower.choose(begins("a"));
    follower.choose({ last: undefined, where: { id: { prefix: "a" } } });
    await turn();
    assert.deepEqual([socket.sent, seen], [[], []]);
  });

  test("nothing is something, too: the initial items do not come back", async () => {
    const { follower, socket, seen } = await following([{ id: "initial" }]);
    for (const prefix of ["x", "b"]) {
      follower.choose(begins(prefix));
      await turn();
      socket.serve(matching);
      await turn();
    }
    const shown = ["apple apricot avocado", "", "", "banana"];
    assert.deepEqual([...new Set(seen.map(([items]) => items))], [...new Set(shown)]);
    assert.equal(follower.current[0].length, 1);
  });

  test("who changes their mind gets the last one only, and going back costs nothing", async () => {
    const { follower, socket, seen } = await following();
    const [, ds] = follower.current;
    follower.choose(begins("b"));
    follower.choose(begins("ap"));
    assert.equal(removed(socket), 1);
    follower.choose(begins("a"));
    assert.equal(removed(socket), 2);
    await turn();
    assert.equal(follower.current[1], ds);
    assert.deepEqual(seen.at(-1), ["apple apricot avocado", "loaded"]);
    assert.ok(seen.every(([items]) => items === "apple apricot avocado"));
  });

  test("a part that is refused leaves what is shown, and says why", async () => {
    const { follower, socket, seen } = await following();
    follower.choose(begins("b"));
    const { tunnel, arg } = socket.sent.pop();
    const [[path, { view }]] = arg.insert;
    const error = { code: "bad_message", message: "sub.where: no" };
    socket.say(reply(tunnel, [], { errors: [[path, error, view]] }));
    await turn();
    assert.deepEqual(seen.at(-1), ["apple apricot avocado", "bad_message"]);
    follower.choose(begins("b"));
    follower.choose(begins("ap"));
    socket.serve(matching);
    await turn();
    assert.deepEqual(seen.at(-1), ["apple apricot", "loaded"]);
  });

  test("what has ended is released, with what was chosen", async () => {
    const { client, follower, socket, seen } = await following();
    follower.choose(begins("ap"));
    await turn();
    seen.length = 0;
    follower.end();
    assert.equal(removed(socket), 2);
    socket.serve(matching);
    await turn();
    assert.deepEqual(seen, []);
    client.close();
  });
});

describe("Vue", () => {
  in_a_page();

  test("follows what of the filter is a ref or a getter", async () => {
    const { client } = make();
    const prefix = ref("a");
    const fields = ref(/** @type {string[] | undefined} */ (undefined));
    const scope = effectScope();
    const [items, , loading] = /** @type {ReturnType<typeof vue.useCollection>} */ (
      scope.run(() =>
        vue.useCollection(client, C, { where: () => ({ id: { prefix: prefix.value } }), fields }),
      )
    );
    const socket = FakeWebSocket.last.open().know().serve(matching);
    await turn();
    assert.equal(names(items.value), "apple apricot avocado");
    const [apple] = items.value;
    prefix.value = "ap";
    await nextTick();
    assert.equal(names(items.value), "apple apricot avocado");
    assert.equal(loading.value.loading, true);
    socket.serve(matching);
    await turn();
    assert.equal(names(items.value), "apple apricot");
    assert.equal(items.value[0], apple);
    fields.value = [];
    await nextTick();
    socket.serve(matching);
    await turn();
    assert.deepEqual(items.value, [{ id: "apple" }, { id: "apricot" }]);
    scope.stop();
    assert.equal(removed(socket), 2, "the former part, and the last one");
  });

  test("refuses something undefined at once, even on a server", () => {
    const { client } = make();
    const where = () => /** @type {any} */ ({ room: undefined });
    assert.throws(() => vue.useCollection(client, C, { where }), with_code("bad_message"));
  });
});

describe("Svelte", () => {
  in_a_page();

  test("follows what of the filter is a store", async () => {
    const { client } = make();
    const where = writable(begins("a").where);
    /** @type {(readonly {id: string}[])[]} */
    const seen = [];
    /** @type {boolean[]} */
    const loading = [];
    const filter = { where, fields: undefined };
    const ends = [
      svelte.collection(client, C, filter).subscribe((items) => seen.push(items)),
      svelte.loading(client, C, filter).subscribe((state) => loading.push(state.loading)),
    ];
    await turn();
    const socket = FakeWebSocket.last.open().know().serve(matching);
    await turn();
    where.set(begins("ap").where);
    await turn();
    socket.serve(matching);
    await turn();
    assert.deepEqual(seen.map(names), ["", "apple apricot avocado", "apple apricot"]);
    assert.equal(seen[1][0], seen[2][0]);
    assert.deepEqual(loading, [true, false, true, false]);
    for (const end of ends) end();
    assert.equal(removed(socket), 2, "the former part, and the last one");
    where.set(begins("b").where);
    await turn();
    assert.deepEqual(seen.length, 3);
  });

  test("refuses something undefined at once, even on a server", () => {
    const { client } = make();
    const where = /** @type {any} */ ({ room: undefined });
    assert.throws(() => svelte.collection(client, C, { where }), with_code("bad_message"));
  });
});
