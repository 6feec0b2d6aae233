/** Whose the connections are: when a token is asked for, when it is shown, and what comes of it. */

import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { Unauthorized } from "../../src/index.js";
import { SharedStateClient } from "../../src/core.js";
import * as support from "../support.js";
import { C, FakeWebSocket, failure, in_a_page, reply, turn } from "../support.js";

const ANN = { id: "ann", role: "editor" };
const FEATURES = ["session", "auth", "end"];

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @type {SharedStateClient[]} */
const clients = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

/** @param {import("../../src/index.js").Options} options */
function make(options) {
  const made = support.make(options);
  clients.push(made.client);
  return made;
}

/** @param {import("node:test").TestContext} t @param {import("../../src/index.js").Options} options */
function make_timed(t, options) {
  const made = support.make_timed(t, options);
  clients.push(made.client);
  return made;
}

/** @param {any} [user] @param {number | null} [expires] */
function accept(user = ANN, expires = null) {
  const socket = FakeWebSocket.last;
  const { tunnel } = socket.sessions.at(-1);
  socket.say(reply(tunnel, { id: "s", user, expires, features: FEATURES, limits: {} }));
}

/** @param {string} reason */
function refuse(reason) {
  const socket = FakeWebSocket.last;
  const error = { code: "unauthenticated", message: "no", reason };
  socket.say(failure(socket.sessions.at(-1).tunnel, "no", { error }));
}

const shown = () => FakeWebSocket.last.sessions.map(({ arg }) => arg.token);

