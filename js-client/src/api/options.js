import { SharedStateError } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";

/**
 * `idle`: never connected, nor asked to; or given up, after `retries`, or sent away by the server. `connecting`: not connected yet.
 * `reconnecting`: connected before, and trying to be again. `closed`: for good.
 *
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} Status
 */

/**
 * @typedef {object} Options
 * @property {import("../net/connector.js").WebSocketClass} [WebSocket] constructor; default: the global one. Node
 *   20 has none: give it that of a package such as `ws`.
 * @property {number} [max_queue] requests that may wait for a connection; default 1000. 0: what cannot be
 *   sent at once is refused.
 * @property {number} [retries] attempts in a row that may fail before the client gives up and is `idle` again;
 *   default: it tries for ever
 * @property {number} [timeout] seconds after which a connection that says nothing, though asked, is taken for
 *   dead; default 30; Infinity, or more than 74 days: never
 * @property {(error: unknown) => void} [on_error] gets what nobody else does: what a callback threw, a
 *   refused subscription if nobody asked for `ready`, a message of the server that is not of the protocol, why there is
 *   no connection (`unreachable`, `sent_away`).
 *   Default: `reportError` in a page or worker, else `console.error`.
 * @property {boolean} [debug] does nothing: pages of the first generation give it
 */

/** @type {Record<string, any>} the least that a number may be; of what is no number, another of its kind */
const LEAST = {
  // Nothing that every object has, such as `toString`, is an option.
  __proto__: null,
  WebSocket: check,
  max_queue: 0,
  retries: 0,
  timeout: 0.001,
  on_error: check,
  debug: true,
};

/**
 * Refuse at once what would fail later, or be ignored.
 *
 * @param {string} url
 * @param {Options} options
 * @throws {SharedStateError} `bad_url`, `bad_option`
 */
export function check(url, options) {
  let href = "";
  try {
    href = new URL(url).href;
  } catch {}
  // `http` is for today's browsers, `ws+unix` for the package `ws`.
  if (!/^(ws(s|\+unix)?|https?):[^#]+$/.test(href))
    throw new SharedStateError("bad_url", `${url}: expected ws://host:port`);
  if (!is_object(options)) throw new SharedStateError("bad_option", "options: no valid object");
  for (const [name, value] of Object.entries(options)) {
    const least = LEAST[name];
    const kind = typeof least;
    if (least === undefined) throw new SharedStateError("bad_option", `${name}: no option`);
    const fits = typeof value === kind && (kind !== "number" || value >= least);
    if (value !== undefined && !fits)
      throw new SharedStateError("bad_option", `${name}: no valid ${kind}`);
  }
}
