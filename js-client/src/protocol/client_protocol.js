/**
 * The client without I/O: a state machine.
 *
 * What happens (a connection, a message, a call of the application) is the input of a method; what must be done is
 * returned as a list of effects, to be performed in order. There is no socket, timer, clock or randomness here,
 * and nothing that a server sends makes a method throw. The Python client's core has the same inputs and effects.
 */

import { fault, send_text, settled } from "./effects.js";
import { SharedStateError } from "./errors.js";
import { by_path, decode, encode_request, members } from "./messages.js";
import { Requests, closed, error_of } from "./requests.js";
import { Session } from "./session.js";
import { MAX_SNAPSHOT, Subscription } from "./subscription.js";

/** @import { Effect } from "./effects.js" */
/** @import { Notification, Reply } from "./messages.js" */
/** @import { Replica } from "./replica.js" */

/** Default number of requests that may wait for a connection: minutes of an active page. */
export const MAX_QUEUE = 1000;

/** How often a server may break the protocol on one connection: once more, and the connection is dropped. */
const MAX_BREACHES = 10;

export class ClientProtocol {
  #closed = false;
  #requests;
  /** @type {Map<string, Subscription>} by path */
  #subscriptions = new Map();
  #next_subs = 0;
  /**
   * Changes of the server's list without an answer: what they name, and ticks since. By tunnel.
   * @type {Map<unknown, {named: Subscription[], age: number}>}
   */
  #unanswered = new Map();
  /**
   * The protocol level that the server has shown. Until it is 2, the server may know only whole lists of subscriptions.
   * @type {1 | 2 | undefined}
   */
  #level;
  /** Breaches of the protocol on this connection. */
  #breaches = 0;
  #max_snapshot;
  #session;
  /** Paths that the server takes at most, as it has said. */
  #most = Infinity;

  /**
   * @param {{max_queue?: number, max_snapshot?: number, key?: string}} [options] `max_queue`: requests that may wait for a
   *   connection; `max_snapshot`: characters of JSON text that the parts of one snapshot may have; `key`: the
   *   secret name of the client's session, without which it keeps to no limits of the server and shows no token
   */
  constructor({ max_queue = MAX_QUEUE, max_snapshot = MAX_SNAPSHOT, key } = {}) {
    this.#session = new Session(key);
    this.#requests = new Requests(max_queue);
    this.#max_snapshot = max_snapshot;
  }

