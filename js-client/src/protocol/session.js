/**
 * Whose connection it is, and what its server can do: what a client says, and is told, through `/session`.
 *
 * - Each connection begins with `PUT /session`, and what else there is to say follows at once. Nothing depends on an
 *   answer: a server that does not know the path refuses it, or says nothing.
 * - While a token is shown, the application's requests wait until the server has accepted it, or has shown that it knows
 *   no sessions: it has answered something that was asked later.
 * - After a token that is refused another one is wanted. If that is refused too, none is until the next connection.
 * - A server that hangs up before it has said a word may do so because of `/session`. The next connection does without,
 *   unless there is a token, or the server has ever answered it.
 */

import { send_text } from "./effects.js";
import { encode_request, members } from "./messages.js";
import { error_of } from "./requests.js";

/** @import { Bounds } from "./bounds.js" */
/** @import { Effect } from "./effects.js" */
/** @import { Reply, Session as Told } from "./messages.js" */

/** Codes of a server that knows sessions, but cannot look into a token now. */
const LATER = ["unavailable", "internal", "too_many"];

/** @param {string} reason @returns {Effect} */
const token_wanted = (reason) => ({ kind: "token_wanted", reason });

export class Session {
  #key;
  /** @type {Bounds} what the server takes, as far as it has said */
  bounds = {};
  /** @type {unknown[]} what the server can do beyond level 2 */
  features = [];
  /** Whether the application's requests wait for a token to be accepted. */
  held = false;
  /** Whether the server has said anything on this connection. */
  heard = false;
  #connected = false;
  #asked = 0;
  /** @type {string | undefined} the tunnel of the latest request */
  #unanswered;
  #age = 0;
  /** @type {string | null | undefined} as shown last */
  #token;
  /** Whether the server has ever answered. */
  #known = false;
  #avoid = false;
  /** Whether another token was asked for since one was accepted. */
  #again = false;
  #gave_up = false;

  /** @param {string} [key] its secret name; without one, nothing is said */
  constructor(key) {
    this.#key = key;
  }

  /** @param {string | null} [token] @returns {Effect[]} */
  connection_opened(token) {
    this.#connected = true;
    this.heard = this.#again = this.#gave_up = false;
    const avoid = this.#avoid && token === undefined;
    this.#avoid = false;
    this.held = !!this.#key && typeof token === "string";
    this.#token = token;
    return avoid ? [] : this.#ask();
  }

  connection_lost() {
    this.#avoid = !!this.#unanswered && !this.heard && !this.#known;
    this.#unanswered = undefined;
    this.#connected = this.held = false;
  }

  /** @param {string | null} token @returns {Effect[]} */
  sign_in(token) {
    this.#token = token;
    if (token === null) this.held = false;
    if (this.#connected) return this.#ask();
    return token === null ? [identified()] : [];
  }

  /**
   * A tick has passed.
   *
   * @param {number} limit
   * @returns {boolean} whether a server that knows sessions owes an answer; any other counts as one that knows none
   */
  tick(limit) {
    const late = !!this.#unanswered && this.#age++ >= limit;
    if (late) this.overtaken();
    return late && this.#known;
  }

  /** @returns {Effect[]} */
  #ask() {
    if (!this.#key) return [];
    this.#age = 0;
    const tunnel = (this.#unanswered = `session${this.#asked++}`);
    const arg = { key: this.#key, token: this.#token };
    return [send_text(encode_request("PUT", "/session", arg, tunnel))];
  }

  /**
   * The server has answered what was asked later: it knows no sessions, if it has not answered.
   *
   * @returns {boolean} whether that is news
   */
  overtaken() {
    if (!this.#unanswered || this.#known) return false;
    this.#unanswered = undefined;
    this.held = false;
    return true;
  }

  /**
   * @param {Reply} reply
   * @returns {Effect[] | undefined} undefined: it is not the answer, or a later one counts
   */
  receive(reply) {
    if (!this.#unanswered || reply.tunnel !== this.#unanswered) return undefined;
    this.#unanswered = undefined;
    if (!reply.ok) return this.#refused(reply);
    const { features, limits, user, expires } = members(reply.data);
    this.#known = true;
    this.#again = this.#gave_up = this.held = false;
    this.features = Array.isArray(features) ? features : [];
    this.bounds = Object.fromEntries(
      Object.entries(members(limits)).filter(([, most]) => Number.isInteger(most) && most > 0),
    );
    return [identified(user, expires)];
  }

  /** @param {Reply} reply @returns {Effect[]} */
  #refused(reply) {
    const error = error_of(reply);
    const { code } = error;
    const { reason } = reply.error;
    const later = LATER.includes(code);
    if (typeof this.#token === "string" && (later || code === "unauthenticated")) {
      this.#known = true;
      if (later || reason === "unavailable") return [token_wanted("unavailable")];
      if (this.#again || reason === "revoked") {
        this.#gave_up = true;
        return [{ kind: "unauthenticated", error }];
      }
      this.#again = true;
      return [token_wanted(typeof reason === "string" ? reason : "invalid")];
    }
    this.held = this.#known = false;
    this.features = [];
    this.bounds = {};
    return [identified()];
  }

  /**
   * @param {Told} message
   * @returns {Effect[]}
   */
  told({ user, expires, reason }) {
    if (!this.#connected) return [];
    const effects = [identified(user, expires)];
    const has_token = typeof this.#token === "string";
    if (reason === "expired") this.held = has_token;
    const over = reason === "expired" || reason === "expires";
    if (over && has_token && !this.#unanswered && !this.#gave_up)
      effects.push(token_wanted(reason));
    return effects;
  }
}

/**
 * @param {any} [user]
 * @param {any} [expires]
 * @returns {Effect}
 */
const identified = (user, expires) => ({
  kind: "identified",
  user: typeof user?.id === "string" ? user : null,
  expires: typeof expires === "number" ? expires : null,
});

/** How long before its end a token is replaced at the latest, in seconds. */
const REFRESH = 60;

/**
 * In how many seconds a token should be replaced that is shown now.
 *
 * @param {number} expires when it expires, by the server's clock
 * @param {number} now what time that clock shows
 */
export function refresh_after(expires, now) {
  const life = Math.max(0, expires - now);
  return life - Math.min(REFRESH, life / 4);
}
