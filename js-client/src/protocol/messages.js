/**
 * The wire format: the only module that knows the members of a message. Unknown members and messages are ignored,
 * so that newer servers work.
 */

import { key_of } from "./views.js";

/** @import { Update } from "./replica.js" */

/**
 * @typedef {object} Reply
 * @property {"reply"} kind
 * @property {unknown} tunnel the tunnel of the request
 * @property {boolean} ok
 * @property {unknown} data result, or the reason as a sentence
 * @property {Record<string, unknown>} error further members of an error
 * @property {unknown} errors refused subscriptions, normally a list of `[path, {code, message}]`, with the view as a third
 * @property {import("./views.js").At[] | undefined} at of the items of `data`, if a part of a collection was asked for, the
 *   places in the order
 * @property {boolean} more whether older ones were left out
 */

/**
 * `epoch`, `base` and `version` are undefined if the server is of level 1.
 *
 * @typedef {object} Notification
 * @property {"notification"} kind
 * @property {string} path as it was subscribed
 * @property {string | undefined} view as it was subscribed
 * @property {Update} update
 * @property {string | undefined} scope name of what the user may see of the collection
 * @property {string | undefined} epoch
 * @property {number | undefined} base version from which it leads
 * @property {number | undefined} version version to which it leads
 * @property {boolean} more whether further parts follow, to be applied together with this one
 * @property {number} size characters of its text
 */

/** @typedef {{kind: "session", user: unknown, expires: unknown, reason: unknown}} Session the user has changed, or will */
/** @typedef {{kind: "end", path: unknown, view: unknown, error: Record<string, unknown>}} End the server has ended a subscription */
/** @typedef {{kind: "malformed", reason: string, path: unknown, view: unknown}} Malformed `path`, `view`: those of the message, if any */

/**
 * @param {"GET" | "PUT"} cmd
 * @param {string} path
 * @param {unknown} arg omitted if undefined
 * @param {unknown} tunnel
 * @returns {string}
 * @throws {TypeError} if `arg` is not JSON (a cycle, a BigInt)
 */
export function encode_request(cmd, path, arg, tunnel) {
  return JSON.stringify({ type: "REQUEST", cmd, path, arg, tunnel });
}

/**
 * Decode a message; never throws.
 *
 * @param {string} text
 * @returns {Reply | Notification | Session | End | Malformed | undefined} undefined: a message of a later protocol
 */
export function decode(text) {
  /** @type {unknown} */
  let message;
  try {
    message = JSON.parse(text);
  } catch {
    return malformed("not JSON");
  }
  if (!is_object(message)) return malformed("not an object");
  if (message.type === "REPLY") return reply(message);
  const cmd = message.type === "MESSAGE" && message.cmd;
  if (cmd === "NOTIFY") return notification(message, text.length);
  const { path, view, data, error, reason } = message;
  if (cmd === "END") return { kind: "end", path, view, error: members(error) };
  if (cmd !== "SESSION") return undefined;
  const { user, expires } = members(data);
  return { kind: "session", user, expires, reason };
}

/**
 * @param {Record<string, unknown>} message
 * @returns {Reply}
 */
function reply(message) {
  const { tunnel, data, error, errors, epoch, version, at, more } = message;
  return {
    kind: "reply",
    tunnel,
    ok: message.ok === true,
    data,
    // A conflict has the current state beside `error`; the application finds it in the error.
    error: { epoch, version, ...members(error) },
    errors,
    at: are_places(at, /** @type {any} */ (data)?.length) ? at : undefined,
    more: more === true,
  };
}

/**
 * @param {Record<string, unknown>} message
 * @param {number} size
 * @returns {Notification | Malformed}
 */
function notification({ path, view, data, scope, epoch, base, version, more, at }, size) {
  const { remove = [], insert = [], reset } = members(data);
  // Treating a member of the wrong type as absent would silently change the meaning of the message.
  const are = (/** @type {string} */ type, /** @type {unknown[]} */ ...values) =>
    values.every((value) => value == null || typeof value === type);
  const well =
    typeof path === "string" &&
    is_object(data) &&
    are("string", view, scope, epoch) &&
    are("number", base, version) &&
    are("boolean", reset, more) &&
    Array.isArray(remove) &&
    remove.every((id) => typeof id === "string") &&
    Array.isArray(insert) &&
    insert.every((item) => typeof item?.id === "string") &&
    (at == null || are_places(at, insert.length));
  if (!well) return malformed("a member of the wrong type", path, view);
  return {
    kind: "notification",
    path,
    view: /** @type {string | undefined} */ (view ?? undefined),
    update: { remove, insert, reset: reset === true, at: at ?? undefined },
    scope: /** @type {string | undefined} */ (scope ?? undefined),
    epoch: /** @type {string | undefined} */ (epoch ?? undefined),
    base: /** @type {number | undefined} */ (base ?? undefined),
    version: /** @type {number | undefined} */ (version ?? undefined),
    more: more === true,
    size,
  };
}

/**
 * @param {string} reason
 * @param {unknown} [path]
 * @param {unknown} [view]
 * @returns {Malformed}
 */
const malformed = (reason, path, view) => ({ kind: "malformed", reason, path, view });

/**
 * @param {unknown} at
 * @param {number} count of the items
 * @returns {at is import("./views.js").At[]}
 */
const are_places = (at, count) =>
  Array.isArray(at) &&
  at.length === count &&
  at.every((each) => Array.isArray(each) && each.length === 2 && each.every(Number.isInteger));

/**
 * @param {any} list of lists, first the path, then what is wanted
 * @param {(each: any[]) => unknown} view_of what of each names the view
 * @returns {Map<string, unknown>} by `key_of`
 */
export const by_key = (list, view_of) =>
  new Map(
    Array.isArray(list)
      ? list.filter(Array.isArray).map((each) => [key_of(each[0], view_of(each)), each[1]])
      : [],
  );

/**
 * @param {unknown} value
 * @returns {Record<string, any>} empty if it has no members
 */
export const members = (value) => (is_object(value) ? value : {});

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
export function is_object(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
