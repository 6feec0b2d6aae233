/**
 * Whose connection it is, and what its server can do: what a client says, and is told, through `/session`.
 *
 * - Each connection begins with `PUT /session`, and what else there is to say follows at once. Nothing depends on an
 *   answer: a server that does not know the path refuses it, or says nothing.
 * - While a token is shown, the application's requests wait until the server has accepted it, or has shown that it knows
 *   no sessions: it has answered something that was asked later.
 * - After a token that is refused another one is wanted. If that is refused too, none is until the next connection.
 * - What has waited is nobody else's: it is refused when its user signs out, when no token of theirs is accepted, or when
 *   somebody else signs in.
 * - A server that hangs up before it has said a word may do so because of `/session`. The next connection does without,
 *   unless there is a token, or the server has ever answered it.
 */

import { send_text } from "./effects.js";
import { bounds_of } from "./bounds.js";
import { encode_request, members } from "./messages.js";
import { SharedStateError } from "./errors.js";
import { error_of } from "./requests.js";

/** @import { Bounds } from "./bounds.js" */
/** @import { Effect } from "./effects.js" */
/** @import { Reply, Session as Told } from "./messages.js" */

/** Codes of a server that knows sessions, but cannot look into a token now. */
const LATER = ["unavailable", "internal", "too_many"];

/** The session of one client, over all its connections; methods add their effects to `out`. */
export class Session {
  #key;
  /** @type {Bounds} what the server takes, as far as it has said */
  bounds = {};
  /** @type {readonly unknown[] | undefined} what it can do beyond level 2; undefined: not known on this connection */
  features;
  /** Whether the application's requests wait for a token to be accepted. */
  held = false;
  /** Whether the server has said anything on this connection. */
  heard = false;
  #connected = false;
  #asked = 0;
  /** @type {string | undefined} the tunnel of the latest request */
  #unanswered;
  /** Ticks since it was sent, or refused. */
  #age = 0;
  /** How many of them an answer may take. */
  #limit = Infinity;
  /** @type {string | null | undefined} as shown last */
  #token;
  /** Whether the server has ever answered. */
  #known = false;
  #avoid = false;
  /** Whether another token was asked for since one was accepted. */
  #again = false;
  #gave_up = false;
  /** @type {string | undefined} the id of the user for whom requests wait, as far as known */
  #user;
  /** @type {SharedStateError | undefined} */
  #refusal;

  /** @param {string} [key] its secret name; without one, nothing is said */
  constructor(key) {
    this.#key = key;
  }

  /**
   * Whether the server may yet accept another token than the one that it has refused, or has not answered. Not for
   * longer than an answer may take.
   */
  get undecided() {
    return this.held && this.#age <= this.#limit;
  }

  /** Whether it has yet to say what it can do. */
  get awaited() {
    return !!this.#unanswered && !this.features;
  }

  /**
   * @param {string | null | undefined} token
   * @param {boolean} needed whether a server without sessions would be of no use
   * @param {Effect[]} out
   */
  connection_opened(token, needed, out) {
    this.#connected = true;
    this.heard = this.#again = this.#gave_up = false;
    if (token === null) this.#sign_out();
    const avoid = this.#avoid && token === undefined && !needed;
    this.#avoid = false;
    this.held = !!this.#key && typeof token === "string";
    this.#token = token;
    this.features = avoid ? [] : undefined;
    if (!avoid) this.#ask(out);
  }

  connection_lost() {
    this.#avoid = !!this.#unanswered && !this.heard && !this.#known;
    this.#unanswered = undefined;
    this.#connected = this.held = false;
  }

