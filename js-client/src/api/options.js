import { SharedStateError } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";

/**
 * `idle`: not connecting yet; or gave up, after `retries` attempts or because the server sent the client away.
 * `connecting`: not connected yet. `reconnecting`: was connected, and is trying again. `closed`: for good.
 * `unauthenticated`: connected, but the server has refused the token, or the function `token` has thrown `Unauthorized`.
 *
 * @typedef {"idle" | "connecting" | "connected" | "unauthenticated" | "reconnecting" | "closed"} Status
 */

/**
 * @typedef {object} Options
 * @property {import("../net/connector.js").WebSocketClass} [WebSocket] constructor; default: the global one. Node
 *   20 has none: pass one from a package such as `ws`.
 * @property {number} [max_queue] number of requests that may wait for a connection; default 1000. With 0, what
 *   cannot be sent at once is refused.
 * @property {number} [retries] attempts in a row that may fail before the client gives up and is `idle` again;
 *   default: no limit. A connection that stands for less than 20 s is a failure, too
 * @property {number} [timeout] seconds of silence after which a connection counts as dead; default 30; never with
 *   Infinity or more than 74 days
 * @property {number} [answer_timeout] seconds within which the server must answer each request, or the connection
 *   counts as dead; default 120, measured in thirds of `timeout`
 * @property {number} [max_snapshot] characters of JSON text that the parts of one snapshot may have together; one
 *   with more is refused, `too_large`; default 268,435,456
 * @property {string | import("./sign_in.js").TokenFunction} [token] shows the server whose the connections are: a string, or
 *   a function, plain or async, that returns one, or null for nobody. It is asked at every attempt to connect, never
 *   twice at once, and before a token expires; `reason` tells why: "connect", "expires", or what the server says of the last
 *   one ("expired", "invalid"…). What it throws is reported, and it is asked again after a pause, unless it is an
 *   `Unauthorized`
 * @property {(error: unknown) => void} [on_error] receives errors that nothing else reports: what a callback
 *   threw, a refused subscription whose `ready` was never read, a message that breaks the protocol, why there is
 *   no connection (`unreachable`, `sent_away`). Default: `reportError` in a page or worker, otherwise
 *   `console.error`.
 * @property {boolean} [debug] ignored: pages of the first generation pass it
 */

/** @type {Record<string, any>} for a number its minimum, otherwise a value of the right type */
const MINIMUM = {
  // Members that every object inherits, such as `toString`, are not options.
  __proto__: null,
  WebSocket: check,
  max_queue: 0,
  retries: 0,
  timeout: 0.001,
  answer_timeout: 0.001,
  max_snapshot: 1,
  on_error: check,
  token: check,
  debug: true,
};

/**
 * Reject at once what would later fail or be ignored.
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
  if (!is_object(options)) throw new SharedStateError("bad_option", "options: not an object");
  for (const [name, value] of Object.entries(options)) {
    const minimum = MINIMUM[name];
    const kind = typeof minimum;
    if (minimum === undefined) throw new SharedStateError("bad_option", `${name}: unknown option`);
    const is_text = name === "token" && typeof value === "string";
    const fits = is_text || (typeof value === kind && (kind !== "number" || value >= minimum));
    if (value !== undefined && !fits)
      throw new SharedStateError("bad_option", `${name}: not a valid ${kind}`);
  }
}
