/**
 * One subscription: which notifications are applied, and when to subscribe anew.
 *
 * A notification is applied if it is a snapshot (`reset`) or leads from the version held (`base`). Otherwise
 * something was missed, a *gap*, and the client subscribes anew.
 *
 * | state      | notification                    | what is done                                        |
 * |------------|---------------------------------|-----------------------------------------------------|
 * | idle       | any                             | ignored: there is no subscription on this connection |
 * | asked      | snapshot, or from the version held | applied                                          |
 * | asked      | other                           | ignored: it belongs to the subscription before      |
 * | subscribed | snapshot, from the version held, or without `base` (level 1) | applied                |
 * | subscribed | other                           | gap: ask for what changed since                     |
 * | subscribed | other, right after asking so    | gap: ask for a snapshot                             |
 * | subscribed | other, right after asking that  | refused: asking again would not help                |
 * | refused    | any                             | ignored, until asked again: new connection, `acquire` |
 *
 * Parts are kept up to `max_snapshot` characters of their messages; a subscription with more is refused.
 */

/** @import { Effect } from "./effects.js" */
/** @import { SharedStateError } from "./errors.js" */
/** @import { Notification } from "./messages.js" */
/** @import { Filter } from "./views.js" */
/** @import { Replica, Update } from "./replica.js" */

/** Default number of characters of JSON text that the parts of one snapshot may have: a million items of 250. */
export const MAX_SNAPSHOT = 2 ** 28;

export class Subscription {
  /** @type {"idle" | "asked" | "subscribed" | "refused"} */
  state = "idle";
  /** @type {unknown} tunnel of the last request for it */
  tunnel;
  /** @type {object | undefined} what was asked for */
  sub;
  /** @type {"nothing" | "change" | "snapshot"} what was requested and has not arrived yet */
  awaited = "snapshot";
  /** @type {Notification | undefined} the parts that have arrived, joined */
  #parts;
  #max_snapshot;
  /** @type {SharedStateError | undefined} why it was refused, or ended, if for the sake of who asked */
  denial;

  /**
   * @param {string} path
   * @param {Replica} replica
   * @param {Filter} filter
   * @param {number} max_snapshot
   */
  constructor(path, replica, filter, max_snapshot) {
    this.path = path;
    this.replica = replica;
    this.filter = filter;
    this.view = filter.view;
    this.#max_snapshot = max_snapshot;
  }

  /**
   * Note that it is asked for.
   *
   * @param {boolean} resume whether changes since the version held are enough
   */
  ask(resume) {
    const { epoch, version, scope } = this.replica;
    this.state = "asked";
    this.denial = this.#parts = undefined;
    const known = resume && epoch !== undefined && version !== undefined;
    this.awaited = known ? "change" : "snapshot";
    // A snapshot may come in parts, so that a large one does not hold up other messages.
    this.sub = {
      since: known ? { epoch, version, scope } : undefined,
      parts: true,
      ...this.filter,
    };
  }

  /** Whether the server keeps it, or was asked to. */
  get in_force() {
    return this.state === "asked" || this.state === "subscribed";
  }

  /**
   * @param {SharedStateError} error
   * @param {Effect[]} out
   * @param {boolean} [ended] whether the server has ended it
   */
  refuse(error, out, ended) {
    this.state = "refused";
    if (ended || error.code === "unauthenticated" || error.code === "forbidden") {
      this.denial = error;
      this.forget(out);
    }
    const { path, view } = this;
    out.push({ kind: "refused", path, view, error });
  }

  /**
   * Keep what is held until it is decided who the user is.
   *
   * @param {SharedStateError} error why nobody may read it
   */
  wait(error) {
    this.state = "idle";
    this.denial = error;
  }

  /**
   * Hold nothing any more, at no state.
   *
   * @param {Effect[]} out
   */
  forget(out) {
    this.#change({ update: { remove: [], insert: [], reset: true } }, out);
    this.#parts = undefined;
  }

  /**
   * @param {Notification} next
   * @param {Effect[]} out
   * @returns {"gap" | "too_large" | undefined} what is the matter with it; else it was applied, ignored, or is kept
   *   until the remaining parts arrive
   */
  receive(next, out) {
    if (!this.in_force) return undefined;
    const parts = this.#parts;
    this.#parts = undefined;
    // Parts of one snapshot name the same version; anything else on this path means that it was abandoned.
    const continues = parts && parts.epoch === next.epoch && parts.version === next.version;
    if (!continues && !this.#acceptable(next))
      return this.state === "subscribed" ? "gap" : undefined;
    const whole = continues ? join(parts, next) : next;
    if (!next.more) {
      this.#apply(whole, out);
    } else {
      if (whole.size > this.#max_snapshot) return "too_large";
      this.#parts = whole;
    }
    return undefined;
  }

  /**
   * @param {Notification} next
   * @returns {boolean}
   */
  #acceptable({ update, epoch, base }) {
    if (update.reset) return true;
    if (base === undefined) return this.state === "subscribed";
    return epoch === this.replica.epoch && base === this.replica.version;
  }

  /** @param {Notification} whole @param {Effect[]} out */
  #apply(whole, out) {
    const { path, view, awaited } = this;
    const has_changed = this.#change(whole, out);
    this.awaited = "nothing";
    if (awaited !== "nothing") out.push({ kind: "synced", path, view });
    else if (!has_changed) out.push({ kind: "moved", path, view });
  }

  /**
   * @param {{update: Update, epoch?: string, version?: number, scope?: string}} to what is held next
   * @param {Effect[]} out
   * @returns {boolean} whether that changed an item
   */
  #change({ update, epoch, version, scope }, out) {
    const { path, view, replica } = this;
    const diffs = replica.apply(update);
    Object.assign(replica, { epoch, version, scope });
    if (diffs.length === 0) return false;
    out.push({ kind: "changed", path, view, diffs });
    return true;
  }
}

/**
 * @param {Notification} first
 * @param {Notification} next
 * @returns {Notification}
 */
function join(first, next) {
  // The lists of `first` belong to us, so they grow in place: joining many parts stays linear.
  for (const name of /** @type {const} */ (["remove", "insert", "at"]))
    for (const each of next.update[name] ?? []) first.update[name]?.push(/** @type {any} */ (each));
  first.size += next.size;
  first.scope = next.scope;
  return first;
}
