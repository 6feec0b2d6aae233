/** Attempts to connect: when the next one is, how to make it at once, and what ends them. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { SharedStateClient } from "../../src/index.js";
import { C, FakeWebSocket, at, make_timed, notify, reply, turn, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

test("the next attempt is announced, and connect makes it at once", (t) => {
  const { client } = make_timed(t);
  assert.equal(client.next_attempt, undefined);
  client.connect();
  assert.equal(client.next_attempt, undefined);
  FakeWebSocket.last.drop();
  assert.equal(client.next_attempt, 1_000_250);
  client.update(C, {});
  client.acquire(C);
  assert.equal(
    FakeWebSocket.made.length,
    1,
    "whoever just uses the client does not make it at once",
  );
  client.connect();
  assert.equal(FakeWebSocket.made.length, 2);
  assert.equal(client.next_attempt, undefined);
  client.connect();
  t.mock.timers.tick(20_000);
  assert.equal(
    FakeWebSocket.made.length,
    2,
    "the pause was cut short, and an attempt is under way",
  );
  FakeWebSocket.last.drop();
  assert.equal(client.next_attempt, 1_020_500, "the pauses go on growing");
  client.close();
  assert.equal(client.next_attempt, undefined);
  assert.throws(() => client.connect(), with_code("closed"));
});

test("a server sends a client away for good, with a code and a reason", async (t) => {
  for (const code of [4400, 4401, 4499]) {
    const { client, reported } = make_timed(t);
    const [, ds] = client.acquire(C);
    const { ready } = ds;
    const sent = (FakeWebSocket.last.open(), client.update(C, {}));
    FakeWebSocket.last.onclose?.({ code, reason: "your account is closed" });
    const waiting = ds.ready;
    assert.equal(client.status, "idle");
    assert.equal(client.next_attempt, undefined);
    await assert.rejects(sent, with_code("connection_lost"));
    for (const promise of [ready, waiting])
      await assert.rejects(promise, {
        code: "sent_away",
        message: "your account is closed",
        close_code: code,
      });
    assert.deepEqual(
      reported.map((error) => [error.code, error.close_code]),
      [["sent_away", code]],
    );
    t.mock.timers.tick(60_000);
    const { length } = FakeWebSocket.made;
    client.connect();
    assert.equal(FakeWebSocket.made.length, length + 1, "the application may try again");
    FakeWebSocket.last.open().serve([{ id: "a" }]);
    assert.equal(ds.size, 1);
    client.close();
    t.mock.timers.reset();
  }
});

for (const again of /** @type {const} */ (["connect", "get", "update", "acquire"]))
  test(`what waits for a dataset waits for the new connection, after ${again}`, async (t) => {
    const { client, reported } = make_timed(t, { retries: 0 });
    const [, ds] = client.acquire(C);
    const [, other] = client.acquire("/app/items/d");
    const { ready: given_up } = other;
    for (const end of ["sent away", "unreachable"]) {
      const { ready } = ds;
      if (end === "unreachable") FakeWebSocket.last.drop();
      else FakeWebSocket.last.open().onclose?.({ code: 4401, reason: "sign in" });
      await assert.rejects(ready);
      await assert.rejects(ds.ready);
      /** @type {any} */ (client)[again]("/app/items/x", {});
      assert.notEqual(ds.ready, ready, end);
    }
    const done = ds.transaction((tx) => tx.update({ insert: [{ id: "b", n: tx.size }] }));
    const socket = FakeWebSocket.last.open();
    const [subs] = socket.sent;
    const refused = [["/app/items/d", { code: "forbidden", message: "no" }]];
    socket.say(
      reply(
        subs.tunnel,
        [
          [C, {}],
          ["/app/items/x", {}],
        ],
        { errors: refused },
      ),
    );
    socket.say(notify({ insert: [{ id: "a" }], reset: true }, at("e", 0, 1)));
    await turn();
    const { tunnel, arg } = socket.sent.at(-1);
    assert.equal(arg.insert[0].n, 1);
    socket.say(reply(tunnel, 1));
    await done;
    await assert.rejects(other.ready, with_code("forbidden"));
    const codes = reported.map(({ code }) => code);
    assert.deepEqual(codes, ["sent_away", "forbidden"], "nobody has asked for the new promise");
    await assert.rejects(given_up, with_code("sent_away"));
    client.close();
  });

test("other codes do not end the attempts", (t) => {
  const { client } = make_timed(t);
  client.connect();
  for (const code of [1000, 1001, 1006, 1008, 4000, 4399, 4500]) {
    FakeWebSocket.last.open().onclose?.({ code, reason: "" });
    assert.notEqual(client.next_attempt, undefined, String(code));
    t.mock.timers.tick(20_000);
  }
});

test("the second attempt in vain says what to look at, once, and only if there never was a connection", (t) => {
  const { client, reported } = make_timed(t);
  client.connect();
  for (const expected of [0, 1, 1, 1]) {
    FakeWebSocket.last.drop();
    t.mock.timers.tick(20_000);
    assert.equal(reported.length, expected);
  }
  assert.equal(reported[0].code, "unreachable");
  assert.match(reported[0].message, /origin/);
  t.mock.timers.reset();
  t.mock.restoreAll();
  const { client: other, reported: more } = make_timed(t);
  other.acquire(C);
  FakeWebSocket.last.open().serve();
  for (let n = 0; n < 4; n++) {
    FakeWebSocket.last.drop();
    t.mock.timers.tick(20_000);
  }
  assert.deepEqual(more, [], "a server that restarts is no news");
});

test("close does not wait long for a goodbye, where it can do without", (t) => {
  for (const end of ["close", "silence"]) {
    t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
    let terminated = 0;
    class Stubborn extends FakeWebSocket {
      terminate() {
        terminated++;
      }
    }
    const client = new SharedStateClient("ws://host:1", { WebSocket: Stubborn });
    client.connect();
    FakeWebSocket.last.open();
    if (end === "close") client.close();
    else t.mock.timers.tick(30_000);
    assert.equal(FakeWebSocket.last.closed, true);
    assert.equal(terminated, 0);
    t.mock.timers.tick(1000);
    assert.equal(terminated, 1, end);
    client.close();
    t.mock.timers.reset();
  }
});
