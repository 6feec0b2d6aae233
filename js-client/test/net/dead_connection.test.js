/** A connection without a sign of life, and a client that gives up. */

import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { SharedStateClient } from "../../src/index.js";
import { C, FakeWebSocket, make, make_timed, patch, reply, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("a dead connection", () => {
  /** @param {import("node:test").TestContext} t @param {object} [options] */
  function watched(t, options) {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    t.mock.method(Math, "random", () => 1);
    const { client } = make(options);
    const [, ds] = client.acquire(C);
    return { client, ds };
  }

  test("is asked for a sign of life, then given up", async (t) => {
    const { client, ds } = watched(t);
    const socket = FakeWebSocket.last.open().serve([{ id: "a" }]);
    t.mock.timers.tick(10_000);
    assert.equal(socket.sent.length, 0);
    t.mock.timers.tick(10_000);
    const { path, tunnel } = socket.sent[0];
    assert.equal(path, "/clock");
    socket.say(reply(tunnel, 12.5));
    t.mock.timers.tick(20_000);
    const update = ds.update({});
    assert.equal(client.status, "connected");
    t.mock.timers.tick(10_000);
    assert.equal(client.status, "reconnecting");
    assert.equal(socket.closed, true);
    await assert.rejects(update, with_code("connection_lost"));
    t.mock.timers.tick(250);
    FakeWebSocket.last.open().serve([{ id: "b" }]);
    socket.drop();
    assert.equal(client.status, "connected", "the end of the old one concerns nobody");
    assert.deepEqual(ds.get_items(), [{ id: "b" }]);
  });

  test("so is an attempt that leads to nothing", (t) => {
    watched(t);
    t.mock.timers.tick(29_999);
    assert.equal(FakeWebSocket.last.closed, false);
    t.mock.timers.tick(1);
    assert.equal(FakeWebSocket.last.closed, true);
    t.mock.timers.tick(250);
    assert.equal(FakeWebSocket.made.length, 2);
  });

  test("is noticed sooner or never, as asked", (t) => {
    const { client } = watched(t, { timeout: 3 });
    t.mock.timers.tick(3000);
    assert.equal(FakeWebSocket.last.closed, true);
    client.close();
    for (const timeout of [Infinity, 6_442_451, 1e300]) {
      // Node's own timers, too, run at once if they are asked for more than they can count.
      const intervals = t.mock.method(globalThis, "setInterval").mock;
      const other = new SharedStateClient("ws://h:1", { WebSocket: FakeWebSocket, timeout });
      other.connect();
      assert.equal(intervals.callCount(), 0, `${timeout}`);
      t.mock.timers.tick(1_000_000);
      assert.equal(FakeWebSocket.last.closed, false);
      intervals.restore();
    }
  });

  test("is looked for when the network changes", (t) => {
    const events = new EventTarget();
    for (const name of /** @type {const} */ (["addEventListener", "removeEventListener"]))
      patch(t, globalThis, name, events[name].bind(events));
    const { client } = watched(t);
    const online = () => events.dispatchEvent(new Event("online"));
    const socket = FakeWebSocket.last.open().serve();
    t.mock.timers.tick(9_999);
    online();
    assert.equal(socket.sent[0].path, "/clock");
    t.mock.timers.tick(9_999);
    assert.equal(client.status, "connected");
    t.mock.timers.tick(1);
    assert.equal(client.status, "reconnecting");
  });

  test("a closed client watches nothing", (t) => {
    const { client } = watched(t);
    const socket = FakeWebSocket.last.open().serve();
    client.close();
    t.mock.timers.tick(100_000);
    assert.deepEqual([socket.sent.length, FakeWebSocket.made.length], [0, 1]);
  });
});

describe("retries", () => {
  test("have a bound if asked: the client is idle again, and nothing waits", async (t) => {
    const { client, statuses } = make_timed(t, { retries: 1 });
    const [, ds] = client.acquire(C);
    const update = ds.update({});
    FakeWebSocket.last.drop();
    t.mock.timers.tick(250);
    FakeWebSocket.last.drop();
    assert.equal(client.status, "idle");
    await assert.rejects(update, with_code("unreachable"));
    await assert.rejects(ds.ready, with_code("unreachable"));
    t.mock.timers.tick(1_000_000);
    assert.equal(FakeWebSocket.made.length, 2);
    const again = client.update(C, {});
    assert.equal(client.status, "connecting");
    const socket = FakeWebSocket.last.open();
    socket.say(reply(socket.sent[1].tunnel, 0));
    socket.serve([{ id: "a" }]);
    assert.equal(await again, 0);
    await ds.ready;
    assert.equal(ds.size, 1);
    socket.drop();
    t.mock.timers.tick(250);
    FakeWebSocket.last.drop();
    assert.equal(client.status, "idle");
    assert.equal(ds.size, 1, "still readable");
    await ds.ready;
    client.close();
    assert.deepEqual(statuses, [
      ...["connecting", "idle", "connecting", "connected", "reconnecting", "idle", "closed"],
    ]);
  });

  test("without a queue, what cannot be sent is refused at once", async (t) => {
    const { client } = make_timed(t, { max_queue: 0 });
    client.connect();
    await assert.rejects(client.update(C, {}), with_code("too_many"));
    FakeWebSocket.last.open();
    client.update(C, {});
    assert.equal(FakeWebSocket.last.sent.length, 1);
  });
});
