/**
 * The collections that a client holds: its requests to keep them in sync, and the server's messages about them.
 *
 * - A subscription ends with its connection; the replica survives and resumes on the next one.
 * - Until the server has shown that it speaks level 2, each request names all subscriptions, as level 1 requires;
 *   after that, requests name only what changes, and cost the same however many there are.
 * - An answer is about what its request named, whatever else it lists.
 * - What this user may not read is no longer held: it is emptied when the server refuses it or ends it, and asked for
 *   again for another user. While it is not decided who the user is, what nobody may read is kept.
 * - Of more than the server takes the first are asked for, and the others when there is room.
 */

import { send_text } from "./effects.js";
import { SharedStateError } from "./errors.js";
import { by_path, encode_request, members } from "./messages.js";
import { error_of } from "./requests.js";
import { Subscription } from "./subscription.js";

/** @import { Effect } from "./effects.js" */
/** @import { End, Notification, Reply } from "./messages.js" */
/** @import { Replica } from "./replica.js" */

/** All held collections, by path; methods add their effects to `out`. */
export class Subscriptions {
  /**
   * The protocol level that the server has shown. Until it is 2, the server may know only whole lists of subscriptions.
   * @type {1 | 2 | undefined}
   */
  level;
  /** Paths that the server takes at most, as it has said. */
  #most = Infinity;
  /** Whether some wait because there are more. */
  #full = false;
  #connected = false;
  /** @type {Map<unknown, Subscription>} */
  #by_path = new Map();
  #asked = 0;
  /**
   * Requests without an answer: what they name, and ticks since. By tunnel.
   * @type {Map<unknown, {named: Subscription[], age: number}>}
   */
  unanswered = new Map();
  #max_snapshot;

  /** @param {number} max_snapshot characters of JSON text that the parts of one snapshot may have */
  constructor(max_snapshot) {
    this.#max_snapshot = max_snapshot;
  }

  /** @param {Effect[]} out */
  connection_opened(out) {
    this.#connected = true;
    this.#subscribe(this.#all(), true, out);
  }

