import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { SharedStateClient } from "../../src/index.js";
import { C, FakeWebSocket, at, make_timed, notify, patch, reply, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

describe("status", () => {
  test("tells the story", (t) => {
    const { client, statuses } = make_timed(t);
    assert.equal(client.status, "idle");
    client.connect();
    client.connect();
    assert.equal(FakeWebSocket.made.length, 1);
    FakeWebSocket.last.drop();
    t.mock.timers.tick(250);
    assert.equal(client.status, "connecting", "never connected so far");
    FakeWebSocket.last.open().drop();
    t.mock.timers.tick(500);
    FakeWebSocket.last.open();
    client.close();
    assert.deepEqual(statuses, ["connecting", "connected", "reconnecting", "connected", "closed"]);
  });

  test("callbacks can be removed, and see changes in order", (t) => {
    const { client } = make_timed(t);
    /** @type {string[]} */
    const seen = [];
    client.add_status_callback((status) => status === "connected" && client.close());
    client.add_status_callback((status) => seen.push(status));
    client.remove_status_callback(client.add_status_callback(() => assert.fail()));
    client.connect();
    FakeWebSocket.last.open();
    assert.deepEqual(seen, ["connecting", "connected", "closed"]);
  });
});

describe("reconnecting", () => {
  test("pauses grow from 0.25 s to 20 s, for ever", (t) => {
    const { client } = make_timed(t);
    client.connect();
    for (const pause of [250, 500, 1000, 2000, 4000, 8000, 16000, 20000, 20000, 20000]) {
      const { length } = FakeWebSocket.made;
      FakeWebSocket.last.drop();
      t.mock.timers.tick(pause - 1);
      assert.equal(FakeWebSocket.made.length, length, `before ${pause} ms`);
      t.mock.timers.tick(1);
      assert.equal(FakeWebSocket.made.length, length + 1, `after ${pause} ms`);
    }
  });

  test("pauses are spread evenly from nothing to the bound", (t) => {
    const { client } = make_timed(t);
    t.mock.method(Math, "random", () => 0.1);
    client.connect();
    FakeWebSocket.last.drop();
    t.mock.timers.tick(25);
    assert.equal(FakeWebSocket.made.length, 2);
  });

  test("pauses start over once a connection has stood, not when the server says something", (t) => {
    const { client } = make_timed(t);
    client.acquire(C);
    for (const [stands, pause] of [
      [0, 250],
      [19_999, 500],
      [0, 1000],
      [20_000, 250],
      [0, 500],
    ]) {
      const { length } = FakeWebSocket.made;
      FakeWebSocket.last.open().serve();
      t.mock.timers.tick(stands);
      FakeWebSocket.last.drop();
      t.mock.timers.tick(pause - 1);
      assert.equal(FakeWebSocket.made.length, length, `before ${pause} ms`);
      t.mock.timers.tick(1);
      assert.equal(FakeWebSocket.made.length, length + 1, `after ${pause} ms`);
    }
    FakeWebSocket.last.open();
    t.mock.timers.tick(20_000);
    FakeWebSocket.last.drop();
    t.mock.timers.tick(250);
    t.mock.timers.tick(20_000);
    FakeWebSocket.last.drop();
    assert.equal(
      (client.next_attempt ?? 0) - Date.now(),
      500,
      "an attempt that hangs has not stood, nor does the connection before it count again",
    );
  });

  test("the dataset is brought up to date, as one step, in place", (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    FakeWebSocket.last.open().serve([{ id: "a" }, { id: "b" }], "e", 4);
    /** @type {any[]} */
    const seen = [];
    ds.add_callback((diffs) => seen.push(diffs));
    FakeWebSocket.last.drop();
    assert.equal(ds.size, 2, "keeps what it has");
    t.mock.timers.tick(250);
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(socket.sent[0].arg.insert[0][1].since, { epoch: "e", version: 4 });
    socket.serve([{ id: "b" }, { id: "c" }], "f");
    assert.deepEqual(seen, [
      [
        { id: "a", new: undefined, old: { id: "a" } },
        { id: "c", new: { id: "c" }, old: undefined },
      ],
    ]);
    assert.equal(client.acquire(C)[1], ds);
  });

  test("requests: sent ones are lost, later ones are sent after the subscriptions", async (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    FakeWebSocket.last.open().serve();
    const lost = ds.update({ remove: ["lost"] });
    FakeWebSocket.last.drop();
    const kept = [ds.update({ remove: ["1"] }), ds.update({ remove: ["2"] })];
    await assert.rejects(lost, with_code("connection_lost"));
    t.mock.timers.tick(250);
    const { sent } = FakeWebSocket.last.open();
    assert.deepEqual(
      sent.map(({ path, arg }) => [path, arg.remove?.[0]]),
      [
        ["/subs", undefined],
        [C, "1"],
        [C, "2"],
      ],
    );
    for (const { tunnel } of sent.slice(1)) FakeWebSocket.last.say(reply(tunnel, 1));
    assert.deepEqual(await Promise.all(kept), [1, 1]);
  });

  test("at once when the browser is online or the page visible again", (t) => {
    const events = new EventTarget();
    const document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
    for (const name of /** @type {const} */ (["addEventListener", "removeEventListener"]))
      patch(t, globalThis, name, events[name].bind(events));
    patch(t, globalThis, "document", document);
    const removed = t.mock.method(globalThis, "removeEventListener");
    const removed_too = t.mock.method(document, "removeEventListener");
    const { client } = make_timed(t);
    client.connect();
    const online = () => events.dispatchEvent(new Event("online"));
    const visible = () => document.dispatchEvent(new Event("visibilitychange"));
    online();
    assert.equal(FakeWebSocket.made.length, 1, "not while an attempt is under way");
    FakeWebSocket.last.drop();
    visible();
    assert.equal(FakeWebSocket.made.length, 1, "it became hidden");
    online();
    assert.equal(FakeWebSocket.made.length, 2);
    t.mock.timers.tick(20000);
    assert.equal(FakeWebSocket.made.length, 2, "the pause was cut short");
    FakeWebSocket.last.drop();
    document.visibilityState = "visible";
    visible();
    assert.equal(FakeWebSocket.made.length, 3);
    FakeWebSocket.last.drop();
    client.close();
    online();
    visible();
    assert.equal(FakeWebSocket.made.length, 3);
    assert.deepEqual(
      [removed, removed_too].map(({ mock }) => mock.callCount()),
      [1, 1],
    );
  });

  test("what an old connection still says is ignored", (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    const old = FakeWebSocket.last.open().serve();
    old.drop();
    old.say(notify({ insert: [{ id: "a" }] }, at("e", 1, 2))).open();
    old.drop();
    assert.equal(ds.size, 0);
    assert.equal(client.status, "reconnecting");
    t.mock.timers.tick(250);
    t.mock.timers.tick(20000);
    assert.equal(FakeWebSocket.made.length, 2);
    FakeWebSocket.last.open().serve();
    old.say(notify({ insert: [{ id: "a" }] }, at("e", 1, 2)));
    assert.equal(ds.size, 0);
  });

  test("a constructor that throws later is reported, and tried again", (t) => {
    let broken = false;
    class Moody extends FakeWebSocket {
      /** @param {string} url */
      constructor(url) {
        if (broken) throw new Error("no sockets left");
        super(url);
      }
    }
    const { client, reported } = make_timed(t, { WebSocket: Moody });
    client.connect();
    broken = true;
    FakeWebSocket.last.drop();
    t.mock.timers.tick(250);
    assert.equal(reported[0].message, "no sockets left");
    broken = false;
    t.mock.timers.tick(500);
    assert.equal(FakeWebSocket.made.length, 2);
  });

  test("a connection that does not take text is given up", async (t) => {
    const { client, reported } = make_timed(t);
    client.connect();
    const socket = FakeWebSocket.last.open();
    t.mock.method(socket, "send", () => assert.fail("broken"));
    const update = client.update(C, {});
    assert.equal(reported.length, 1);
    assert.equal(socket.closed, true);
    socket.drop();
    await assert.rejects(update, with_code("connection_lost"));
  });

  test("a binary frame is ignored", (t) => {
    const { client, reported } = make_timed(t);
    client.connect();
    FakeWebSocket.last.open().onmessage?.({ data: new ArrayBuffer(3) });
    assert.equal(reported.length, 0);
    assert.equal(client.status, "connected");
  });
});

describe("the constructor", () => {
  test("refuses a URL that no WebSocket takes", () => {
    for (const url of [
      ...[
        "",
        "127.0.0.1:9000",
        "localhost:9000",
        "/path",
        "ws://",
        "ws://host:99999",
        "ftp://host",
      ],
      ...["ws://host/#part", undefined, null, 7],
    ])
      assert.throws(() => new SharedStateClient(/** @type {any} */ (url)), {
        name: "SharedStateError",
        code: "bad_url",
        message: `${url}: expected ws://host:port`,
      });
    for (const url of ["ws://host", "WSS://[::1]:9/path?q", "http://h:1", "ws+unix:///tmp/x"])
      assert.equal(new SharedStateClient(url).status, "idle");
    assert.equal(new SharedStateClient(/** @type {any} */ (new URL("ws://h"))).status, "idle");
  });

  test("refuses options that there are not, and values that will not do", () => {
    for (const [options, message] of /** @type {[any, string][]} */ ([
      [{ retry: 3 }, "retry: unknown option"],
      [{ toString: () => "x" }, "toString: unknown option"],
      [JSON.parse('{"__proto__": {}}'), "__proto__: unknown option"],
      [{ debug: 1 }, "debug: not a valid boolean"],
      [{ websocket: FakeWebSocket }, "websocket: unknown option"],
      ...[null, "idle", 7, [], () => 1].map((given) => [given, "options: not an object"]),
      [{ WebSocket: {} }, "WebSocket: not a valid function"],
      [{ on_error: null }, "on_error: not a valid function"],
      [{ max_queue: "10" }, "max_queue: not a valid number"],
      [{ retries: -1 }, "retries: not a valid number"],
      [{ timeout: NaN }, "timeout: not a valid number"],
      [{ timeout: 0 }, "timeout: not a valid number"],
    ]))
      assert.throws(() => new SharedStateClient("ws://host:1", options), {
        name: "SharedStateError",
        code: "bad_option",
        message,
      });
    const good = {
      max_queue: 0,
      retries: 0,
      timeout: Infinity,
      on_error: undefined,
      debug: true,
    };
    new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket, ...good });
    new SharedStateClient("ws://host:1", { on_error: (error) => error });
  });
});

