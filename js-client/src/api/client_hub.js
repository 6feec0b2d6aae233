import { Callbacks } from "../util/callbacks.js";
import { CallQueue } from "../util/call_queue.js";
import { random_id } from "../util/random.js";
import { on_abort } from "../util/lifetime.js";
import { SignIn } from "./sign_in.js";
import { same } from "../protocol/replica.js";
import { SharedStateError } from "../protocol/errors.js";
import { normal_path } from "../protocol/paths.js";
import { ClientProtocol } from "../protocol/client_protocol.js";
import { closed } from "../protocol/requests.js";
import { Connector } from "../net/connector.js";

/** @typedef {import("../protocol/effects.js").Effect} Effect */
/** @typedef {Extract<Effect, {path: string}>} DatasetEffect of one dataset */
/** @import { Options, Status } from "./options.js" */
/** @import { User } from "../protocol/effects.js" */

/** @import { Settled } from "../protocol/effects.js" */

/** @typedef {{resolve: (answer: Settled) => void, reject: (error: unknown) => void}} Ticket */

/** The close code with which a server that demands a user ends a connection that has none. */
const POLICY = 1008;

/** Joins the core, which decides, and the connector, which acts: passes inputs in and performs effects. */
export class ClientHub {
  /** @type {Status} */
  status = "idle";
  /** @type {Callbacks<Status>} */
  status_callbacks;
  /** @type {User | null} */
  user = null;
  /** @type {Callbacks<User | null>} */
  user_callbacks;
  #sign_in;
  /** @type {(Effect | {kind: "status", status: Status})[]} being performed, or next */
  #due = [];
  #performing = false;
  /** Whether the core knows of the present connection. */
  #begun = false;
  #url;
  #options;
  #on_effect;
  #on_connectivity;
  #core;
  /** @type {Connector | undefined} */
  #connector;
  /** Whether there is no connection because the server demands a user, and there is none until `connect`. */
  #rests = false;

