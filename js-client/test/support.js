/** Helpers of the tests: messages as a server writes them, and a WebSocket without a network. */

/** @typedef {import("../src/effects.js").Effect} Effect */

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
 * @param {{epoch?: string, base?: number, version?: number, more?: boolean}} [state]
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
 * The requests among the effects, as the server reads them.
 *
 * @param {Effect[]} effects
 * @returns {any[]}
 */
export const sent = (effects) =>
  effects.flatMap((effect) => (effect.kind === "send" ? [JSON.parse(effect.text)] : []));

/**
 * Reply to the `PUT /subs` among the effects as a server that takes them all.
 *
 * @param {import("../src/protocol.js").ClientCore} core
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
  effects.flatMap((effect) => (effect.kind === "diffs" ? [effect.diffs] : []));

/** @param {Effect[]} effects */
export const kinds = (effects) => effects.map(({ kind }) => kind);

/**
 * Set a member of an object until the end of the test.
 *
 * @param {import("node:test").TestContext} t @param {object} object @param {string} name @param {any} value
 */
export function patch(t, object, name, value) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { value, configurable: true });
  t.after(() => {
    Reflect.deleteProperty(object, name);
    if (before) Object.defineProperty(object, name, before);
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
    this.sent.push(JSON.parse(text));
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

  /** Take every subscription that was asked for, and answer each with a snapshot. */
  serve(items = /** @type {any[]} */ ([]), epoch = "e", version = 1) {
    for (const { path, tunnel, arg } of this.sent.splice(0)) {
      if (path !== "/subs") continue;
      this.say(reply(tunnel, arg.insert ?? []));
      for (const [each] of arg.insert ?? [])
        this.say(notify({ insert: items, reset: true }, at(epoch, 0, version), each));
    }
    return this;
  }

  drop() {
    this.onerror?.({});
    this.onclose?.({});
  }
}
