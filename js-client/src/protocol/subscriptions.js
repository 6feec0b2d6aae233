/**
 * The collections that a client holds: its requests to keep them in sync, and the server's messages about them.
 *
 * - A subscription ends with its connection; the replica survives and resumes on the next one.
 * - An answer is about what its request named, whatever else it lists (`subs_requests.js`).
 * - What this user may not read is no longer held: it is emptied when the server refuses it or ends it, and asked for
 *   again for another user. While it is not decided who the user is, what nobody may read is kept.
 * - A collection may be held several times, by other filters: each is a subscription of its own, by path and view. What
 *   a server does not know how to filter is refused here: it would send all of it.
 * - Of more than the server takes the first are asked for, and the others when there is room.
 */

import { SharedStateError } from "./errors.js";
import { error_of } from "./requests.js";
import { SubsRequests } from "./subs_requests.js";
import { Subscription } from "./subscription.js";
import { filter_fault, is_filtered, key_of } from "./views.js";

/** @import { Effect } from "./effects.js" */
/** @import { End, Notification, Reply } from "./messages.js" */
/** @import { Replica } from "./replica.js" */
/** @import { Filter } from "./views.js" */

/** All held collections, by path and view; methods add their effects to `out`. */
export class Subscriptions {
  requests = new SubsRequests();
  /** Paths that the server takes at most, as it has said. */
  #most = Infinity;
  /** Whether some wait because there are more. */
  #full = false;
  /** @type {readonly unknown[] | undefined} what the server can do beyond level 2; undefined: not known */
  #features;
  #connected = false;
  /** @type {Map<string, Subscription>} */
  #by_key = new Map();
  #max_snapshot;

  /** @param {number} max_snapshot characters of JSON text that the parts of one snapshot may have */
  constructor(max_snapshot) {
    this.#max_snapshot = max_snapshot;
  }

  /** @param {Effect[]} out */
  connection_opened(out) {
    this.#connected = true;
    this.#features = undefined;
    this.#subscribe(this.#all(), true, out);
  }

