/**
 * The application's requests: each is settled exactly once.
 *
 * - A request waits while there is no connection, while a token waits to be accepted, or while `WINDOW` requests are
 *   unanswered. Requests are sent in the order in which they were made.
 * - A waiting request survives the loss of a connection, but not that of its user. One that was sent survives neither:
 *   its outcome is unknown, and sending it again could apply it twice.
 * - The exception is a connection that the server closes because a message is too long: the longest unanswered
 *   request was not accepted.
 * - The text is encoded when the request is made, so that later changes by the application do not leak into it.
 */

import { message_fault } from "./bounds.js";
import { send_text, settled } from "./effects.js";
import { SharedStateError } from "./errors.js";
import { encode_request } from "./messages.js";
import { filter_fault } from "./views.js";

/** @import { Effect } from "./effects.js" */
/** @import { Reply } from "./messages.js" */

/**
 * @typedef {object} Waiting
 * @property {number} tunnel
 * @property {unknown} ticket
 * @property {string} text
 * @property {unknown} asked
 * @property {boolean} patches whether a server that knows no patches would take it for another update
 * @property {number} age ticks since it was sent
 */
/** @typedef {{code?: number, reason?: string}} Closing how the server ended a connection, if it said so */

/** The close code for a message that is too long (RFC 6455, section 7.4.1). */
const TOO_BIG = 1009;

/** Maximum number of unanswered requests: the server has a limit too, and refuses what exceeds it. */
export const WINDOW = 100;

/** How many unanswered requests of the server's limit are left for the client's own. */
const RESERVED = 4;

/** Maximum size of waiting requests, in UTF-16 units: a page must not grow while it is offline. */
export const MAX_WAITING_LENGTH = 2 ** 24;

export class Requests {
  #max_waiting;
  /** Whether there is a connection. */
  connected = false;
  /** Whether nothing is sent until it is known whose the connection is. */
  held = false;
  /** @type {import("./bounds.js").Bounds} what the server takes */
  bounds = {};
  /** @type {readonly unknown[] | undefined} what the server can do beyond level 2; undefined: not known */
  features;
  /** Whether it will say so. */
  #awaited = false;
  #next_tunnel = 0;
  /** @type {Map<unknown, Waiting>} by tunnel */
  sent = new Map();
  /** @type {Waiting[]} */
  #waiting = [];
  #waiting_length = 0;

  /** @param {number} max_waiting requests that may wait for a connection */
  constructor(max_waiting) {
    this.#max_waiting = max_waiting;
  }

  /**
   * @param {unknown} ticket
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} arg
   * @returns {Effect[]}
   */
  add(ticket, cmd, path, arg) {
    const tunnel = this.#next_tunnel++;
    let text = "";
    let error;
    try {
      text = encode_request(cmd, path, arg, tunnel);
    } catch (cause) {
      error = new SharedStateError("bad_update", "not JSON", {}, { cause });
    }
    error ??= message_fault(text, this.bounds);
    // With a connection, the queue drains at the server's pace.
    const full =
      this.#waiting.length >= this.#max_waiting ||
      this.#waiting_length + text.length > MAX_WAITING_LENGTH;
    if (full && (!this.connected || this.held))
      error ??= new SharedStateError("too_many", "not connected, or not signed in; queue full");
    if (error) return [settled(ticket, error)];
    // What is written may be large.
    const asked = cmd === "GET" ? arg : undefined;
    const patches = cmd === "PUT" && /** @type {any} */ (arg)?.patch !== undefined;
    this.#waiting.push({ tunnel, ticket, text, asked, patches, age: 0 });
    this.#waiting_length += text.length;
    return this.#fill([]);
  }

  /** Whether something waits that not every server takes as it is meant. */
  get patching() {
    return this.#waiting.some(({ patches }) => patches);
  }