  /**
   * @param {string} url
   * @param {Options} options
   * @param {(effect: DatasetEffect) => void} on_effect
   * @param {(error?: SharedStateError) => void} on_connectivity receives the reason why there is no connection and
   *   will be none; without an error, attempts to connect have begun
   */
  constructor(url, options, on_effect, on_connectivity) {
    this.#url = url;
    this.#options = options;
    this.#on_effect = on_effect;
    this.#on_connectivity = on_connectivity;
    this.#core = new ClientProtocol({ ...options, key: random_id() });
    this.calls = new CallQueue(options.on_error);
    this.status_callbacks = new Callbacks(this.calls);
    this.user_callbacks = new Callbacks(this.calls);
    this.#sign_in = new SignIn(options.token, {
      show: (token) => this.#show(token),
      failed: (error) => {
        this.calls.report(error);
        if (!this.#begun) return this.#connector?.drop();
        this.#sign_in.wanted("unavailable");
        this.calls.run();
      },
      none: () => {
        this.#show(null);
        this.perform([], "unauthenticated");
      },
      time: () => this.request("GET", () => ["/clock", undefined]),
    });
  }

  get next_attempt() {
    return this.#connector?.next_attempt;
  }

  /**
   * @param {boolean} [now] whether to try at once, if there is a pause between two attempts
   * @throws {SharedStateError} `closed` after `close`; `bad_option` if there is no WebSocket constructor
   */
  connect(now) {
    if (this.status === "closed") throw closed();
    if (now && (this.#connector || this.#rests)) this.#sign_in.resume();
    if (this.#connector) {
      if (now) this.#connector.retry();
      return;
    }
    const { WebSocket = globalThis.WebSocket } = this.#options;
    if (!WebSocket) throw new SharedStateError("bad_option", "WebSocket: there is none; pass one");
    const core = this.#core;
    const listener = {
      attempt: () => this.#sign_in.attempt(),
      opened: () => this.#sign_in.opened(),
      text: (/** @type {string} */ text) => this.perform(core.receive_text(text)),
      lost: (
        /** @type {import("../protocol/requests.js").Closing=} */ closing,
        /** @type {SharedStateError=} */ error,
      ) => {
        this.#rests = !error && closing?.code === POLICY && this.#sign_in.stopped;
        this.#sign_in.lost();
        this.#begun = false;
        const effects = core.connection_lost(closing);
        if (this.#rests) this.#connector?.close();
        if (this.#rests || error) this.#connector = undefined;
        if (error) {
          effects.push(...core.give_up(error));
          this.#on_connectivity(error);
        }
        const next = this.status === "connecting" ? "connecting" : "reconnecting";
        this.perform(effects, error ? "idle" : this.#rests ? "unauthenticated" : next);
      },
      tick: (/** @type {number} */ limit) => this.perform(core.tick(limit)),
      probe: () => this.perform(core.probe()),
      report: this.calls.report,
    };
    const connector = new Connector(this.#url, WebSocket, listener, this.#options);
    connector.start();
    this.#connector = connector;
    this.#on_connectivity();
    this.perform([], "connecting");
  }

  close() {
    if (this.status === "closed") return;
    this.#sign_in.lost();
    const effects = this.#core.close();
    this.#on_connectivity(closed());
    this.#connector?.close();
    this.perform(effects, "closed");
  }

  /** @param {import("./sign_in.js").Token} token */
  #show(token) {
    if (this.#begun) return this.perform(this.#core.sign_in(/** @type {string | null} */ (token)));
    this.#begun = true;
    this.perform(this.#core.connection_opened(token), "connected");
  }

  sign_out() {
    this.#sign_in.stop();
    this.perform(this.#core.sign_in(null), this.#begun ? "connected" : undefined);
  }

  /** @param {Parameters<ClientProtocol["acquire"]>} args */
  acquire(...args) {
    this.perform(this.#core.acquire(...args));
  }

  /** @param {Parameters<ClientProtocol["release"]>} args */
  release(...args) {
    this.perform(this.#core.release(...args));
  }

  /**
   * @param {"GET" | "PUT"} cmd
   * @param {() => [string, unknown]} make returns path and argument; what it throws, a mistake of the program,
   *   rejects the promise, and is shown as an unhandled rejection
   * @param {AbortSignal} [signal] withdraws the request, unless it was sent
   * @param {(answer: Settled) => unknown} [result] what of the answer is given
   * @returns {Promise<any>}
   */
  request(cmd, make, signal, result = ({ data }) => data) {
    let stop = () => {};
    let made = false;
    const promise = new Promise((resolve, reject) => {
      const [path, arg] = make();
      made = true;
      signal?.throwIfAborted();
      this.connect();
      const ticket = {
        resolve: (/** @type {Settled} */ answer) => (stop(), resolve(result(answer))),
        reject: (/** @type {unknown} */ error) => (stop(), reject(error)),
      };
      stop = on_abort(signal, () => this.#core.withdraw(ticket) && reject(signal?.reason));
      this.perform(this.#core.request(ticket, cmd, normal_path(path), arg));
    });
    // The promise may be ignored; code that awaits it still gets the error.
    if (made) promise.catch(() => {});
    return promise;
  }

  /**
   * Perform effects, then make due calls of the application's functions. What comes of an effect, while it is
   * performed, is performed after those that the core has decided before.
   *
   * @param {Effect[]} effects
   * @param {Status} [status] the new one
   */
  perform(effects, status) {
    for (const effect of effects) this.#due.push(effect);
    if (status) this.#due.push({ kind: "status", status });
    if (this.#performing) return;
    this.#performing = true;
    for (const effect of this.#due) this.#perform_one(effect);
    this.#due = [];
    this.#performing = false;
    this.calls.run();
  }

  /** @param {Status} status */
  #set_status(status) {
    if (status !== this.status) this.status_callbacks.call((this.status = status));
  }

  /** @param {Extract<Effect, {kind: "identified"}>} effect */
  #identified({ user, expires }) {
    if (user && this.status === "unauthenticated") this.#set_status("connected");
    if (!same(user, this.user)) this.user_callbacks.call((this.user = user));
    this.#sign_in.accepted(user, expires);
  }

  /** @param {Effect | {kind: "status", status: Status}} effect */
  #perform_one(effect) {
    switch (effect.kind) {
      case "status":
        this.#set_status(effect.status);
        break;
      case "send_text":
        this.#connector?.send(effect.text);
        break;
      case "settled": {
        const { resolve, reject } = /** @type {Ticket} */ (effect.ticket);
        if (effect.error) reject(effect.error);
        else resolve(effect);
        break;
      }
      case "fault":
        this.calls.report(effect.error);
        if (effect.fatal) this.#connector?.drop();
        break;
      case "identified":
        this.#identified(effect);
        break;
      case "token_wanted":
        this.#sign_in.wanted(effect.reason);
        break;
      case "unauthenticated":
        this.calls.report(effect.error);
        this.#set_status("unauthenticated");
        break;
      default:
        this.#on_effect(effect);
    }
  }
}