describe("connect", () => {
  test("throws what a useless URL makes the constructor throw, and can be tried again", (t) => {
    let url_is_bad = true;
    class Strict extends FakeWebSocket {
      /** @param {string} url */
      constructor(url) {
        if (url_is_bad) throw new SyntaxError("bad url");
        super(url);
      }
    }
    const { client } = make_timed(t, { WebSocket: Strict });
    assert.throws(() => client.connect(), SyntaxError);
    assert.throws(() => client.acquire(C), SyntaxError);
    assert.equal(client.status, "idle");
    url_is_bad = false;
    client.connect();
    assert.equal(client.status, "connecting");
  });

  test("says so if there is no WebSocket", async (t) => {
    patch(t, globalThis, "WebSocket", undefined);
    const client = new SharedStateClient("ws://host:1");
    const error = {
      name: "SharedStateError",
      code: "bad_option",
      message: "WebSocket: there is none; pass one",
    };
    assert.throws(() => client.connect(), error);
    assert.throws(() => client.acquire(C), error);
    await assert.rejects(client.get("/apps"), error);
  });
});

describe("close", () => {
  test("is for good", async (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    FakeWebSocket.last.open().serve([{ id: "a" }]);
    const sent = ds.update({});
    client.close();
    client.close();
    assert.equal(FakeWebSocket.last.closed, true);
    await assert.rejects(sent, with_code("connection_lost"));
    await assert.rejects(ds.update({}), with_code("closed"));
    await assert.rejects(client.get("/"), with_code("closed"));
    assert.throws(() => client.connect(), with_code("closed"));
    assert.throws(() => client.acquire(C), with_code("closed"));
    FakeWebSocket.last.say(notify({ remove: ["a"] }, at("e", 1, 2))).drop();
    t.mock.timers.tick(100_000);
    assert.equal(FakeWebSocket.made.length, 1);
    assert.equal(ds.size, 1, "still readable");
    assert.equal(client.status, "closed");
  });

  test("ends a pause, and what waits", async (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    const waits = ds.update({});
    FakeWebSocket.last.drop();
    client.close();
    t.mock.timers.tick(100_000);
    assert.equal(FakeWebSocket.made.length, 1);
    await assert.rejects(waits, with_code("closed"));
    await assert.rejects(ds.ready, with_code("closed"));
  });

  test("without a connection is no error", (t) => {
    const { client } = make_timed(t);
    client.close();
    assert.equal(client.status, "closed");
  });

  test("in a callback ends the telling", (t) => {
    const { client } = make_timed(t);
    const [, ds] = client.acquire(C);
    ds.add_callback(() => client.close());
    FakeWebSocket.last.open().serve([{ id: "a" }]);
    assert.equal(client.status, "closed");
  });
});
