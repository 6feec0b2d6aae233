/**
 * @typedef {"bad_message" | "bad_path" | "bad_update" | "no_service" | "unauthenticated" | "forbidden" | "conflict"
 *   | "mismatch" | "too_large" | "too_many" | "unavailable" | "internal" | "connection_lost" | "closed" | "unreachable" | "sent_away"
 *   | "released" | "bad_url" | "bad_option" | "refused" | "failed"} ErrorCode
 */

/**
 * @typedef {object} Details members that some errors have
 * @property {number} [close_code]
 * @property {unknown} [outcome]
 * @property {unknown} [reason]
 * @property {unknown} [place]
 * @property {unknown} [ids]
 * @property {unknown} [rule]
 * @property {unknown} [retry_after]
 * @property {unknown} [epoch]
 * @property {unknown} [version]
 */

/**
 * The only class of errors that this package creates.
 *
 * `code` is for programs, `message` for people. Codes of the server: `bad_message`,
 * `bad_path`, `bad_update`, `no_service`, `unauthenticated`, `forbidden`, `conflict`, `mismatch`, `too_large`,
 * `too_many`, `unavailable`, `internal`. Codes of this client:
 *
 * - `connection_lost`: the request was sent, but the connection was lost before the answer came. Whether it took
 *   effect is unknown (`outcome` is "unknown"); the dataset shows it once it is in sync again.
 * - `too_large`: the server closed the connection because a message was too long for it; this request was the
 *   longest unanswered one, and was not accepted. Or the parts of a dataset's snapshot exceed `max_snapshot`.
 * - `closed`: the client was closed; the request was never sent.
 * - `unreachable`: all attempts to connect that the option `retries` allows have failed; the request was never
 *   sent. It is also reported, once, if the first two attempts fail: browsers do not say why.
 * - `sent_away`: the server closed the connection with `close_code`, 4400 to 4499, and the client does not
 *   reconnect; `message` is the server's reason. Requests that were not sent are rejected with it, and it is
 *   reported.
 * - `released`: the dataset was released before it was in sync, or was used after its release.
 * - `too_many`: the queue of requests waiting for a connection is full; the request was not sent.
 * - `bad_path`: refused before it was sent, for a reason that the server would give too; `bad_update` likewise, or
 *   the update has an unknown member or a value that JSON cannot express; `message` names the place.
 * - `bad_url`, `bad_option`: the constructor rejected its arguments (not in the lean core), or there is no WebSocket.
 * - `bad_message`: the server broke the protocol (reported, never a reply), or does not answer.
 * - `refused`: the server omitted a path from the subscriptions without a reason (level 1).
 * - `failed`: the server refused a request without a code (level 1), and `message` is its reason; or the request
 *   needs what the server does not have: conditions or transactions, filters, patches.
 *
 * Further members of the reply are copied: `outcome` ("unknown") with `unavailable`; `epoch` and
 * `version`, the collection's current state, with `conflict`; `reason` with `unauthenticated`; `place`, where in an update
 * the fault is, such as `insert[3]`, and `ids` of the items, with `mismatch`; `rule`, for administrators; `retry_after`,
 * seconds, with `too_many` where time helps.
 */
export class SharedStateError
  extends /** @type {new (...args: any[]) => Error & Details} */ (Error)
{
  /**
   * @param {string} code what happened, for programs
   * @param {string} message one sentence, for people
   * @param {object} [members] further members to copy
   * @param {ErrorOptions} [options] `cause`: what led to it
   */
  constructor(code, message, members = {}, options) {
    super(message, options);
    this.name = "SharedStateError";
    this.code = /** @type {ErrorCode} */ (code);
    // The server's members never replace those of every error.
    for (const [name, value] of Object.entries(members))
      if (value !== undefined && !(name in this)) /** @type {any} */ (this)[name] = value;
  }
}

/**
 * @param {string} place in an update; empty for the update as a whole
 * @param {string} problem
 */
export const bad_update = (place, problem) =>
  new SharedStateError("bad_update", `${place || "update"}: ${problem}`, {
    place: place || undefined,
  });

/** Why a dataset with only some `fields` of each item sets none: the others would be lost. */
export const cut = () => bad_update("insert", "none, where only some fields are known");

/** To be thrown by the function `token`: nobody is signed in, and it is not asked again until `connect` is called. */
export class Unauthorized extends Error {}
