/**
 * The client without I/O: a state machine.
 *
 * What happens (a connection, a message, a call of the application) is the input of a method; what must be done is
 * returned as a list of effects, to be performed in order. There is no socket, timer, clock or randomness here,
 * and nothing that a server sends makes a method throw. The Python client's core has the same inputs and effects.
 */

import { fault, send_text, settled } from "./effects.js";
import { SharedStateError } from "./errors.js";
import { decode, encode_request } from "./messages.js";
import { Requests, closed } from "./requests.js";
import { Session } from "./session.js";
import { MAX_SNAPSHOT } from "./subscription.js";
import { Subscriptions } from "./subscriptions.js";
import { filter_fault } from "./views.js";

/** @import { Effect } from "./effects.js" */
/** @import { Reply } from "./messages.js" */
/** @import { Replica } from "./replica.js" */
/** @import { Filter } from "./views.js" */

/** Default number of requests that may wait for a connection: minutes of an active page. */
export const MAX_QUEUE = 1000;

/** How often a server may break the protocol on one connection: once more, and the connection is dropped. */
const MAX_BREACHES = 10;

export class ClientProtocol {
  #closed = false;
  #requests;
  #session;
  #subscriptions;
  /** Breaches of the protocol on this connection. */
  #breaches = 0;

  /**
   * @param {{max_queue?: number, max_snapshot?: number, key?: string}} [options] `max_queue`: requests that may wait for a
   *   connection; `max_snapshot`: characters of JSON text that the parts of one snapshot may have; `key`: the
   *   secret name of the client's session, without which it keeps to no limits of the server and shows no token
   */
  constructor({ max_queue = MAX_QUEUE, max_snapshot = MAX_SNAPSHOT, key } = {}) {
    this.#session = new Session(key);
    this.#requests = new Requests(max_queue);
    this.#subscriptions = new Subscriptions(max_snapshot);
  }

  /**
   * @param {string | null} [token] shows whose it is, null: nobody's; without it, nothing is said about that
   * @returns {Effect[]}
   */
  connection_opened(token) {
    /** @type {Effect[]} */
    const out = [];
    this.#breaches = 0;
    const needed = this.#subscriptions.filtered || this.#requests.patching;
    this.#session.connection_opened(token, needed, out);
    this.#subscriptions.connection_opened(out);
    this.#requests.connected = true;
    this.#requests.adjust(this.#session, out);
    return out;
  }

