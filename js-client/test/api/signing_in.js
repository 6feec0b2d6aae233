/** What the tests of tokens and users share: clients that are closed afterwards, tokens, and what a server says of them. */

import { afterEach, beforeEach } from "node:test";
import { SharedStateClient } from "../../src/core.js";
import * as support from "../support.js";
import { FakeWebSocket, failure, reply } from "../support.js";

export const ANN = { id: "ann", role: "editor" };
export const FEATURES = ["session", "auth", "end"];

beforeEach(() => {
  FakeWebSocket.made = [];
});

/** @type {SharedStateClient[]} */
const clients = [];
afterEach(() => clients.splice(0).forEach((client) => client.close()));

/** @param {import("../../src/index.js").Options} options */
export function make(options) {
  const made = support.make(options);
  clients.push(made.client);
  return made;
}

/** @param {import("node:test").TestContext} t @param {import("../../src/index.js").Options} options */
export function make_timed(t, options) {
  const made = support.make_timed(t, options);
  clients.push(made.client);
  return made;
}

/** @param {any} [user] @param {number | null} [expires] */
export function accept(user = ANN, expires = null) {
  const socket = FakeWebSocket.last;
  const { tunnel } = socket.sessions.at(-1);
  socket.say(reply(tunnel, { id: "s", user, expires, features: FEATURES, limits: {} }));
}

/** @param {string} reason */
export function refuse(reason) {
  const socket = FakeWebSocket.last;
  const error = { code: "unauthenticated", message: "no", reason };
  socket.say(failure(socket.sessions.at(-1).tunnel, "no", { error }));
}

export const shown = () => FakeWebSocket.last.sessions.map(({ arg }) => arg.token);

/** Tokens in turn, and why they were asked for. */
export function tokens(/** @type {any[]} */ ...answers) {
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
export function later() {
  /** @type {(token: string) => void} */
  let resolve = () => {};
  const promise = new Promise((done) => (resolve = done));
  return { promise, resolve };
}