  /**
   * @param {string | null} [token] shows whose it is, null: nobody's; without it, nothing is said about that
   * @returns {Effect[]}
   */
  connection_opened(token) {
    this.#breaches = 0;
    const session = this.#session.connection_opened(token);
    this.#requests.adjust(this.#session);
    const requests = this.#requests.connection_opened();
    return [...session, ...this.#subscribe([...this.#subscriptions.values()], true), ...requests];
  }

  /**
   * Show another token on this connection; null signs out. The next connection begins with its own.
   *
   * @param {string | null} token
   * @returns {Effect[]}
   */
  sign_in(token) {
    return this.#closed ? [] : this.#keep(this.#session.sign_in(token));
  }

  /**
   * @param {import("./requests.js").Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    this.#session.connection_lost();
    for (const each of this.#subscriptions.values()) each.state = "idle";
    this.#unanswered.clear();
    return this.#requests.connection_lost(closing);
  }

  /**
   * Close for good: pending requests are settled, later ones refused.
   *
   * @returns {Effect[]}
   */
  close() {
    this.#closed = true;
    this.#subscriptions.clear();
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
    const unanswered = [...this.#requests.sent.values(), ...this.#unanswered.values()];
    return this.#session.tick(limit) || unanswered.some(late)
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
    if (this.#level === 1 && /** @type {any} */ (arg)?.if)
      return [settled(ticket, new SharedStateError("failed", "the server knows no conditions"))];
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
   * Keep a replica in sync with a collection. Called again for a path, it has an effect only if the server had
   * refused, which is then asked again.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @returns {Effect[]}
   */
  acquire(path, replica) {
    let subscription = this.#subscriptions.get(path);
    if (subscription?.in_force) return [];
    subscription ??= new Subscription(path, replica, this.#max_snapshot);
    this.#subscriptions.set(path, subscription);
    return this.#subscribe([subscription], true);
  }

  /**
   * @param {string} path normalised
   * @returns {Effect[]}
   */
  release(path) {
    const subscription = this.#subscriptions.get(path);
    this.#subscriptions.delete(path);
    return subscription ? [...this.#unsubscribe(subscription), ...this.#use_room()] : [];
  }

  /**
   * @param {string} text one text frame
   * @returns {Effect[]}
   */
  receive_text(text) {
    this.#session.heard = true;
    const message = decode(text);
    switch (message?.kind) {
      case "notification":
        return this.#notified(message);
      case "reply":
        return this.#replied(message);
      case "session":
        return this.#keep(this.#session.told(message));
      case "end":
        return this.#ended(message);
      case "malformed":
        return this.#breach(message);
      default:
        return [];
    }
  }

  /**
   * @param {Reply} reply
   * @returns {Effect[]}
   */
  #replied(reply) {
    const { tunnel, ok } = reply;
    if (reply.error.epoch) this.#level = 2;
    const session = this.#session.receive(reply);
    if (session) {
      const denied = [...this.#subscriptions.values()].filter((each) => ok && each.denied);
      return this.#keep([...session, ...this.#subscribe(denied, true)]);
    }
    const is_own = this.#unanswered.has(tunnel) || this.#requests.sent.has(tunnel);
    // What cannot be told may be the refusal of a session; a token that is waited for is not answered any more.
    const over = is_own ? this.#session.held : !ok && tunnel == null;
    const effects = over && this.#session.overtaken() ? this.#keep([]) : [];
    const answered =
      typeof tunnel === "string" ? this.#subscribed(reply) : this.#requests.receive(reply);
    return [...effects, ...answered];
  }

  /**
   * Go on as far as it is known whose the connection is, and what the server takes.
   *
   * @param {Effect[]} effects
   * @returns {Effect[]} with what follows
   */
  #keep(effects) {
    const { subscriptions = Infinity } = this.#session.bounds;
    const raised = subscriptions !== this.#most;
    this.#most = subscriptions;
    return [...effects, ...this.#use_room(raised), ...this.#requests.adjust(this.#session)];
  }

  /**
   * Ask for paths that have waited, if there may be room for them.
   *
   * @param {boolean} [raised]
   * @returns {Effect[]}
   */
  #use_room(raised) {
    if (!raised && this.#subscriptions.size < this.#most) return [];
    const waiting = [...this.#subscriptions.values()].filter(({ state }) => state === "idle");
    return this.#subscribe(waiting, true);
  }

  /**
   * @param {import("./messages.js").End} message
   * @returns {Effect[]}
   */
  #ended({ path, error }) {
    const subscription = this.#subscriptions.get(/** @type {string} */ (path));
    // The end of an earlier subscription, while another one is asked for.
    if (subscription?.state === "asked") return subscription.forget();
    if (subscription?.state !== "subscribed") return [];
    const reason = error_of({ data: `${path}: ended by the server`, error });
    return [...subscription.refuse(reason, true), ...this.#use_room()];
  }

  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @returns {Effect[]}
   */
  #subscribe(subscriptions, resume) {
    if (this.#subscriptions.size > this.#most) {
      const taken = [...this.#subscriptions.values()].filter((each) => each.in_force).length;
      // The others wait.
      for (const each of subscriptions.splice(Math.max(0, this.#most - taken))) each.state = "idle";
    }
    if (!this.#requests.connected || subscriptions.length === 0) return [];
    for (const each of subscriptions) each.ask(resume);
    return this.#change(subscriptions);
  }

  /**
   * @param {Subscription} subscription
   * @returns {Effect[]}
   */
  #unsubscribe(subscription) {
    subscription.state = "idle";
    return this.#change(undefined, [subscription.path]);
  }

  /**
   * Change the server's list of subscriptions, if there is a connection. Once the server is known to speak level 2,
   * request and answer are about the change alone, however many subscriptions there are.
   *
   * @param {Subscription[]} [inserted]
   * @param {string[]} [remove] paths no longer in force
   * @returns {Effect[]}
   */
  #change(inserted, remove) {
    if (!this.#requests.connected) return [];
    // Tunnels of the application's requests are numbers, those of the client's own strings.
    const tunnel = `subs${this.#next_subs++}`;
    for (const each of inserted ?? []) each.tunnel = tunnel;
    const whole = this.#level !== 2;
    if (whole) inserted = [...this.#subscriptions.values()].filter((each) => each.in_force);
    this.#unanswered.set(tunnel, { named: inserted ?? [], age: 0 });
    const insert = inserted?.map(({ path, sub }) => [path, sub]);
    const arg = whole ? { insert, reset: true } : { insert, remove, brief: true };
    return [send_text(encode_request("PUT", "/subs", arg, tunnel))];
  }

  /**
   * Handle the server's answer to `PUT /subs`: it lists what the request named and is subscribed now. More may be in
   * the list, from a server that does not know `brief`.
   *
   * @param {Reply} reply
   * @returns {Effect[]}
   */
  #subscribed(reply) {
    const accepted = by_path(reply.data);
    const errors = by_path(reply.errors);
    const request = this.#unanswered.get(reply.tunnel);
    this.#unanswered.delete(reply.tunnel);
    /** @type {Effect[]} */
    const effects = [];
    for (const subscription of request?.named ?? []) {
      const { path, state } = subscription;
      const asked = state === "asked" && subscription.tunnel === reply.tunnel;
      const listed = accepted.has(path) || !Array.isArray(reply.data);
      if (reply.ok && listed) {
        if (asked) subscription.state = "subscribed";
      } else if (asked || (reply.ok && state === "subscribed")) {
        const error = members(errors.get(path) ?? { code: "refused" });
        const reason = { data: `${path}: not subscribed`, error };
        effects.push(...subscription.refuse(error_of(reply.ok ? reason : reply)));
      }
    }
    return [...effects, ...this.#use_room()];
  }

  /**
   * @param {Notification} notification
   * @returns {Effect[]}
   */
  #notified(notification) {
    const { path, epoch } = notification;
    this.#level = epoch === undefined ? 1 : 2;
    const subscription = this.#subscriptions.get(path);
    // Released meanwhile: this was still on its way.
    if (!subscription) return [];
    const outcome = subscription.receive(notification);
    if (outcome === "gap") return this.#breach(notification);
    if (outcome !== "too_large") return outcome;
    return this.#give_up(subscription, outcome, "its parts exceed max_snapshot");
  }

  /**
   * The server broke the protocol: a message cannot be read, or does not follow. Mend it, up to `MAX_BREACHES` times,
   * by subscribing anew; in two requests, because a server may consider a path that one request removes and inserts
   * as subscribed already, and send nothing.
   *
   * @param {{path: unknown, epoch?: string, reason?: string}} message without a reason, it does not follow: that is
   *   no news for the application
   * @returns {Effect[]}
   */
  #breach({ path, epoch, reason }) {
    const subscription = this.#subscriptions.get(/** @type {string} */ (path));
    // Without a path, nobody knows for whom it was: something may wait for it for ever.
    const fatal = ++this.#breaches > MAX_BREACHES || typeof path !== "string";
    const faults = reason || fatal ? [fault(`bad message: ${reason ?? "gaps"}`, fatal)] : [];
    if (fatal || subscription?.state !== "subscribed") return faults;
    const remedy = subscription.after_gap(reason ? subscription.replica.epoch : epoch);
    if (remedy === "refuse")
      return [
        ...faults,
        ...this.#give_up(subscription, "bad_message", "the server sent no snapshot"),
      ];
    return [
      ...faults,
      ...this.#unsubscribe(subscription),
      ...this.#subscribe([subscription], remedy === "resume"),
    ];
  }

  /**
   * Do without a subscription until it is asked for again.
   *
   * @param {Subscription} subscription
   * @param {string} code
   * @param {string} reason
   * @returns {Effect[]}
   */
  #give_up(subscription, code, reason) {
    const unsubscribe = this.#unsubscribe(subscription);
    return [...unsubscribe, ...subscription.refuse(new SharedStateError(code, reason))];
  }
}
