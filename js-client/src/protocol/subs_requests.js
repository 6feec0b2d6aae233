/**
 * What is asked of the server about subscriptions, and what it answers. Until it has shown that it speaks level 2, each
 * request names all subscriptions, as level 1 requires; after that, only what changes, and costs the same however many
 * there are.
 */

import { send_text } from "./effects.js";
import { by_key, encode_request, members } from "./messages.js";
import { error_of } from "./requests.js";
import { key_of } from "./views.js";

/** @import { Effect } from "./effects.js" */
/** @import { SharedStateError } from "./errors.js" */
/** @import { Reply } from "./messages.js" */
/** @import { Subscription } from "./subscription.js" */

/**
 * What an answer says of one subscription.
 *
 * @typedef {object} Verdict
 * @property {Subscription} subscription
 * @property {boolean} asked whether this was the last request for it
 * @property {SharedStateError | undefined} error why it is not subscribed, if it is not
 */

export class SubsRequests {
  /**
   * The protocol level that the server has shown. Until it is 2, the server may know only whole lists of subscriptions.
   * @type {1 | 2 | undefined}
   */
  level;
  /**
   * Requests without an answer: what they name, and ticks since. By tunnel.
   * @type {Map<unknown, {named: Subscription[], age: number}>}
   */
  unanswered = new Map();
  #asked = 0;

  /**
   * Change the server's list of subscriptions.
   *
   * @param {Subscription[]} named now in force
   * @param {unknown[] | undefined} remove those no longer in force
   * @param {() => Subscription[]} all
   * @param {Effect[]} out
   */
  send(named, remove, all, out) {
    // Tunnels of the application's requests are numbers, those of the client's own strings.
    const tunnel = `subs${this.#asked++}`;
    for (const each of named) each.tunnel = tunnel;
    const whole = this.level !== 2;
    if (whole) named = all().filter((each) => each.in_force);
    this.unanswered.set(tunnel, { named, age: 0 });
    const insert = named.map(({ path, sub }) => [path, sub]);
    const arg = whole
      ? { insert, reset: true }
      : { insert: remove ? undefined : insert, remove, brief: true };
    out.push(send_text(encode_request("PUT", "/subs", arg, tunnel)));
  }

  /**
   * Take an answer: it lists what the request named and is subscribed now. More may be in the list, from a server that
   * does not know `brief`.
   *
   * @param {Reply} reply
   * @returns {Verdict[] | undefined} undefined: it answers something else
   */
  answered(reply) {
    const request = this.unanswered.get(reply.tunnel);
    if (!request) return undefined;
    this.unanswered.delete(reply.tunnel);
    const accepted = by_key(reply.data, ([, sub]) => members(sub).view);
    const errors = by_key(reply.errors, ([, , view]) => view);
    return request.named.map((subscription) => {
      const { path, view, state, tunnel } = subscription;
      const key = key_of(path, view);
      const asked = state === "asked" && tunnel === reply.tunnel;
      const listed = accepted.has(key) || !Array.isArray(reply.data);
      if (reply.ok && listed) return { subscription, asked, error: undefined };
      const error = members(errors.get(key) ?? { code: "refused" });
      const said = reply.ok ? { data: `${path}: not subscribed`, error } : reply;
      return { subscription, asked, error: error_of(said) };
    });
  }
}
