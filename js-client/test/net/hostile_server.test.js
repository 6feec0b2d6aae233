/** What a server can cost a client that speaks with it: each of these has a bound. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  C,
  FakeWebSocket,
  at,
  make,
  make_timed,
  notify,
  reply,
  turn,
  with_code,
} from "../support.js";

/** How often a server may break the protocol on one connection, as PROTOCOL.md says. */
const BREACHES = 10;

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("parts that never end", () => {
  const part = notify({ insert: [{ id: "a", text: "x".repeat(200) }], reset: true }, { more: true, ...at("e", 0, 1) }); // prettier-ignore

  test("are refused beyond max_snapshot, and the rest of them is not kept", async (t) => {
    const { client, reported } = make_timed(t, { max_snapshot: 3 * part.length });
    const [, ds] = client.acquire(C);
    const [, other] = client.acquire("/app/items/d");
    const socket = FakeWebSocket.last.open();
    const [{ tunnel }] = socket.sent.splice(0);
    socket.say(
      reply(tunnel, [
        [C, {}],
        ["/app/items/d", {}],
      ]),
    );
    const { ready } = ds;
    for (let n = 0; n < 3; n++) socket.say(part);
    assert.deepEqual(socket.sent, []);
    socket.say(part);
    await assert.rejects(ready, with_code("too_large"));
    const { path, arg } = /** @type {any} */ (socket.sent[0]);
    assert.equal(path, "/subs");
    assert.ok(!JSON.stringify(arg.insert ?? []).includes(C), "the server is told");
    for (let n = 0; n < 100; n++) socket.say(part);
    socket.say(notify({}, at("e", 0, 1)));
    assert.equal(socket.sent.length, 1);
    assert.equal(ds.size, 0);
    assert.equal(client.status, "connected");
    socket.say(notify({ insert: [{ id: "d" }], reset: true }, at("e", 0, 1), "/app/items/d"));
    assert.equal(other.size, 1, "its neighbour is in sync");
    assert.deepEqual(reported, []);
    client.acquire(C);
    assert.equal(socket.sent.length, 2, "asked for again when wanted again");
  });

  test("a snapshot begun anew counts anew", (t) => {
    const { client } = make_timed(t, { max_snapshot: 3 * part.length });
    const [, ds] = client.acquire(C);
    const socket = FakeWebSocket.last.open();
    socket.say(reply(socket.sent[0].tunnel, [[C, {}]]));
    for (const version of [1, 2, 3]) {
      const other = part.replace('"version":1', `"version":${version}`);
      for (let n = 0; n < 3; n++) socket.say(other);
    }
    socket.say(notify({ insert: [{ id: "b" }] }, at("e", 0, 3)));
    assert.deepEqual(
      ds.get_items().map(({ id }) => id),
      ["a", "b"],
    );
  });
});

describe("a server that breaks the protocol", () => {
  /** What it may do, time and again: each can be mended. @type {Record<string, string>} */
  const breaches = {
    "a change that does not follow": notify({ remove: ["a"] }, at("e", 7, 8)),
    "a change that cannot be read": notify({ insert: [7] }, at("e", 1, 2)),
  };
  for (const [name, breach] of Object.entries(breaches))
    test(`${name}: asked anew a few times, then hung up on`, (t) => {
      const { client, reported } = make_timed(t);
      client.acquire(C);
      const socket = FakeWebSocket.last.open().serve();
      for (let n = 0; n < BREACHES; n++) {
        socket.say(breach);
        assert.equal(socket.sent.length, 2, "unsubscribed, subscribed");
        socket.serve([{ id: "a" }]);
      }
      assert.equal(client.status, "connected");
      socket.say(breach);
      assert.equal(client.status, "reconnecting");
      assert.equal(socket.closed, true);
      assert.equal(socket.sent.length, 0);
      const told = reported.length;
      for (let n = 0; n < 100; n++) socket.say(breach);
      assert.equal(reported.length, told, "nobody listens");
      assert.equal(reported.at(-1).code, "bad_message");
      t.mock.timers.tick(250);
      FakeWebSocket.last.open().serve().say(breach);
      assert.equal(client.status, "connected", "counted anew");
    });

  test("on_error is called so often and no oftener, and pauses grow", (t) => {
    const { client, reported } = make_timed(t);
    client.acquire(C);
    const stray = notify({ insert: [7] }, {}, "/app/items/nobody's");
    for (const pause of [250, 500, 1000]) {
      const { length } = reported;
      const socket = FakeWebSocket.last.open().serve();
      for (let n = 0; n < 1000; n++) socket.say(stray);
      assert.equal(reported.length, length + BREACHES + 1);
      assert.equal((client.next_attempt ?? 0) - Date.now(), pause);
      t.mock.timers.tick(pause);
    }
  });

  for (const text of ["{", "[]", '{"type":"MESSAGE","cmd":"NOTIFY","path":7}'])
    test(`${text}: nobody knows whom it was for, so nothing waits for it`, async (t) => {
      const { client, reported } = make_timed(t);
      client.connect();
      const socket = FakeWebSocket.last.open();
      const update = client.update(C, {});
      socket.say(text).say(text);
      await assert.rejects(update, with_code("connection_lost"));
      assert.deepEqual(
        reported.map(({ code }) => code),
        ["bad_message"],
      );
      assert.equal(client.status, "reconnecting");
      assert.notEqual(client.next_attempt, undefined);
    });
});

