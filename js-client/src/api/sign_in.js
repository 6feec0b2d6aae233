/**
 * Whose the connections are: asks the application for tokens, and shows them in time.
 *
 * - The application's function is asked at every attempt to connect, and never twice at once: who comes while it is asked
 *   waits for the same answer. What was asked for on a connection that is gone is shown on no other.
 * - Before a token expires another one is shown, timed by the server's clock: the computer's may be wrong.
 * - Once it throws `Unauthorized`, or after `stop`, nobody is signed in, and it is not asked again until `resume`.
 * - A text that stands for the function is the token each time.
 */

import { SharedStateError, Unauthorized } from "../protocol/errors.js";
import { refresh_after } from "../protocol/session.js";
import { backoff } from "../util/random.js";

/** @typedef {string | null | undefined} Token null: nobody; undefined: nothing is said about that */
/** @typedef {(ask: {reason: string}) => Token | Promise<Token>} TokenFunction */

/**
 * @typedef {object} Shower
 * @property {(token: Token) => void} show
 * @property {(error: unknown) => void} failed there is no token, for now
 * @property {() => void} none nobody is signed in any more, says the application
 * @property {() => Promise<any>} time asks for the server's
 */

/** The longest interval of a timer, in milliseconds: 24 days. The server says when a later token expires. */
const MAX_PAUSE = 2 ** 31 - 1;

export class SignIn {
  #source;
  #shower;
  /** Whether nobody is signed in from now on, by choice. */
  stopped = false;
  /** @type {Promise<Token> | undefined} while the function is asked */
  #asked;
  /** @type {Promise<Token> | undefined} what it answers for the present attempt */
  #next;
  /** @type {object | undefined} the present connection or attempt */
  #connection;
  #open = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} until another token is asked for */
  #timer;
  /** @type {object | undefined} what the timer is for */
  #term;
  #failures = 0;
  /** Whether the server knows a user, and nothing is the matter with the token. */
  #accepted = false;

  /** @param {string | TokenFunction | undefined} source @param {Shower} shower */
  constructor(source, shower) {
    this.#source = source;
    this.#shower = shower;
  }

  /** An attempt to connect begins. */
  attempt() {
    this.lost();
    this.#connection = {};
    this.#next = undefined;
    if (typeof this.#source !== "function" || this.stopped) return;
    this.#next = this.#ask("connect");
    this.#next.catch(() => {});
  }

  /** It has led to a connection, which begins once there is a token. */
  opened() {
    this.#open = true;
    if (this.stopped) this.#shower.show(null);
    else if (typeof this.#source !== "function") this.#shower.show(this.#source);
    else this.#show(this.#next ?? this.#ask("connect"));
  }

  /** The connection is gone. */
  lost() {
    this.#connection = undefined;
    this.#open = false;
    this.#rest();
  }

  /** Nobody is signed in from now on. */
  stop() {
    this.stopped = true;
    this.#rest();
  }

  /** Ask again, whatever came of it before, unless somebody is signed in. */
  resume() {
    if (this.#accepted) return;
    this.stopped = false;
    if (this.#open) this.wanted("connect");
  }

  /**
   * The connection needs another token.
   *
   * @param {string} reason
   */
  wanted(reason) {
    this.#rest();
    if (this.stopped || this.#source === undefined) return;
    if (reason === "unavailable") this.#after(backoff(this.#failures++), reason);
    else this.#show(this.#ask(reason));
  }

  /**
   * The server has said whose the connection is.
   *
   * @param {unknown} user null for nobody
   * @param {number | null} expires by the server's clock
   */
  accepted(user, expires) {
    this.#rest();
    this.#accepted = user !== null;
    this.#failures = 0;
    if (expires === null || typeof this.#source !== "function" || this.stopped) return;
    const term = (this.#term = {});
    this.#shower.time().then(
      (now) => {
        if (term !== this.#term || typeof now !== "number") return;
        this.#after(Math.max(1, refresh_after(expires, now)) * 1000, "expires");
      },
      () => {},
    );
  }

  #rest() {
    clearTimeout(this.#timer);
    this.#term = undefined;
    this.#accepted = false;
  }

  /** @param {number} pause in milliseconds @param {string} reason */
  #after(pause, reason) {
    if (pause > MAX_PAUSE) return;
    this.#timer = setTimeout(() => this.#show(this.#ask(reason)), pause);
    /** @type {any} */ (this.#timer).unref?.();
  }

  /** @param {Promise<Token>} asked */
  #show(asked) {
    const connection = this.#connection;
    const mine = () => connection && connection === this.#connection;
    asked.then(
      (token) => mine() && this.#shower.show(this.stopped ? null : token),
      (error) => {
        if (!mine()) return;
        if (error instanceof Unauthorized || this.stopped) {
          this.stopped = true;
          this.#shower.none();
        } else {
          this.#shower.failed(error);
        }
      },
    );
  }

  /** @param {string} reason @returns {Promise<Token>} */
  #ask(reason) {
    return (this.#asked ??= this.#call(reason).finally(() => (this.#asked = undefined)));
  }

  /** @param {string} reason @returns {Promise<Token>} */
  async #call(reason) {
    const source = this.#source;
    const token = typeof source === "function" ? await source({ reason }) : source;
    if (typeof token === "string" || token == null) return token ?? null;
    throw new SharedStateError("bad_option", "token: expected a string or null");
  }
}