  /** @param {string | null} token @param {Effect[]} out */
  sign_in(token, out) {
    this.#token = token;
    if (token === null) this.#sign_out();
    if (this.#connected) this.#ask(out);
    else if (token === null) out.push(identified());
  }

  /**
   * A tick has passed.
   *
   * @param {number} limit
   * @returns {boolean} whether a server that knows sessions owes an answer; any other counts as one that knows none
   */
  tick(limit) {
    this.#limit = limit;
    const late = this.#age++ >= limit && !!this.#unanswered;
    if (late) this.overtaken();
    return late && this.#known;
  }

  /** @param {Effect[]} out */
  #ask(out) {
    if (!this.#key) return;
    this.#age = 0;
    const tunnel = (this.#unanswered = `session${this.#asked++}`);
    const arg = { key: this.#key, token: this.#token };
    out.push(send_text(encode_request("PUT", "/session", arg, tunnel)));
  }

  /**
   * The server has answered what was asked later: it knows no sessions, if it has not answered.
   *
   * @returns {boolean} whether that is news
   */
  overtaken() {
    if (!this.#unanswered || this.#known || this.features) return false;
    this.features = [];
    // Where nothing waits for it, a late answer still counts.
    if (this.held) this.#unanswered = undefined;
    this.held = false;
    return true;
  }

  /**
   * @param {Reply} reply
   * @param {Effect[]} out
   * @returns {boolean} whether it is the answer: no later one counts
   */
  answered(reply, out) {
    const { ok, tunnel, error } = reply;
    if (tunnel !== this.#unanswered) {
      const is_earlier = /^session/.test(/** @type {string} */ (tunnel));
      if (is_earlier && (ok || error.code === "unauthenticated")) this.#known = true;
      return false;
    }
    if (!tunnel) return false;
    this.#unanswered = undefined;
    if (reply.ok) this.#accepted(members(reply.data), out);
    else this.#refused(reply, out);
    return true;
  }

  #sign_out() {
    if (this.#user || this.held) this.#refusal = gone();
    this.#user = undefined;
    this.held = false;
  }

  /** Why what waits is refused, if it is: told once. */
  take_refusal() {
    const refusal = this.#refusal;
    this.#refusal = undefined;
    return refusal;
  }

  /** @param {Record<string, any>} data @param {Effect[]} out */
  #accepted({ limits, features, user, expires }, out) {
    this.#known = true;
    const id = user_of(user)?.id;
    if (id && this.#user && id !== this.#user) this.#refusal = gone();
    this.#user = id ?? this.#user;
    this.#again = this.#gave_up = this.held = false;
    this.bounds = bounds_of(limits);
    this.features = Array.isArray(features) ? features : [];
    out.push(identified(user, expires));
  }

  /** @param {Reply} reply @param {Effect[]} out */
  #refused(reply, out) {
    const error = error_of(reply);
    const { code } = error;
    const { reason } = reply.error;
    const later = LATER.includes(code);
    if (typeof this.#token !== "string" || !(later || code === "unauthenticated")) {
      this.held = this.#known = false;
      this.bounds = {};
      this.features = [];
      out.push(identified());
      return;
    }
    this.#known = true;
    this.#age = 0;
    if (later || reason === "unavailable") {
      out.push(token_wanted("unavailable"));
    } else if (this.#again || reason === "revoked") {
      this.#gave_up = true;
      // Who was signed in before on this connection stays so until the server says otherwise.
      if (this.held) {
        this.held = false;
        this.#refusal = error;
        out.push(identified());
      }
      out.push({ kind: "unauthenticated", error });
    } else {
      this.#again = true;
      out.push(token_wanted(typeof reason === "string" ? reason : "invalid"));
    }
  }

  /** @param {Told} message @param {Effect[]} out */
  told({ user, expires, reason }, out) {
    if (!this.#connected) return;
    out.push(identified(user, expires));
    const over = reason === "expired";
    if (over && this.#gave_up) this.#sign_out();
    if (typeof this.#token !== "string" || this.#gave_up) return;
    if (over) this.held = true;
    if ((over || reason === "expires") && !this.#unanswered) out.push(token_wanted(reason));
  }
}

/** @param {string} reason @returns {Effect} */
const token_wanted = (reason) => ({ kind: "token_wanted", reason });

/** @param {any} user */
const user_of = (user) => (typeof user?.id === "string" ? user : null);

const gone = () =>
  new SharedStateError("unauthenticated", "its user has signed out", { reason: "missing" });

/**
 * @param {any} [user]
 * @param {any} [expires]
 * @returns {Effect}
 */
const identified = (user, expires) => ({
  kind: "identified",
  user: user_of(user),
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
