/**
 * What the core wants done. The core returns lists of these; whoever holds the connection performs them,
 * in order.
 *
 * @typedef {{kind: "send", text: string}} Send
 *   send one text frame
 * @typedef {{kind: "settle", ticket: unknown, error: SharedStateError | undefined, data: unknown}} Settle
 *   the request of that ticket is over: failed if there is an error, else `data` is its result
 * @typedef {{kind: "diffs", path: string, diffs: Diff[]}} Diffs
 *   the replica of that path changed, in one step; the list is never empty
 * @typedef {{kind: "synced", path: string}} Synced
 *   the replica is in sync, after it was not
 * @typedef {{kind: "moved", path: string}} Moved
 *   the replica came to another version; `diffs` and `synced` tell the same, then this one is left out
 * @typedef {{kind: "refused", path: string, error: SharedStateError}} Refused
 *   the server does not keep the replica in sync
 * @typedef {{kind: "report", error: SharedStateError}} Report
 *   something that no request of the application can be blamed for
 * @typedef {Send | Settle | Diffs | Synced | Moved | Refused | Report} Effect
 */

/** @import { SharedStateError } from "./errors.js" */
/** @import { Diff } from "./replica.js" */

/**
 * @param {string} text
 * @returns {Send}
 */
export const send = (text) => ({ kind: "send", text });

/**
 * @param {unknown} ticket
 * @param {SharedStateError | undefined} error
 * @param {unknown} [data]
 * @returns {Settle}
 */
export const settle = (ticket, error, data) => ({ kind: "settle", ticket, error, data });

/**
 * @param {SharedStateError} error
 * @returns {Report}
 */
export const report = (error) => ({ kind: "report", error });