/** Tokens in turn, and why they were asked for. */
function tokens(/** @type {any[]} */ ...answers) {
  const reasons = /** @type {string[]} */ ([]);
  /** @param {{reason: string}} ask */
  const token = ({ reason }) => {
    reasons.push(reason);
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { token, reasons };
}

/** A promise for the test to settle. */
function later() {
  /** @type {(token: string) => void} */
  let resolve = () => {};
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}

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

describe("who has signed in", () => {
  for (const expires of [null, 2000])
    test(`is told when the client has asked anew for what was refused (expires: ${expires})`, async () => {
      const { token } = tokens(null, "one");
      const { client } = make({ token });
      const [, ds] = client.acquire(C);
      const socket = FakeWebSocket.last.open();
      await turn();
      accept(null);
      const error = { code: "unauthenticated", message: "no", reason: "missing" };
      socket.say(failure(socket.sent.shift().tunnel, "no", { error }));
      await assert.rejects(ds.ready, { code: "unauthenticated" });
      client.add_user_callback(() => client.acquire("/app/items/more"));
      client.connect();
      await turn();
      accept(ANN, expires);
      const asked = socket.sent.filter(({ path }) => path === "/subs");
      // Of a server of unknown level each request names all that is held: the last one decides.
      assert.deepEqual(
        asked.map(({ arg }) => arg.insert.map((/** @type {[string]} */ [path]) => path)),
        [[C], [C, "/app/items/more"]],
      );
    });
});

describe("where the server demands a user, and there is none", () => {
  in_a_page();

  test("the client waits for connect() to knock again", async () => {
    const { token, reasons } = tokens(new Unauthorized(), "one");
    const { client, statuses } = make({ token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    assert.equal(client.status, "unauthenticated");
    FakeWebSocket.last.drop({ code: 1008, reason: "nobody has signed in" });
    assert.equal(client.status, "unauthenticated");
    assert.equal(client.next_attempt, undefined);
    assert.equal(FakeWebSocket.made.length, 1);
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    accept();
    assert.deepEqual(shown(), ["one"]);
    assert.deepEqual(reasons, ["connect", "connect"]);
    assert.deepEqual(statuses.slice(-3), ["unauthenticated", "connecting", "connected"]);
    FakeWebSocket.last.drop({ code: 1008, reason: "for another reason" });
    assert.equal(client.status, "reconnecting");
  });

  test("what is asked for meanwhile is asked of the server, as nobody", async () => {
    const { token } = tokens(new Unauthorized());
    const { client } = make({ token });
    client.connect();
    FakeWebSocket.last.open();
    await turn();
    FakeWebSocket.last.drop({ code: 1008, reason: "nobody has signed in" });
    const asked = client.get(C);
    const socket = FakeWebSocket.last.open();
    assert.equal(FakeWebSocket.made.length, 2);
    assert.deepEqual(shown(), [null]);
    const error = { code: "unauthenticated", message: "no", reason: "missing" };
    socket.say(failure(socket.sent[0].tunnel, "no", { error }));
    await assert.rejects(asked, { code: "unauthenticated" });
  });
});

describe("signed out", () => {
  in_a_page();

  test("nothing is held, and nobody is asked", async () => {
    const { token, reasons } = tokens("one");
    const { client } = make({ token });
    const [, ds] = client.acquire(C);
    const socket = FakeWebSocket.last.open();
    await turn();
    accept();
    socket.serve([{ id: "a" }]);
    await ds.ready;
    client.sign_out();
    assert.deepEqual(shown(), ["one", null]);
    const changes = /** @type {any[]} */ ([]);
    ds.add_callback((diffs) => changes.push(diffs));
    const error = { code: "unauthenticated", message: "no", reason: "missing" };
    socket.say(JSON.stringify({ type: "MESSAGE", cmd: "END", path: C, error }));
    accept(null);
    assert.equal(client.user, null);
    assert.equal(ds.size, 0);
    assert.deepEqual(changes, [[{ id: "a", new: undefined, old: { id: "a" } }]]);
    await assert.rejects(ds.ready, { code: "unauthenticated" });
    socket.drop();
    client.acquire(C);
    assert.deepEqual(reasons, ["connect"]);
  });

  test("a stale tab holds nothing any more, once it is back", async () => {
    const { client } = make({ token: "stale" });
    const [, ds] = client.acquire(C);
    FakeWebSocket.last.open();
    accept();
    FakeWebSocket.last.serve([{ id: "a" }]);
    FakeWebSocket.last.drop();
    assert.equal(ds.size, 1);
    client.connect();
    const socket = FakeWebSocket.last.open();
    assert.deepEqual(socket.sent[0].arg.insert[0][1].since, { epoch: "e", version: 1 });
    refuse("revoked");
    const error = { code: "unauthenticated", message: "no" };
    socket.say(failure(socket.sent[0].tunnel, "no", { error }));
    assert.equal(ds.size, 0);
    assert.equal(client.user, null);
    assert.equal(client.status, "unauthenticated");
  });

  test("a tab whose first token is stale shows what it had until another is accepted", async () => {
    const { token } = tokens("old", "stale", "fresh");
    const { client, reported } = make({ token });
    const [, ds] = client.acquire(C);
    FakeWebSocket.last.open();
    await turn();
    accept();
    FakeWebSocket.last.serve([{ id: "a" }]).drop();
    const changes = /** @type {any[]} */ ([]);
    ds.add_callback((diffs) => changes.push(diffs.map(({ id }) => id)));
    client.connect();
    const socket = FakeWebSocket.last.open();
    await turn();
    refuse("expired");
    const error = { code: "unauthenticated", message: "no" };
    socket.say(failure(socket.sent[0].tunnel, "no", { error }));
    assert.deepEqual(ds.get_items(), [{ id: "a" }]);
    await turn();
    accept();
    const { tunnel, arg } = socket.sent.at(-1);
    assert.deepEqual(arg.insert[0][1].since, { epoch: "e", version: 1 });
    socket.say(reply(tunnel, arg.insert));
    socket.say(support.notify({ insert: [{ id: "b" }] }, support.at("e", 1, 2)));
    assert.equal(ds.size, 2);
    assert.deepEqual(changes, [["b"]]);
    assert.deepEqual(reported, []);
  });

  test("without a connection, the next one begins so", () => {
    const client = new SharedStateClient("ws://host:1", {
      WebSocket: FakeWebSocket,
      token: "abc",
    });
    client.sign_out();
    client.connect();
    FakeWebSocket.last.open();
    assert.deepEqual(shown(), [null]);
    client.close();
  });
});