  connection_lost() {
    this.#connected = false;
    this.unanswered.clear();
    for (const each of this.#all()) each.state = "idle";
  }

  /**
   * Keep a replica in sync with a collection; if it is already held, ask for it again only if it was refused.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @param {Effect[]} out
   */
  acquire(path, replica, out) {
    let subscription = this.#by_path.get(path);
    if (subscription?.in_force) return;
    subscription ??= new Subscription(path, replica, this.#max_snapshot);
    this.#by_path.set(path, subscription);
    this.#subscribe([subscription], true, out);
  }

  /** @param {string} path normalised @param {Effect[]} out */
  release(path, out) {
    const subscription = this.#by_path.get(path);
    if (!subscription) return;
    this.#by_path.delete(path);
    this.#unsubscribe(subscription, out);
    this.#use_room(out);
  }

  /**
   * Ask for so many paths at a time, as the server has said.
   *
   * @param {number | undefined} most
   * @param {Effect[]} out
   */
  adjust(most = Infinity, out) {
    this.#most = most;
    this.#use_room(out);
  }

  /**
   * Ask again for what the former user was denied.
   *
   * @param {Effect[]} out
   */
  user_changed(out) {
    const denied = this.#all().filter((each) => each.denial);
    this.#subscribe(denied, true, out);
  }

  /**
   * There is no user: let go what was kept until that was decided.
   *
   * @param {Effect[]} out
   */
  let_go(out) {
    for (const each of this.#all())
      if (each.denial && each.state === "idle") each.refuse(each.denial, out);
  }

  /**
   * @param {Notification} notification
   * @param {Effect[]} out
   * @returns {boolean} false if there is a gap before it
   */
  notified(notification, out) {
    const { path, epoch } = notification;
    this.level = epoch === undefined ? 1 : 2;
    const subscription = this.#by_path.get(path);
    // Released meanwhile: this was still on its way.
    if (!subscription) return true;
    const trouble = subscription.receive(notification, out);
    if (trouble === "too_large")
      this.#give_up(subscription, trouble, "its parts exceed max_snapshot", out);
    return trouble !== "gap";
  }

  /**
   * The server has ended a subscription.
   *
   * @param {End} message
   * @param {Effect[]} out
   */
  ended({ path, error }, out) {
    const subscription = this.#by_path.get(path);
    // The end of an earlier subscription, while another one is asked for.
    if (subscription?.state === "asked") subscription.forget(out);
    if (subscription?.state !== "subscribed") return;
    subscription.refuse(error_of({ data: `${path}: ended by the server`, error }), out, true);
    this.#use_room(out);
  }

  /**
   * Subscribe anew, if subscribed, because something was missed; in two requests, because a server may consider a path
   * that one request removes and inserts as subscribed already, and send nothing.
   *
   * @param {unknown} path
   * @param {string | undefined} epoch of what revealed it; undefined: as held
   * @param {Effect[]} out
   */
  missed(path, epoch, out) {
    const subscription = this.#by_path.get(path);
    if (subscription?.state !== "subscribed") return;
    const { awaited, replica } = subscription;
    if (awaited === "snapshot")
      return this.#give_up(subscription, "bad_message", "the server sent no snapshot", out);
    const resume = awaited === "nothing" && (epoch ?? replica.epoch) === replica.epoch;
    this.#unsubscribe(subscription, out);
    this.#subscribe([subscription], resume, out);
  }

  /**
   * Handle the server's answer to `PUT /subs`: it lists what the request named and is subscribed now. More may be in
   * the list, from a server that does not know `brief`.
   *
   * @param {Reply} reply
   * @param {boolean} undecided whether it may still turn out who the user is
   * @param {Effect[]} out
   */
  answered(reply, undecided, out) {
    const request = this.unanswered.get(reply.tunnel);
    if (!request) return;
    this.unanswered.delete(reply.tunnel);
    const accepted = by_path(reply.data);
    const errors = by_path(reply.errors);
    for (const subscription of request.named) {
      const { path, state } = subscription;
      const asked = state === "asked" && subscription.tunnel === reply.tunnel;
      const listed = accepted.has(path) || !Array.isArray(reply.data);
      if (reply.ok && listed) {
        if (asked) subscription.state = "subscribed";
      } else if (asked || (reply.ok && state === "subscribed")) {
        const error = members(errors.get(path) ?? { code: "refused" });
        const reason = error_of(reply.ok ? { data: `${path}: not subscribed`, error } : reply);
        if (undecided && reason.code === "unauthenticated") subscription.wait(reason);
        else subscription.refuse(reason, out);
      }
    }
    this.#use_room(out);
  }

  #all() {
    return [...this.#by_path.values()];
  }

  /**
   * Ask for paths that wait, if there may be room for them.
   *
   * @param {Effect[]} out
   */
  #use_room(out) {
    if (!this.#full) return;
    this.#full = false;
    const waiting = this.#all().filter(({ state, denial }) => state === "idle" && !denial);
    this.#subscribe(waiting, true, out);
  }

  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @param {Effect[]} out
   */
  #subscribe(subscriptions, resume, out) {
    if (this.#by_path.size > this.#most) {
      this.#full = true;
      const taken = this.#all().filter((each) => each.in_force).length;
      // The others wait.
      for (const each of subscriptions.splice(Math.max(0, this.#most - taken))) each.state = "idle";
    }
    if (!this.#connected || subscriptions.length === 0) return;
    for (const each of subscriptions) each.ask(resume);
    this.#change(subscriptions, undefined, out);
  }

  /** @param {Subscription} subscription @param {Effect[]} out */
  #unsubscribe(subscription, out) {
    subscription.state = "idle";
    if (this.#connected) this.#change(undefined, [subscription.path], out);
  }

  /**
   * Change the server's list of subscriptions. Once the server is known to speak level 2, request and answer are about
   * the change alone, however many subscriptions there are.
   *
   * @param {Subscription[] | undefined} named now in force
   * @param {string[] | undefined} remove paths no longer in force
   * @param {Effect[]} out
   */
  #change(named, remove, out) {
    // Tunnels of the application's requests are numbers, those of the client's own strings.
    const tunnel = `subs${this.#asked++}`;
    for (const each of named ?? []) each.tunnel = tunnel;
    const whole = this.level !== 2;
    if (whole) named = this.#all().filter((each) => each.in_force);
    this.unanswered.set(tunnel, { named: named ?? [], age: 0 });
    const insert = named?.map(({ path, sub }) => [path, sub]);
    const arg = whole ? { insert, reset: true } : { insert, remove, brief: true };
    out.push(send_text(encode_request("PUT", "/subs", arg, tunnel)));
  }

  /**
   * Do without a subscription until it is asked for again.
   *
   * @param {Subscription} subscription
   * @param {string} code
   * @param {string} reason
   * @param {Effect[]} out
   */
  #give_up(subscription, code, reason, out) {
    this.#unsubscribe(subscription, out);
    subscription.refuse(new SharedStateError(code, reason), out);
  }
}
