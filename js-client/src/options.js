/**
 * `idle`: never connected, nor asked to. `connecting`: not connected yet. `reconnecting`: connected
 * before, and trying to be again. `closed`: for good.
 *
 * @typedef {"idle" | "connecting" | "connected" | "reconnecting" | "closed"} Status
 */

/**
 * @typedef {object} Options
 * @property {import("./socket.js").WebSocketClass} [WebSocket] constructor; default: the global one. Node
 *   20 has none: give it that of a package such as `ws`.
 * @property {number} [max_queue] requests that may wait for a connection; default 1000
 * @property {(error: unknown) => void} [on_error] gets what nobody else does: what a callback threw, a
 *   refused subscription, a message of the server that is not of the protocol. Default: `reportError`, or
 *   `console.error`.
 */

export {};
