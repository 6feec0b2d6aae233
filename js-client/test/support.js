/** Helpers of the tests: messages as a server writes them, and a WebSocket without a network. */

import assert from "node:assert/strict";
import { afterEach, beforeEach } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SharedStateClient, SharedStateError } from "../src/index.js";
import { ClientProtocol } from "../src/protocol/client_protocol.js";
import { Replica } from "../src/protocol/replica.js";

/** @typedef {import("../src/protocol/effects.js").Effect} Effect */

export const C = "/app/items/c";

/** @param {any} tunnel @param {any} data @param {object} [more] */
export const reply = (tunnel, data, more = {}) =>
  JSON.stringify({ type: "REPLY", cmd: "PUT", tunnel, ok: true, data, ...more });

/** @param {any} tunnel @param {string} message @param {object} [more] */
export const failure = (tunnel, message, more = {}) =>
  JSON.stringify({ type: "REPLY", cmd: "PUT", tunnel, ok: false, data: message, ...more });

/**
 * A notification; without `state` one of level 1.
 *
 * @param {any} data
 * @param {{epoch?: string, base?: number, version?: number, more?: boolean, view?: string, at?: number[][]}} [state]
 * @param {string} [path]
 */
export const notify = (data, state = {}, path = C) =>
  JSON.stringify({
    type: "MESSAGE",
    cmd: "NOTIFY",
    path,
    data: { remove: [], insert: [], reset: false, ...data },
    ...state,
  });

/** @param {string} epoch @param {number} base @param {number} version */
export const at = (epoch, base, version) => ({ epoch, base, version });

/**
 * What a notification of a view has, too.
 *
 * @param {string | undefined} name
 * @param {any[]} items in ascending order of their places
 */
export const view = (name, items = []) =>
  name === undefined ? {} : { view: name, at: items.map((_, n) => [n, 0]) };

/**
 * The requests among the effects, as the server reads them.
 *
 * @param {Effect[]} effects
 * @returns {any[]}
 */
export const sent = (effects) =>
  effects.flatMap((effect) => (effect.kind === "send_text" ? [JSON.parse(effect.text)] : []));

/**
 * Reply to the `PUT /subs` among the effects as a server that takes them all.
 *
 * @param {import("../src/protocol/client_protocol.js").ClientProtocol} core
 * @param {Effect[]} effects
 * @returns {Effect[]}
 */
export function accept(core, effects) {
  return sent(effects)
    .filter(({ path }) => path === "/subs")
    .flatMap(({ tunnel, arg }) => core.receive_text(reply(tunnel, arg.insert ?? [])));
}

/** @param {Effect[]} effects @returns {any[]} */
export const diffs = (effects) =>
  effects.flatMap((effect) => (effect.kind === "changed" ? [effect.diffs] : []));

/** @param {Effect[]} effects */
export const kinds = (effects) => effects.map(({ kind }) => kind);

/** A core with one subscription; `synced`: at version 3 of epoch "e", holding items a and b. */
export function subscribed({ synced = true } = {}) {
  const core = new ClientProtocol();
  const replica = new Replica();
  core.acquire(C, replica);
  const opened = core.connection_opened();
  if (synced) {
    accept(core, opened);
    core.receive_text(notify({ insert: [{ id: "a" }, { id: "b" }], reset: true }, at("e", 0, 3)));
  }
  return { core, replica, opened };
}

/** @param {Replica} replica */
export const ids = (replica) => [...replica.items.keys()].join("");
/** @param {any[]} requests */
export const subs = (requests) => requests.map(({ cmd, path, arg }) => ({ cmd, path, ...arg }));

/**
 * Check that the effects make the subscription anew, and nothing else.
 *
 * @param {Effect[]} effects
 * @param {object} sub
 */
export function assert_asked_anew(effects, sub) {
  assert.deepEqual(subs(sent(effects)), [
    { cmd: "PUT", path: "/subs", remove: [C], brief: true },
    { cmd: "PUT", path: "/subs", insert: [[C, sub]], brief: true },
  ]);
}

/** @param {string} code */
export const with_code = (code) => (/** @type {unknown} */ error) =>
  error instanceof SharedStateError && error.code === code;

/** @param {() => boolean} condition */
export async function until(condition) {
  for (const end = Date.now() + 10_000; !condition(); await pause(1)) assert.ok(Date.now() < end);
}

/** Everybody else's turn. */
export const turn = () => new Promise((resolve) => setImmediate(resolve));

/**
 * Set a member of an object until the end of the test.
 *
 * @param {import("node:test").TestContext} t @param {object} object @param {PropertyKey} name @param {any} value
 */
export function patch(t, object, name, value) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true });
  t.after(() => {
    Reflect.deleteProperty(object, name);
    if (before) Object.defineProperty(object, name, before);
  });
}