describe("a server that does not answer", () => {
  /** @param {import("node:test").TestContext} t @param {object} [options] */
  function watched(t, options) {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    t.mock.method(Math, "random", () => 1);
    return make(options);
  }

  /** A sign of life for so many ticks of 10 s. @param {any} t @param {number} ticks */
  function alive(t, ticks) {
    for (let n = 0; n < ticks; n++) {
      FakeWebSocket.last.say("{}");
      t.mock.timers.tick(10_000);
    }
  }

  test("a request: the connection counts as dead after 120 s", async (t) => {
    const { client, reported } = watched(t);
    client.connect();
    FakeWebSocket.last.open();
    alive(t, 50);
    assert.equal(client.status, "connected", "nothing was asked");
    const update = client.update(C, {});
    alive(t, 12);
    assert.equal(client.status, "connected");
    client.update(C, {});
    alive(t, 1);
    assert.equal(client.status, "reconnecting");
    assert.equal(FakeWebSocket.made[0].closed, true);
    await assert.rejects(update, with_code("connection_lost"));
    assert.deepEqual(
      reported.map(({ message }) => message),
      ["no answer in time"],
    );
    t.mock.timers.tick(250);
    FakeWebSocket.last.open();
    const answered = client.update(C, {});
    alive(t, 12);
    FakeWebSocket.last.say(reply(FakeWebSocket.last.sent.at(-1).tunnel, 0));
    assert.equal(await answered, 0);
    alive(t, 50);
    assert.equal(client.status, "connected");
  });

  test("a subscription likewise; a snapshot may take as long as it takes", async (t) => {
    const { client } = watched(t);
    client.acquire(C);
    FakeWebSocket.last.open();
    alive(t, 13);
    assert.equal(client.status, "reconnecting");
    t.mock.timers.tick(250);
    const socket = FakeWebSocket.last.open();
    alive(t, 12);
    socket.say(reply(socket.sent[0].tunnel, [[C, {}]]));
    alive(t, 50);
    assert.equal(client.status, "connected");
  });

  test("what waits to be sent does not count", async (t) => {
    const { client } = watched(t);
    client.update(C, {});
    for (let n = 0; n < 5; n++) {
      t.mock.timers.tick(30_000);
      t.mock.timers.tick(20_000);
    }
    FakeWebSocket.last.open();
    alive(t, 12);
    assert.equal(client.status, "connected");
    await turn();
  });

  test("is noticed sooner or never, as asked", (t) => {
    for (const [options, ticks] of /** @type {[object, number][]} */ ([
      [{ answer_timeout: 20 }, 3],
      [{ answer_timeout: 0.001 }, 2],
      [{ answer_timeout: Infinity }, Infinity],
    ])) {
      const { client } = watched(t, options);
      client.update(C, {});
      FakeWebSocket.last.open();
      alive(t, Math.min(ticks, 1000) - 1);
      assert.equal(client.status, "connected");
      alive(t, 1);
      assert.equal(client.status, ticks === Infinity ? "connected" : "reconnecting");
      client.close();
      t.mock.timers.reset();
      t.mock.restoreAll();
    }
  });
});
