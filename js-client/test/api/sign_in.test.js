/** Tokens: when one is asked for, and when it is shown. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Unauthorized } from "../../src/index.js";
import { C, FakeWebSocket, reply, turn } from "../support.js";
import {
  ANN,
  FEATURES,
  accept,
  later,
  make,
  make_timed,
  refuse,
  shown,
  tokens,
} from "./signing_in.js";

describe("a token", () => {
  test("that is a string is shown at once, and updates wait until it is accepted", async () => {
    const { client, statuses } = make({ token: "abc" });
    const users = /** @type {any[]} */ ([]);
    client.add_user_callback((user) => users.push(user));
    client.acquire(C);
    const done = client.update(C, { remove: ["a"] });
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(shown(), ["abc"]);
    assert.match(socket.sessions[0].arg.key, /^.{22,}$/);
    assert.deepEqual(
      socket.sent.map(({ path }) => path),
      ["/subs"],
    );
    accept();
    assert.deepEqual(
      socket.sent.map(({ path }) => path),
      ["/subs", C],
    );
    socket.say(reply(socket.sent[1].tunnel, 1));
    assert.equal(await done, 1);
    assert.deepEqual(client.user, ANN);
    assert.deepEqual(users, [ANN]);
    assert.deepEqual(statuses, ["connecting", "connected"]);
  });

  test("is asked for at every attempt, and nothing is said before it is there", async () => {
    const { token, reasons } = tokens(Promise.resolve("one"), Promise.resolve("two"));
    const { client } = make({ token });
    client.connect();
    assert.deepEqual(reasons, ["connect"]);
    FakeWebSocket.last.open();
    assert.equal(client.status, "connecting");
    await turn();
    assert.equal(client.status, "connected");
    assert.deepEqual(shown(), ["one"]);
    const { key } = FakeWebSocket.last.sessions[0].arg;
    FakeWebSocket.last.drop();
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    assert.deepEqual(shown(), ["two"]);
    assert.equal(FakeWebSocket.last.sessions[0].arg.key, key);
    assert.deepEqual(reasons, ["connect", "connect"]);
  });

  test("is never asked for twice at once, and belongs to the attempt that waits for it", async () => {
    const slow = later();
    const { token, reasons } = tokens(slow.promise, "second");
    const { client } = make({ token });
    client.connect();
    const first = FakeWebSocket.last.open();
    first.drop();
    client.connect();
    const second = FakeWebSocket.last.open();
    slow.resolve("first");
    await turn();
    assert.deepEqual(reasons, ["connect"]);
    assert.deepEqual(first.sessions, []);
    assert.deepEqual(shown(), ["first"]);
    assert.equal(second, FakeWebSocket.last);
  });

  test("that comes when its connection is gone is shown on no other", async () => {
    const slow = later();
    const { token } = tokens("first", slow.promise, "third");
    const { client } = make({ token });
    client.connect();
    const first = FakeWebSocket.last.open();
    await turn();
    accept();
    const data = { user: ANN, expires: 1 };
    first.say(JSON.stringify({ type: "MESSAGE", cmd: "SESSION", data, reason: "expires" }));
    first.drop();
    slow.resolve("second");
    await turn();
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    assert.deepEqual(shown(), ["third"]);
    assert.equal(first.sessions.length, 1);
  });

  test("that replaces one without an answer is waited for, too", async () => {
    const { client } = make({ token: "abc" });
    client.acquire(C);
    client.connect();
    const socket = FakeWebSocket.last.open();
    client.connect();
    client.update(C, { remove: ["a"] });
    await turn();
    const [first, last] = socket.sessions;
    socket.say(reply(first.tunnel, { user: { id: "bob" }, features: FEATURES, limits: {} }));
    socket.say(reply(socket.sent[0].tunnel, [[C, {}]]));
    assert.equal(socket.sent.length, 1);
    socket.say(reply(last.tunnel, { user: ANN, features: FEATURES, limits: {} }));
    assert.deepEqual(client.user, ANN);
    assert.equal(socket.sent.length, 2);
  });

  test("that is refused is asked for once more, with the reason, and then no more", async () => {
    const { token, reasons } = tokens("one");
    const { client, statuses, reported } = make({ token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    refuse("expired");
    await turn();
    refuse("invalid");
    await turn();
    assert.deepEqual(reasons, ["connect", "expired"]);
    assert.equal(client.status, "unauthenticated");
    assert.deepEqual(
      reported.map(({ code, reason }) => [code, reason]),
      [["unauthenticated", "invalid"]],
    );
    client.connect();
    await turn();
    accept();
    assert.equal(client.status, "connected");
    FakeWebSocket.last.drop();
    assert.deepEqual(statuses.slice(1), [
      ...["connected", "unauthenticated", "connected", "reconnecting"],
    ]);
  });

  test("that is a string is shown twice", async () => {
    const { client, reported } = make({ token: "abc" });
    client.connect();
    FakeWebSocket.last.open();
    refuse("invalid");
    await turn();
    refuse("invalid");
    assert.equal(client.status, "unauthenticated");
    assert.deepEqual(shown(), ["abc", "abc"]);
    assert.deepEqual(
      reported.map(({ code }) => code),
      ["unauthenticated"],
    );
  });

  test("that cannot be had costs the attempt, unless there will be none", async () => {
    const { token } = tokens(new Error("no network"), new Unauthorized());
    const { client, reported } = make({ token });
    client.connect();
    const socket = FakeWebSocket.last.open();
    await turn();
    assert.equal(socket.closed, true);
    assert.equal(client.status, "connecting");
    assert.deepEqual(
      reported.map(({ message }) => message),
      ["no network"],
    );
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    assert.equal(client.status, "unauthenticated");
    assert.deepEqual(shown(), [null]);
  });

  test("is asked for again after `Unauthorized` once the application connects", async () => {
    const { token, reasons } = tokens(new Unauthorized(), "two");
    const { client } = make({ token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    FakeWebSocket.last.drop();
    client.acquire(C);
    assert.deepEqual(reasons, ["connect"]);
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    assert.deepEqual(shown(), ["two"]);
    accept();
    client.connect();
    client.sign_out();
    client.connect();
    await turn();
    assert.deepEqual(shown(), ["two", null, "two"]);
  });

  test("is given up for good by `Unauthorized`, also that of a user who is signed in", async () => {
    const { token } = tokens("one", new Unauthorized());
    const { client } = make({ token });
    client.connect();
    const socket = FakeWebSocket.last.open();
    await turn();
    accept();
    const data = { user: ANN, expires: 1 };
    socket.say(JSON.stringify({ type: "MESSAGE", cmd: "SESSION", data, reason: "expires" }));
    await turn();
    assert.deepEqual(shown(), ["one", null]);
    accept(null);
    assert.equal(client.user, null);
    assert.equal(client.status, "unauthenticated");
  });

  test("is no number", async () => {
    const { token } = tokens(7);
    const { client, reported } = make({ token });
    client.connect();
    await turn();
    FakeWebSocket.last.open();
    await turn();
    assert.equal(reported[0].code, "bad_option");
    assert.throws(() => make({ token: /** @type {any} */ (7) }), { code: "bad_option" });
  });
});

describe("in time", () => {
  test("another one is shown, by the server's clock", async (t) => {
    const { token, reasons } = tokens("one", "two");
    const { client } = make_timed(t, { token });
    client.connect();
    const socket = FakeWebSocket.last.open();
    await turn();
    accept(ANN, 5600); // this computer believes that it is 1,000
    socket.say(reply(socket.sent[0].tunnel, 5000));
    await turn();
    t.mock.timers.tick(539_000);
    await turn();
    assert.deepEqual(reasons, ["connect"]);
    t.mock.timers.tick(1000);
    await turn();
    assert.deepEqual(reasons, ["connect", "expires"]);
    assert.deepEqual(shown(), ["one", "two"]);
  });

  test("a server that cannot look into it is asked again after a pause", async (t) => {
    const { token, reasons } = tokens("one");
    const { client } = make_timed(t, { token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    refuse("unavailable");
    assert.deepEqual(reasons, ["connect"]);
    t.mock.timers.tick(250);
    await turn();
    refuse("unavailable");
    t.mock.timers.tick(499);
    assert.equal(reasons.length, 2);
    t.mock.timers.tick(1);
    await turn();
    assert.deepEqual(reasons, ["connect", "unavailable", "unavailable"]);
    assert.equal(client.status, "connected");
  });

  test("a page that wakes up asks for one", async (t) => {
    const { token, reasons } = tokens("one", "two");
    const { client } = make_timed(t, { token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    FakeWebSocket.last.drop();
    client.connect();
    assert.deepEqual(reasons, ["connect", "connect"]);
  });
});
