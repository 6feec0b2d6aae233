/**
 * The outputs of the client core. Every input returns a list of these, to be performed in order by the owner of
 * the connection. The Python client's core has the same ones (`sharedstate_core.client`).
 *
 * @typedef {{kind: "send_text", text: string}} SendText
 *   send one text frame
 * @typedef {{kind: "settled", ticket: unknown, error: SharedStateError | undefined, data: unknown, at: At[] | undefined, more: boolean}} Settled
 *   a request is over, exactly once for each: it failed if there is an error, otherwise `data` is its result. Of a part of
 *   a collection: `at` are the places of its items, `more` whether older ones were left out
 * @typedef {{kind: "changed", path: string, view: string | undefined, diffs: Diff[]}} Changed
 *   a replica changed, in one step; there is at least one diff
 * @typedef {{kind: "synced", path: string, view: string | undefined}} Synced
 *   a replica is in sync, after it was not
 * @typedef {{kind: "moved", path: string, view: string | undefined}} Moved
 *   a replica came to another version, and neither `changed` nor `synced` says so
 * @typedef {{kind: "refused", path: string, view: string | undefined, error: SharedStateError}} Refused
 *   the server does not keep this replica in sync
 * @typedef {{kind: "identified", user: User | null, expires: number | null}} Identified
 *   it is known whose the connection is, or that has changed; `expires`: by the server's clock
 * @typedef {{kind: "token_wanted", reason: string}} TokenWanted
 *   another token is needed, by `sign_in`; with the reason "unavailable", after a pause
 * @typedef {{kind: "unauthenticated", error: SharedStateError}} Unauthenticated
 *   a second token in a row was refused: no other is asked for on this connection
 * @typedef {{kind: "fault", error: SharedStateError, fatal: boolean}} Fault
 *   the server broke the protocol, and no request is to blame; if it is fatal, the connection must be dropped
 * @typedef {SendText | Settled | Changed | Synced | Moved | Refused | Identified | TokenWanted | Unauthenticated | Fault} Effect
 */

import { SharedStateError } from "./errors.js";

/** @import { Diff } from "./replica.js" */
/** @import { At } from "./views.js" */

/** @typedef {{id: string, [member: string]: any}} User what the server knows of a user */

/**
 * @param {string} text
 * @returns {SendText}
 */
export const send_text = (text) => ({ kind: "send_text", text });

/**
 * @param {unknown} ticket
 * @param {SharedStateError | undefined} error
 * @param {{data?: unknown, at?: At[], more?: boolean}} [reply]
 * @returns {Settled}
 */
export const settled = (ticket, error, { data, at, more = false } = {}) => ({
  kind: "settled",
  ticket,
  error,
  data,
  at,
  more,
});

/**
 * @param {string} reason
 * @param {boolean} fatal
 * @returns {Fault}
 */
export const fault = (reason, fatal) => ({
  kind: "fault",
  error: new SharedStateError("bad_message", reason),
  fatal,
});
