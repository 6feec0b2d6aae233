import assert from "node:assert/strict";
import { test } from "node:test";
import { SharedStateError } from "../../src/index.js";
import { Clock } from "../../src/extras/clock.js";
import { turn } from "../support.js";

/**
 * @typedef {{now: number, asleep: number, ahead: number, delay: number, asked: number, broken?: Error,
 *   clock: Clock, answer: () => Promise<number>, pass: (seconds: number) => Promise<void>,
 *   server: () => number}} World
 */

/**
 * A world where time passes when the test says so: the server is `ahead` seconds ahead, its answers take
 * `delay` milliseconds.
 *
 * @param {import("node:test").TestContext} t
 */
function world(t) {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const start = performance.timeOrigin;
  /** @type {World} */
  const it = {
    now: 0,
    asleep: 0,
    ahead: 100,
    delay: 10,
    asked: 0,
    broken: undefined,
    clock: new Clock(() => it.answer()),
    async answer() {
      it.asked++;
      if (it.broken) throw it.broken;
      it.now += it.delay / 2;
      const told = (start + it.now) / 1000 + it.ahead;
      it.now += it.delay / 2;
      return told;
    },
    async pass(seconds) {
      it.now += seconds * 1000;
      t.mock.timers.tick(seconds * 1000);
      await turn();
    },
    server: () => (start + it.now + it.asleep) / 1000 + it.ahead,
  };
  t.mock.method(performance, "now", () => it.now);
  t.mock.method(Date, "now", () => start + it.now + it.asleep);
  it.clock = new Clock(() => it.answer());
  return it;
}

/** @param {number} a @param {number} b */
const close = (a, b) => assert.ok(Math.abs(a - b) < 1e-6, `${a} is not ${b}`);

test("tells the server's time, how far it is ahead, and what that may be wrong by", async (t) => {
  const it = world(t);
  const { clock } = it;
  assert.equal(it.asked, 0, "costs nothing until used");
  assert.equal(clock.error, Infinity);
  assert.equal(clock.skew, 0);
  assert.equal(it.asked, 1);
  await clock.ready;
  close(clock.skew, 100);
  close(clock.trans, 0.005);
  close(clock.now(), it.server());
  close(clock.error, 0.005);
  await it.pass(0.125);
  close(clock.error, 0.005 + 0.125e-4);
});

test("the best sample counts, until it is too old", async (t) => {
  const it = world(t);
  await it.clock.ready;
  it.delay = 4;
  await it.pass(1);
  close(it.clock.trans, 0.002);
  it.delay = 400;
  await it.pass(1);
  close(it.clock.trans, 0.002);
});

test("samples often at first, then rarely, and only while used", async (t) => {
  const it = world(t);
  await it.clock.ready;
  const asked_in = async (/** @type {number} */ seconds) => {
    const before = it.asked;
    for (let passed = 0; passed < seconds; passed += 0.25) {
      it.clock.now();
      await it.pass(0.25);
    }
    return it.asked - before;
  };
  const first = await asked_in(10);
  assert.ok(first >= 4, `${first} samples in the first seconds`);
  await asked_in(120);
  assert.ok((await asked_in(120)) <= 2);
  await it.pass(60);
  const { asked } = it;
  await it.pass(3600);
  await it.pass(3600);
  assert.equal(it.asked, asked, "nobody asks");
  it.clock.now();
  assert.equal(it.asked, asked + 1);
});

test("never goes back", async (t) => {
  const it = world(t);
  await it.clock.ready;
  const before = it.clock.now();
  it.ahead = 90;
  it.delay = 1;
  await it.pass(1);
  assert.equal(it.clock.now(), before);
  close(it.clock.skew, 90);
  await it.pass(20);
  close(it.clock.now(), it.server());
});

test("starts anew when the computer has slept", async (t) => {
  const it = world(t);
  await it.clock.ready;
  it.asleep = 3_600_000;
  it.ahead += 3600;
  assert.equal(it.clock.error, Infinity);
  await turn();
  close(it.clock.skew, 3700);
});

test("a question that slept tells nothing", async (t) => {
  const it = world(t);
  const answer = it.answer;
  it.answer = async () => {
    it.asleep += 5000;
    return answer();
  };
  it.clock.now();
  await turn();
  assert.equal(it.clock.error, Infinity);
});

test("survives a lost connection, and ends with the client", async (t) => {
  const it = world(t);
  it.broken = new SharedStateError("connection_lost", "");
  const { ready } = it.clock;
  await turn();
  it.broken = undefined;
  await it.pass(0.25);
  await ready;
  close(it.clock.skew, 100);
});

test("is refused when the client is closed", async (t) => {
  const it = world(t);
  it.broken = new SharedStateError("closed", "");
  await assert.rejects(it.clock.ready, { code: "closed" });
  await it.pass(3600);
  it.clock.now();
  assert.equal(it.asked, 1);
});

test("an answer that is no time does not count", async (t) => {
  const it = world(t);
  const { clock } = it;
  const answer = it.answer;
  /** @type {any[]} */
  const odd = [null, "abc", "12", {}, Infinity, NaN];
  it.answer = async () => (odd.length > 0 ? odd.shift() : answer());
  assert.equal(clock.error, Infinity);
  while (odd.length > 0) {
    await turn();
    assert.equal(clock.error, Infinity);
    await it.pass(100);
  }
  assert.equal(clock.error, Infinity);
  await it.pass(100);
  close(clock.now(), it.server());
});
