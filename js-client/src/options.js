/**
 * `idle`: never connected, nor asked to; or given up, after `retries`. `connecting`: not connected yet.
 * `reconnecting`: connected before, and trying to be again. `closed`: for good.
 *
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} Status
 */

/**
 * @typedef {object} Options
 * @property {import("./socket.js").WebSocketClass} [WebSocket] constructor; default: the global one. Node
 *   20 has none: give it that of a package such as `ws`.
 * @property {number} [max_queue] requests that may wait for a connection; default 1000. 0: what cannot be
 *   sent at once is refused.
 * @property {number} [retries] attempts in a row that may fail before the client gives up and is `idle` again;
 *   default: it tries for ever
 * @property {number} [timeout] seconds after which a connection that says nothing, though asked, is taken for
 *   dead; default 30; Infinity: never
 * @property {(error: unknown) => void} [on_error] gets what nobody else does: what a callback threw, a
 *   refused subscription if nobody asked for `ready`, a message of the server that is not of the protocol.
 *   Default: `reportError` in a page or worker, else `console.error`.
 */

export {};