  /**
   * What is known of the connection has changed.
   *
   * @param {{bounds: import("./bounds.js").Bounds, features: readonly unknown[] | undefined, awaited: boolean,
   *   held: boolean, take_refusal(): SharedStateError | undefined}} session
   * @param {Effect[]} out
   */
  adjust(session, out) {
    const refusal = session.take_refusal();
    if (refusal) out.push(...this.#refuse(refusal));
    this.bounds = session.bounds;
    this.features = session.features;
    this.#awaited = session.awaited;
    this.held = session.held;
    this.#fill(out);
  }

  /**
   * @param {Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    this.connected = false;
    const lost = [...this.sent.values()];
    this.sent.clear();
    const too_large = closing?.code === TOO_BIG ? longest(lost) : undefined;
    return lost.map((request) =>
      settled(
        request.ticket,
        request === too_large
          ? new SharedStateError("too_large", `${closing?.reason}`)
          : new SharedStateError("connection_lost", "connection lost, outcome unknown", {
              outcome: "unknown",
            }),
      ),
    );
  }

  /**
   * @param {SharedStateError} error for requests that were not sent
   * @returns {Effect[]}
   */
  end(error) {
    return this.connection_lost().concat(this.#refuse(error));
  }

  /** @param {SharedStateError} error for requests that wait @returns {Effect[]} */
  #refuse(error) {
    this.#waiting_length = 0;
    return this.#waiting.splice(0).map(({ ticket }) => settled(ticket, error));
  }

  /**
   * @param {unknown} ticket
   * @returns {boolean}
   */
  withdraw(ticket) {
    const index = this.#waiting.findIndex((waiting) => waiting.ticket === ticket);
    if (index < 0) return false;
    this.#waiting_length -= this.#waiting.splice(index, 1)[0].text.length;
    return true;
  }

  /**
   * @param {Reply} reply ignored if it does not answer a request
   * @param {Effect[]} out
   */
  receive(reply, out) {
    const request = this.sent.get(reply.tunnel);
    if (!request) return;
    this.sent.delete(reply.tunnel);
    let error;
    if (!reply.ok) error = error_of(reply);
    // It was asked before it was known that the server knows no filters: it has sent all that there is.
    else if (!reply.at) error = filter_fault(request.asked, this.features ?? []);
    out.push(settled(request.ticket, error, reply));
    // Refilled by halves: taking many requests from the front of a long list at once is cheap.
    if (this.sent.size <= this.#window / 2) this.#fill(out);
  }

  get #window() {
    const { unanswered = Infinity } = this.bounds;
    return Math.max(1, Math.min(WINDOW, unanswered - RESERVED));
  }

  /** @param {Effect[]} out @returns {Effect[]} */
  #fill(out) {
    const room = this.#window - this.sent.size;
    if (!this.connected || this.held || room <= 0) return out;
    // What has to wait until it is known what the server can do holds up what was asked later.
    const end = this.#awaited ? this.#waiting.findIndex(({ patches }) => patches) : -1;
    for (const request of this.#waiting.splice(0, end < 0 ? room : Math.min(end, room))) {
      const { tunnel, ticket, text, patches } = request;
      this.#waiting_length -= text.length;
      if (patches && this.features && !this.features.includes("patch")) {
        const error = new SharedStateError("failed", "the server knows no patches");
        out.push(settled(ticket, error));
        continue;
      }
      this.sent.set(tunnel, request);
      out.push(send_text(text));
    }
    return out;
  }
}

/**
 * The request that a server did not accept when it closed with `TOO_BIG`: one was too long, so the longest was.
 *
 * @param {Waiting[]} requests
 * @returns {Waiting | undefined}
 */
function longest(requests) {
  const sizes = requests.map(({ text }) => new Blob([text]).size);
  return requests[sizes.indexOf(Math.max(...sizes))];
}

/** @returns {SharedStateError} */
export function closed() {
  return new SharedStateError("closed", "the client is closed");
}

/**
 * @param {Pick<Reply, "data" | "error">} reply a failed one
 * @returns {SharedStateError}
 */
export function error_of({ data, error }) {
  const code = typeof error.code === "string" ? error.code : "failed";
  const reason = [error.message, data].find((each) => typeof each === "string");
  return new SharedStateError(code, reason ?? "the server refused", error);
}
