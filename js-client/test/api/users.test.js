/** What comes of whose the connections are: who has signed in, who has not, and who has signed out. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Unauthorized } from "../../src/index.js";
import { SharedStateClient } from "../../src/core.js";
import * as support from "../support.js";
import { C, FakeWebSocket, failure, in_a_page, reply, turn } from "../support.js";
import { ANN, accept, make, refuse, shown, tokens } from "./signing_in.js";

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
