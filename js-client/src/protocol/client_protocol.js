/**
 * The client without I/O: a state machine.
 *
 * What happens (a connection, a message, a call of the application) is the input of a method; what must be done is
 * returned as a list of effects, to be performed in order. There is no socket, timer, clock or randomness here,
 * and nothing that a server sends makes a method throw. The Python client's core has the same inputs and effects.
 */

import { fault, send_text, settled } from "./effects.js";
import { SharedStateError } from "./errors.js";
import { decode, encode_request, members } from "./messages.js";
import { Requests, closed, error_of } from "./requests.js";
import { Subscription } from "./subscription.js";

/** @import { Effect } from "./effects.js" */
/** @import { Malformed, Notification, Reply } from "./messages.js" */
/** @import { Replica } from "./replica.js" */

/** Default number of requests that may wait for a connection: minutes of an active page. */
export const MAX_WAITING = 1000;

export class ClientProtocol {
  #closed = false;
  #requests;
  /** @type {Map<string, Subscription>} by path */
  #subscriptions = new Map();
  #next_subs = 0;
  /**
   * The protocol level that the server has shown. Until it is 2, the server may know only whole lists of subscriptions.
   * @type {1 | 2 | undefined}
   */
  #level;

  /** @param {{max_waiting?: number}} [options] `max_waiting`: requests that may wait for a connection */
  constructor({ max_waiting = MAX_WAITING } = {}) {
    this.#requests = new Requests(max_waiting);
  }

  /** @returns {Effect[]} */
  connection_opened() {
    const requests = this.#requests.connection_opened();
    return [...this.#subscribe([...this.#subscriptions.values()], true), ...requests];
  }

  /**
   * @param {import("./requests.js").Closing} [closing]
   * @returns {Effect[]}
   */
  connection_lost(closing) {
    for (const subscription of this.#subscriptions.values()) subscription.connection_lost();
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
   * Check that the server is alive: any answer will do.
   *
   * @returns {Effect[]}
   */
  probe() {
    return this.#ask("GET", "/clock", undefined, "probe");
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
    if (subscription && subscription.state !== "refused") return [];
    subscription ??= new Subscription(path, replica);
    this.#subscriptions.set(path, subscription);
    return this.#subscribe([subscription], true);
  }

  /**
   * @param {string} path normalised
   * @returns {Effect[]}
   */
  release(path) {
    return this.#subscriptions.delete(path) ? this.#change("unsubscribe", undefined, [path]) : [];
  }

  /**
   * @param {string} text one text frame
   * @returns {Effect[]}
   */
  receive_text(text) {
    const message = decode(text);
    switch (message?.kind) {
      case "notification":
        return this.#notified(message);
      case "reply":
        if (message.error.epoch) this.#level = 2;
        return typeof message.tunnel === "string"
          ? this.#subscribed(message)
          : this.#requests.receive(message);
      case "malformed":
        return this.#malformed(message);
      default:
        return [];
    }
  }

  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @returns {Effect[]}
   */
  #subscribe(subscriptions, resume) {
    if (!this.#requests.connected || subscriptions.length === 0) return [];
    // Tunnels of the application's requests are numbers, those of the client's own strings.
    const tunnel = `subs${this.#next_subs++}`;
    for (const each of subscriptions) each.ask(tunnel, resume);
    return this.#change(tunnel, subscriptions);
  }

  /**
   * Change the server's list of subscriptions.
   *
   * @param {string} tunnel
   * @param {Subscription[]} [inserted]
   * @param {string[]} [remove] paths no longer in force
   * @returns {Effect[]}
   */
  #change(tunnel, inserted, remove) {
    const whole = this.#level !== 2;
    if (whole) inserted = [...this.#subscriptions.values()].filter((each) => each.in_force);
    const insert = inserted?.map(({ path, sub }) => [path, sub]);
    return this.#ask("PUT", "/subs", whole ? { insert, reset: true } : { insert, remove }, tunnel);
  }

  /**
   * Send one of the client's own requests, if there is a connection.
   *
   * @param {"GET" | "PUT"} cmd
   * @param {string} path
   * @param {unknown} arg
   * @param {string} tunnel
   * @returns {Effect[]}
   */
  #ask(cmd, path, arg, tunnel) {
    return this.#requests.connected ? [send_text(encode_request(cmd, path, arg, tunnel))] : [];
  }

  /**
   * Handle the server's answer to `PUT /subs`.
   *
   * @param {Reply} reply
   * @returns {Effect[]}
   */
  #subscribed(reply) {
    /**
     * @param {any} list of pairs, the path first
     * @returns {Map<unknown, unknown>}
     */
    const by_path = (list) =>
      new Map(Array.isArray(list) ? /** @type {any} */ (list.filter(Array.isArray)) : []);
    const accepted = by_path(reply.data);
    const errors = by_path(reply.errors);
    /** @type {Effect[]} */
    const effects = [];
    for (const subscription of this.#subscriptions.values()) {
      const { path, state, tunnel } = subscription;
      const asked = state === "asked" && tunnel === reply.tunnel;
      const listed = accepted.has(path) || !Array.isArray(reply.data);
      if (reply.ok && listed) {
        if (asked) subscription.state = "subscribed";
      } else if (asked || (reply.ok && state === "subscribed" && this.#level !== 2)) {
        const error = members(errors.get(path) ?? { code: "refused" });
        const reason = { data: `${path}: not subscribed`, error };
        effects.push(this.#refuse(subscription, error_of(reply.ok ? reason : reply)));
      }
    }
    return effects;
  }

  /**
   * @param {Subscription} subscription
   * @param {SharedStateError} error
   * @returns {Effect}
   */
  #refuse(subscription, error) {
    subscription.state = "refused";
    return { kind: "refused", path: subscription.path, error };
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
    if (outcome === "gap") return this.#resubscribe(subscription, epoch);
    if (!outcome) return [];
    const { diffs, synced } = outcome;
    /** @type {Effect[]} */
    const effects = [];
    if (diffs.length > 0) effects.push({ kind: "changed", path, diffs });
    if (synced) effects.push({ kind: "synced", path });
    if (effects.length === 0) effects.push({ kind: "moved", path });
    return effects;
  }

  /**
   * @param {Malformed} message
   * @returns {Effect[]}
   */
  #malformed({ reason, path }) {
    const error = new SharedStateError("bad_message", `bad message: ${reason}`);
    const subscription = this.#subscriptions.get(/** @type {string} */ (path));
    if (subscription?.state !== "subscribed") return [fault(error)];
    return [fault(error), ...this.#resubscribe(subscription, subscription.replica.epoch)];
  }

  /**
   * Subscribe anew after a gap. In two requests, because a server may consider a path that one request removes and
   * inserts as subscribed already, and send nothing.
   *
   * @param {Subscription} subscription
   * @param {string | undefined} epoch
   * @returns {Effect[]}
   */
  #resubscribe(subscription, epoch) {
    const remedy = subscription.after_gap(epoch);
    subscription.state = "idle";
    const remove = this.#change("unsubscribe", undefined, [subscription.path]);
    if (remedy !== "refuse")
      return [...remove, ...this.#subscribe([subscription], remedy === "resume")];
    const error = new SharedStateError("bad_message", "the server sent no snapshot");
    return [...remove, this.#refuse(subscription, error)];
  }
}