  connection_lost() {
    this.#connected = false;
    this.requests.unanswered.clear();
    for (const each of this.#all()) each.state = "idle";
  }

  /**
   * Keep a replica in sync with a collection; if it is already held, ask for it again only if it was refused.
   *
   * @param {string} path normalised
   * @param {Replica} replica
   * @param {Filter} filter
   * @param {Effect[]} out
   */
  acquire(path, replica, filter, out) {
    const key = key_of(path, filter.view);
    let subscription = this.#by_key.get(key);
    if (subscription?.in_force) return;
    subscription ??= new Subscription(path, replica, filter, this.#max_snapshot);
    this.#by_key.set(key, subscription);
    this.#subscribe([subscription], true, out);
  }

  /** @param {string} path normalised @param {string | undefined} view @param {Effect[]} out */
  release(path, view, out) {
    const key = key_of(path, view);
    const subscription = this.#by_key.get(key);
    if (!subscription) return;
    this.#by_key.delete(key);
    this.#unsubscribe(subscription, out);
    this.#use_room(out);
  }

  /**
   * Ask for so many paths at a time, and for nothing but what the server can do, as it has said.
   *
   * @param {{bounds: import("./bounds.js").Bounds, features: readonly unknown[] | undefined}} session
   * @param {Effect[]} out
   */
  adjust({ bounds, features }, out) {
    this.#most = bounds.subscriptions ?? Infinity;
    if (features !== this.#features) this.#limit(features, out);
    this.#use_room(out);
  }

  /**
   * Do without what the server cannot filter.
   *
   * @param {readonly unknown[] | undefined} features
   * @param {Effect[]} out
   */
  #limit(features, out) {
    this.#features = features;
    const kept = new Set();
    const given_up = this.#all().filter(({ path, filter, in_force }) => {
      const fault = filter_fault(filter, features);
      if (in_force && !fault) kept.add(path);
      return in_force && fault;
    });
    for (const each of given_up) each.state = "idle";
    // A server that knows no filters knows no views, either: to it, these were paths.
    const paths = new Set(given_up.map(({ path }) => path).filter((path) => !kept.has(path)));
    if (paths.size) this.#change([], [...paths], out);
    this.#refuse_unknown(given_up, out);
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
    const { path, view, epoch } = notification;
    this.requests.level = epoch === undefined ? 1 : 2;
    const subscription = this.#by_key.get(key_of(path, view));
    // Released meanwhile: this was still on its way.
    if (!subscription) return true;
    const trouble = subscription.receive(notification, out);
    if (trouble === "too_large")
      this.#give_up(
        subscription,
        new SharedStateError(trouble, "its parts exceed max_snapshot"),
        out,
      );
    return trouble !== "gap";
  }

  /**
   * The server has ended a subscription.
   *
   * @param {End} message
   * @param {Effect[]} out
   */
  ended({ path, view, error }, out) {
    const subscription = this.#by_key.get(key_of(path, view));
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
   * @param {unknown} view
   * @param {string | undefined} epoch of what revealed it; undefined: as held
   * @param {Effect[]} out
   */
  missed(path, view, epoch, out) {
    const subscription = this.#by_key.get(key_of(path, view));
    if (subscription?.state !== "subscribed") return;
    const { awaited, replica } = subscription;
    if (awaited === "snapshot")
      return this.#give_up(
        subscription,
        new SharedStateError("bad_message", "the server sent no snapshot"),
        out,
      );
    const resume = awaited === "nothing" && (epoch ?? replica.epoch) === replica.epoch;
    this.#unsubscribe(subscription, out);
    this.#subscribe([subscription], resume, out);
  }

  /**
   * @param {Reply} reply
   * @param {boolean} undecided whether it may still turn out who the user is
   * @param {Effect[]} out
   */
  answered(reply, undecided, out) {
    const verdicts = this.requests.answered(reply);
    if (!verdicts) return;
    for (const { subscription, asked, error } of verdicts) {
      if (!error) {
        if (asked) subscription.state = "subscribed";
      } else if (asked || (reply.ok && subscription.state === "subscribed")) {
        if (undecided && error.code === "unauthenticated") subscription.wait(error);
        else subscription.refuse(error, out);
      }
    }
    this.#use_room(out);
  }

  #all() {
    return [...this.#by_key.values()];
  }

  /** Whether any is only a part of its collection. */
  get filtered() {
    return this.#all().some(({ filter }) => is_filtered(filter));
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
   * @param {Effect[]} out
   * @returns {Subscription[]} without those that are refused because the server cannot filter them
   */
  #refuse_unknown(subscriptions, out) {
    return subscriptions.filter((each) => {
      const fault = filter_fault(each.filter, this.#features);
      if (fault) each.refuse(fault, out);
      return !fault;
    });
  }

  /**
   * @param {Subscription[]} subscriptions
   * @param {boolean} resume
   * @param {Effect[]} out
   */
  #subscribe(subscriptions, resume, out) {
    subscriptions = this.#refuse_unknown(subscriptions, out);
    if (this.#by_key.size > this.#most) {
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
    const { path, view, filter } = subscription;
    subscription.state = "idle";
    // What it cannot filter was never in force there.
    if (this.#connected && !filter_fault(filter, this.#features))
      this.#change([], [view === undefined ? path : [path, view]], out);
  }

  /**
   * @param {Subscription[]} named now in force
   * @param {unknown[] | undefined} remove those no longer in force
   * @param {Effect[]} out
   */
  #change(named, remove, out) {
    this.requests.send(named, remove, () => this.#all(), out);
  }

  /**
   * Do without a subscription until it is asked for again.
   *
   * @param {Subscription} subscription
   * @param {SharedStateError} error
   * @param {Effect[]} out
   */
  #give_up(subscription, error, out) {
    this.#unsubscribe(subscription, out);
    subscription.refuse(error, out);
  }
}