/**
 * Count the walks through maps of some size, until the end of the test.
 *
 * @param {import("node:test").TestContext} t @param {number} size entries from which a map counts
 * @returns {{count: number}} how many there were so far
 */
export function walks_through_maps(t, size) {
  const walks = { count: 0 };
  for (const name of /** @type {const} */ ([
    ...["entries", "keys", "values", "forEach"],
    Symbol.iterator,
  ])) {
    const walk = /** @type {any} */ (Map.prototype)[name];
    const counted = /** @this {Map<any, any>} */ function (/** @type {unknown[]} */ ...given) {
      walks.count += Number(this.size >= size);
      return walk.apply(this, given);
    };
    patch(t, Map.prototype, name, counted);
  }
  return walks;
}

/** There is a document, as in a page, in each test of this suite; nothing happens in it. */
export function in_a_page() {
  beforeEach(() => {
    const value = new EventTarget();
    Object.defineProperty(globalThis, "document", { value, configurable: true });
  });
  afterEach(() => {
    Reflect.deleteProperty(globalThis, "document");
  });
}

/** A WebSocket without a network: the test plays the server. */
export class FakeWebSocket {
  /** @type {FakeWebSocket[]} */
  static made = [];
  /** @type {((event: any) => void) | null} */
  onopen = null;
  /** @type {((event: any) => void) | null} */
  onmessage = null;
  /** @type {((event: any) => void) | null} */
  onerror = null;
  /** @type {((event: any) => void) | null} */
  onclose = null;
  /** @type {any[]} what the client sent, parsed */
  sent = [];
  /** @type {any[]} the same, of `/session` */
  sessions = [];
  closed = false;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    FakeWebSocket.made.push(this);
  }

  static get last() {
    return /** @type {FakeWebSocket} */ (FakeWebSocket.made.at(-1));
  }

  /** @param {string} text */
  send(text) {
    const request = JSON.parse(text);
    (request.path === "/session" ? this.sessions : this.sent).push(request);
  }

  close() {
    this.closed = true;
  }

  open() {
    this.onopen?.({});
    return this;
  }

  /** @param {string} text */
  say(text) {
    this.onmessage?.({ data: text });
    return this;
  }

  /** Answer `/session`, as a server that can do this. */
  know(features = ["where", "last", "fields", "patch"]) {
    const { tunnel } = this.sessions.pop();
    return this.say(reply(tunnel, { user: null, expires: null, limits: {}, features }));
  }

  /**
   * Take every subscription that was asked for, and answer each with a snapshot: of a view, the items that are meant for
   * it, at places in their order.
   *
   * @param {any[] | ((sub: any) => any[])} items
   */
  serve(items = [], epoch = "e", version = 1) {
    for (const { path, tunnel, arg } of this.sent.splice(0)) {
      if (path !== "/subs") continue;
      this.say(reply(tunnel, arg.insert ?? []));
      for (const [each, sub] of arg.insert ?? []) {
        const insert = typeof items === "function" ? items(sub) : items;
        const state = { ...at(epoch, 0, version), ...view(sub.view, insert) };
        this.say(notify({ insert, reset: true }, state, each));
      }
    }
    return this;
  }

  /** Refuse the subscription that was asked for last. */
  refuse(code = "forbidden") {
    const { tunnel } = this.sent.pop();
    return this.say(reply(tunnel, [], { errors: [[C, { code, message: "no" }]] }));
  }

  drop(closing = {}) {
    this.onerror?.({});
    this.onclose?.(closing);
  }
}

/**
 * A client without a network, and what it has reported and gone through.
 *
 * @param {import("../src/api/options.js").Options} [options]
 */
export function make(options) {
  const reported = /** @type {any[]} */ ([]);
  const client = new SharedStateClient("ws://host:1", {
    WebSocket: FakeWebSocket,
    on_error: (error) => reported.push(error),
    ...options,
  });
  const statuses = /** @type {string[]} */ ([]);
  client.add_status_callback((status) => statuses.push(status));
  return { client, reported, statuses };
}

/**
 * The same, where the test is the clock: it begins at 1,000 s, and every pause is as long as it may be.
 *
 * @param {import("node:test").TestContext} t
 * @param {import("../src/api/options.js").Options} [options]
 */
export function make_timed(t, options) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  t.mock.method(Math, "random", () => 1);
  return make(options);
}

/** A client that is connected, with a dataset in sync, at version 1 of epoch "e". */
export function synced(items = /** @type {any[]} */ ([])) {
  const { client, reported } = make();
  const [handle, ds] = client.acquire(C);
  const socket = FakeWebSocket.last.open().serve(items);
  let version = 1;
  /** @param {object} data */
  const change = (data) => socket.say(notify(data, at("e", version++, version)));
  return { client, handle, ds, socket, change, reported };
}
