/** Functions of the application that never return: Firefox ends the running script when a navigation begins. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";
import { runInNewContext } from "node:vm";
import { SharedStateClient } from "../../src/index.js";
import { C, FakeWebSocket, at, notify, reply, synced, turn, until, with_code } from "../support.js";

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** Interrupts the script in its own loop, so that no time has to be guessed. */
const FOR_EVER = () => {
  process.kill(process.pid, "SIGINT");
  for (;;);
};

/**
 * Let something happen that leads to a call of `FOR_EVER`, and end all that was running: no exception, no `finally`.
 *
 * @param {() => void} event
 */
function cut_short(event) {
  assert.throws(() => runInNewContext("event()", { event }, { breakOnSigint: true }), {
    code: "ERR_SCRIPT_EXECUTION_INTERRUPTED",
  });
}

/** @param {any} target @returns a function that is `FOR_EVER` once, and remembers what it was called with after that */
function once(target = []) {
  let first = true;
  return (/** @type {any} */ value) => {
    if (!first) return target.push(value);
    first = false;
    FOR_EVER();
  };
}

test("a callback of changes: the others are called with the next event, nothing is lost", async () => {
  const { ds, change, socket } = synced();
  /** @type {string[]} */
  const first = [];
  /** @type {string[]} */
  const second = [];
  const callback = once();
  ds.add_callback((diffs) => (first.push(...diffs.map(({ id }) => id)), callback(diffs)));
  ds.add_callback((diffs) => second.push(...diffs.map(({ id }) => id)));
  cut_short(() => change({ insert: [{ id: "a" }] }));
  assert.equal(ds.size, 1, "the change itself was made before");
  change({ insert: [{ id: "b" }] });
  await until(() => second.length >= 2);
  assert.deepEqual(first, ["a", "b"]);
  assert.deepEqual(second, ["a", "b"]);
  const update = ds.update({ remove: ["a"] });
  assert.equal(socket.sent.length, 1);
  socket.say(reply(socket.sent[0].tunnel, 1));
  assert.equal(await update, 1);
});

test("what was asked for before is answered, at once and after close", async () => {
  const { client, ds, change, socket } = synced();
  const answered = ds.update({});
  const unanswered = ds.update({});
  ds.add_callback(once());
  /** @type {string[]} */
  const statuses = [];
  client.add_status_callback((status) => statuses.push(status));
  cut_short(() => change({ insert: [{ id: "a" }] }));
  socket.say(reply(socket.sent[0].tunnel, 0));
  assert.equal(await answered, 0);
  client.close();
  await assert.rejects(unanswered, with_code("connection_lost"));
  await until(() => statuses.length > 0);
  assert.deepEqual(statuses, ["closed"]);
});

test("a status callback, at any status: the client goes on", (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  for (const status of ["connected", "reconnecting", "idle"]) {
    const retries = status === "idle" ? 0 : 1;
    const client = new SharedStateClient("ws://host:1", { WebSocket: FakeWebSocket, retries });
    const [, ds] = client.acquire(C);
    const callback = once();
    client.add_status_callback((now) => now === status && callback(now));
    if (status === "connected") cut_short(() => FakeWebSocket.last.open());
    else FakeWebSocket.last.open();
    FakeWebSocket.last.serve([{ id: "a" }]);
    assert.equal(ds.size, 1, status);
    if (status === "connected") FakeWebSocket.last.drop();
    else cut_short(() => FakeWebSocket.last.drop());
    client.connect();
    t.mock.timers.tick(20_000);
    FakeWebSocket.last.open().serve([{ id: "b" }], "f");
    t.mock.timers.tick(1);
    assert.deepEqual(ds.snapshot, [{ id: "b" }], status);
    assert.equal(client.status, "connected", status);
    client.close();
  }
});

test("the function that gets errors", async () => {
  const options = { WebSocket: FakeWebSocket, on_error: once() };
  const client = new SharedStateClient("ws://host:1", options);
  const [, ds] = client.acquire(C);
  const socket = FakeWebSocket.last.open().serve();
  cut_short(() => socket.say(notify({ insert: [7] }, {}, "/app/items/nobody's")));
  let told = 0;
  ds.add_callback(() => told++);
  socket.say(notify({ insert: [{ id: "a" }] }, at("e", 1, 2)));
  await until(() => told > 0);
  assert.equal(told, 1);
});

test("an iteration beside it misses nothing", async () => {
  const { ds, change } = synced();
  ds.add_callback(once());
  const changes = ds.changes();
  cut_short(() => change({ insert: [{ id: "a" }] }));
  change({ insert: [{ id: "b" }] });
  await turn();
  const { value } = await changes.next();
  assert.deepEqual(
    value?.map((/** @type {any} */ { id }) => id),
    ["a", "b"],
  );
});