  /**
   * Show another token on this connection; null signs out. The next connection begins with its own.
   *
   * @param {string | null} token
   * @returns {Effect[]}
   */
  sign_in(token) {
    /** @type {Effect[]} */
    const out = [];
    if (this.#closed) return out;
    this.#session.sign_in(token, out);
    return this.#keep(out);
  }

  /**
   * @param {import("./requests.js").Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    this.#session.connection_lost();
    this.#subscriptions.connection_lost();
    return this.#requests.connection_lost(closing);
  }

  /**
   * Close for good: pending requests are settled, later ones refused.
   *
   * @returns {Effect[]}
   */
  close() {
    this.#closed = true;
    this.#subscriptions.connection_lost();
    return this.#requests.end(closed());
  }

  /**
   * Attempts to connect have ended for now: waiting requests are refused, later ones wait again.
   *
   * @param {SharedStateError} error
   * @returns {Effect[]}
   */
  give_up(error) {
    return this.#requests.end(error);
  }

  /**
   * Some time has passed: look for what waits for an answer in vain. To be called at regular intervals.
   *
   * @param {number} limit intervals within which an answer has to come
   * @returns {Effect[]}
   */
  tick(limit) {
    const late = (/** @type {{age: number}} */ each) => each.age++ >= limit;
    const unanswered = [this.#requests.sent, this.#subscriptions.requests.unanswered];
    return this.#session.tick(limit) || unanswered.some((map) => [...map.values()].some(late))
      ? [fault("no answer in time", true)]
      : this.#keep([]);
  }

  /**
   * Check that the server is alive: any answer will do.
   *
   * @returns {Effect[]}
   */
  probe() {
    return this.#requests.connected
      ? [send_text(encode_request("GET", "/clock", undefined, "probe"))]
      : [];
  }

  /**
   * @param {unknown} ticket returned by the `settled` effect of this request
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} [arg]
   * @returns {Effect[]}
   */
  request(ticket, cmd, path, arg) {
    if (this.#closed) return [settled(ticket, closed())];
    // The server would ignore the condition.
    if (this.#subscriptions.requests.level === 1 && /** @type {any} */ (arg)?.if)
      return [settled(ticket, new SharedStateError("failed", "the server knows no conditions"))];
    const fault = filter_fault(arg, this.#session.features);
    if (fault) return [settled(ticket, fault)];
    return this.#requests.add(ticket, cmd, path, arg);
  }

  /**
   * Withdraw a request that has not been sent yet.
   *
   * @param {unknown} ticket
   * @returns {boolean} true if it will never be sent; otherwise it takes its course
   */
  withdraw(ticket) {
    return this.#requests.withdraw(ticket);
  }

  /**
   * Keep a replica in sync with a collection, or a part of it. Called again for a path and view, it has an effect only
   * if the server had refused, which is then asked again.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @param {Filter} [filter]
   * @returns {Effect[]}
   */
  acquire(path, replica, filter = {}) {
    /** @type {Effect[]} */
    const out = [];
    this.#subscriptions.acquire(path, replica, filter, out);
    return out;
  }

  /**
   * @param {string} path normalised
   * @param {string} [view]
   * @returns {Effect[]}
   */
  release(path, view) {
    /** @type {Effect[]} */
    const out = [];
    this.#subscriptions.release(path, view, out);
    return out;
  }

  /**
   * @param {string} text one text frame
   * @returns {Effect[]}
   */
  receive_text(text) {
    /** @type {Effect[]} */
    const out = [];
    this.#session.heard = true;
    const message = decode(text);
    switch (message?.kind) {
      case "notification":
        if (!this.#subscriptions.notified(message, out)) this.#breach(message, out);
        break;
      case "reply":
        this.#replied(message, out);
        break;
      case "session":
        this.#session.told(message, out);
        this.#keep(out);
        break;
      case "end":
        this.#subscriptions.ended(message, out);
        break;
      case "malformed":
        this.#breach(message, out);
    }
    return out;
  }

  /** @param {Reply} reply @param {Effect[]} out */
  #replied(reply, out) {
    const { tunnel, ok, error } = reply;
    const session = this.#session;
    const subscriptions = this.#subscriptions;
    if (error.epoch) subscriptions.requests.level = 2;
    if (session.answered(reply, out)) {
      if (ok) subscriptions.user_changed(out);
      this.#keep(out);
      return;
    }
    const is_own = subscriptions.requests.unanswered.has(tunnel) || this.#requests.sent.has(tunnel);
    // What cannot be told may be the refusal of a session; a token that is waited for is not answered any more.
    if ((is_own || (!ok && tunnel == null)) && session.overtaken()) this.#keep(out);
    subscriptions.answered(reply, session.undecided, out);
    this.#requests.receive(reply, out);
  }

  /**
   * Go on as far as it is known whose the connection is, and what the server takes.
   *
   * @param {Effect[]} out
   * @returns {Effect[]} with what follows
   */
  #keep(out) {
    const session = this.#session;
    if (!session.undecided) this.#subscriptions.let_go(out);
    this.#subscriptions.adjust(session, out);
    this.#requests.adjust(session, out);
    return out;
  }

  /**
   * The server broke the protocol: a message cannot be read, or does not follow. Mend it, up to `MAX_BREACHES` times,
   * by subscribing anew.
   *
   * @param {{path: unknown, view?: unknown, epoch?: string, reason?: string}} message without a reason, it does not follow: that is
   *   no news for the application
   * @param {Effect[]} out
   */
  #breach({ path, view, epoch, reason }, out) {
    // Without a path, nobody knows for whom it was: something may wait for it for ever.
    const fatal =
      ++this.#breaches > MAX_BREACHES ||
      typeof path !== "string" ||
      typeof (view ?? "") !== "string";
    if (reason || fatal) out.push(fault(`bad message: ${reason ?? "gaps"}`, fatal));
    if (!fatal) this.#subscriptions.missed(path, view, epoch, out);
  }
}
