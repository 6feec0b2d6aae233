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
 */

/** @import { Notification } from "./messages.js" */
/** @import { Diff, Replica } from "./replica.js" */

/**
 * Undefined: ignored, or kept until the remaining parts arrive.
 * @typedef {"gap" | {diffs: Diff[], synced: boolean} | undefined} Outcome
 */

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

  /**
   * @param {string} path
   * @param {Replica} replica
   */
  constructor(path, replica) {
    this.path = path;
    this.replica = replica;
  }

  /**
   * Note that the request with this tunnel asks for it.
   *
   * @param {unknown} tunnel
   * @param {boolean} resume whether changes since the version held are enough
   */
  ask(tunnel, resume) {
    const { epoch, version } = this.replica;
    this.state = "asked";
    this.tunnel = tunnel;
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

  connection_lost() {
    this.state = "idle";
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
    if (!this.in_force) return undefined;
    const parts = this.#parts;
    this.#parts = undefined;
    // Parts of one snapshot name the same version; anything else on this path means that it was abandoned.
    const continues = parts && parts.epoch === next.epoch && parts.version === next.version;
    if (!continues && !this.#acceptable(next))
      return this.state === "subscribed" ? "gap" : undefined;
    const whole = continues ? join(parts, next) : next;
    if (next.more) {
      this.#parts = whole;
      return undefined;
    }
    return this.#apply(whole);
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
   * @returns {Outcome}
   */
  #apply({ update, epoch, version }) {
    const diffs = this.replica.apply(update);
    this.replica.epoch = epoch;
    this.replica.version = version;
    const synced = this.#awaited !== "nothing";
    this.#awaited = "nothing";
    return { diffs, synced };
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
  return first;
}
