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
/** @import { Replica } from "./replica.js" */

/**
 * No effects: ignored, or kept until the remaining parts arrive.
 * @typedef {"gap" | "too_large" | Effect[]} Outcome
 */

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
  #awaited = "snapshot";
  /** @type {Notification | undefined} the parts that have arrived, joined */
  #parts;
  #max_snapshot;
  /** Whether it was refused, or ended, for the sake of who asked. */
  denied = false;

  /**
   * @param {string} path
   * @param {Replica} replica
   * @param {number} max_snapshot
   */
  constructor(path, replica, max_snapshot) {
    this.path = path;
    this.replica = replica;
    this.#max_snapshot = max_snapshot;
  }

  /**
   * Note that it is asked for.
   *
   * @param {boolean} resume whether changes since the version held are enough
   */
  ask(resume) {
    const { epoch, version } = this.replica;
    this.state = "asked";
    this.denied = false;
    this.#parts = undefined;
    const known = resume && epoch !== undefined && version !== undefined;
    this.#awaited = known ? "change" : "snapshot";
    // A snapshot may come in parts, so that a large one does not hold up other messages.
    this.sub = { since: known ? { epoch, version } : undefined, parts: true };
  }

  /** Whether the server keeps it, or was asked to. */
  get in_force() {
    return this.state === "asked" || this.state === "subscribed";
  }

  /**
   * @param {SharedStateError} error
   * @param {boolean} [ended] whether the server has ended it
   * @returns {Effect[]}
   */
  refuse(error, ended = false) {
    this.state = "refused";
    this.denied = ended || error.code === "unauthenticated" || error.code === "forbidden";
    // What this user may not read is no longer held.
    return [...(this.denied ? this.forget() : []), { kind: "refused", path: this.path, error }];
  }

  /**
   * Hold nothing any more, at no state.
   *
   * @returns {Effect[]}
   */
  forget() {
    const diffs = this.replica.apply({ remove: [], insert: [], reset: true });
    this.replica.epoch = this.replica.version = this.#parts = undefined;
    return diffs.length > 0 ? [{ kind: "changed", path: this.path, diffs }] : [];
  }

  /**
   * What to do about a gap.
   *
   * @param {string | undefined} epoch epoch of the notification that revealed it, if known
   * @returns {"resume" | "restart" | "refuse"}
   */
  after_gap(epoch) {
    if (this.#awaited === "snapshot") return "refuse";
    return this.#awaited === "nothing" && epoch === this.replica.epoch ? "resume" : "restart";
  }

  /**
   * @param {Notification} next
   * @returns {Outcome}
   */
  receive(next) {
    if (!this.in_force) return [];
    const parts = this.#parts;
    this.#parts = undefined;
    // Parts of one snapshot name the same version; anything else on this path means that it was abandoned.
    const continues = parts && parts.epoch === next.epoch && parts.version === next.version;
    if (!continues && !this.#acceptable(next)) return this.state === "subscribed" ? "gap" : [];
    const whole = continues ? join(parts, next) : next;
    if (!next.more) return this.#apply(whole);
    if (whole.size > this.#max_snapshot) return "too_large";
    this.#parts = whole;
    return [];
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

  /**
   * @param {Notification} whole
   * @returns {Effect[]}
   */
  #apply({ path, update, epoch, version }) {
    const diffs = this.replica.apply(update);
    this.replica.epoch = epoch;
    this.replica.version = version;
    /** @type {Effect[]} */
    const effects = [];
    if (diffs.length > 0) effects.push({ kind: "changed", path, diffs });
    if (this.#awaited !== "nothing") effects.push({ kind: "synced", path });
    this.#awaited = "nothing";
    return effects.length > 0 ? effects : [{ kind: "moved", path }];
  }
}

/**
 * @param {Notification} first
 * @param {Notification} next
 * @returns {Notification}
 */
function join(first, next) {
  // The lists of `first` belong to us, so they grow in place: joining many parts stays linear.
  for (const id of next.update.remove) first.update.remove.push(id);
  for (const item of next.update.insert) first.update.insert.push(item);
  first.size += next.size;
  return first;
}
