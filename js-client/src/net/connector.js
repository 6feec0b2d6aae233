/**
 * A connection that is reopened when it is lost: the only module that knows WebSocket.
 *
 * - After a loss it reconnects, without limit or up to `retries`, with growing pauses; at once when the browser
 *   is online again or the page becomes visible. Pauses start over after a connection that has stood for as long as
 *   the longest of them, whatever the server said: a client must not hammer one that accepts and hangs up.
 * - A silent connection is probed; if there is no answer, it is dead and dropped. So is an attempt that leads to
 *   nothing. Silence is counted in ticks of a timer, not by a clock: a page that was suspended must not take its
 *   own sleep for the server's silence.
 * - Once closed it stays closed.
 */

import { SharedStateError } from "../protocol/errors.js";
import { LONGEST_PAUSE, backoff } from "../util/random.js";

/**
 * The part of a WebSocket that is used here; any implementation will do.
 *
 * @typedef {object} WebSocketLike
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onerror
 * @property {((event: any) => void) | null} onclose
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 */

/** @import { Closing } from "../protocol/requests.js" */

/** @typedef {new (url: string) => WebSocketLike} WebSocketClass */

/**
 * @typedef {object} Listener
 * @property {() => void} attempt an attempt to connect begins
 * @property {() => void} opened
 * @property {(text: string) => void} text
 * @property {(closing?: Closing, error?: SharedStateError) => void} lost a connection or an attempt ended; with an
 *   error if no further attempt follows
 * @property {(limit: number) => void} tick called at regular intervals while there is a connection; `limit`: how many
 *   of them an answer may take
 * @property {() => void} probe send something that the server answers, if there is a connection
 * @property {(error: unknown) => void} report called with the next event
 */

/** Milliseconds to wait for the closing handshake, in Node and Bun: a peer that is gone never answers. */
const GOODBYE = 1000;

/** The longest interval of a timer, in milliseconds: 24 days. */
const MAX_TICK = 2 ** 31 - 1;

export class Connector {
  #url;
  #WebSocket;
  #listener;
  #retries;
  /** Milliseconds between ticks of the watchdog: after two silent ticks it probes, after three it hangs up. */
  #tick;
  /** Ticks within which an answer has to come. */
  #patience;
  /** @type {WebSocketLike | undefined} the present connection or attempt */
  #socket;
  /** @type {ReturnType<typeof setTimeout> | undefined} running between two attempts */
  #timer;
  /** @type {number | undefined} time of the next attempt, in milliseconds since the Unix epoch */
  next_attempt;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watchdog;
  #silence = 0;
  #failures = 0;
  #heard = false;
  /** @type {number | undefined} when the connection was opened, in milliseconds since the Unix epoch */
  #opened;

  /**
   * @param {string} url
   * @param {WebSocketClass} WebSocket
   * @param {Listener} listener
   * @param {{retries?: number, timeout?: number, answer_timeout?: number}} options
   */
  constructor(
    url,
    WebSocket,
    listener,
    { retries = Infinity, timeout = 30, answer_timeout = 120 },
  ) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#listener = listener;
    this.#retries = retries;
    this.#tick = (timeout * 1000) / 3;
    this.#patience = (3 * answer_timeout) / timeout;
  }

  /**
   * Start the first attempt.
   *
   * @throws what the WebSocket constructor throws for a URL that can never work; then nothing is started
   */
  start() {
    this.#open();
    this.#watch();
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#visibility_changed);
  }

  /** @param {string} text */
  send(text) {
    try {
      this.#socket?.send(text);
    } catch (error) {
      // A connection that accepts no text is dead: its end settles what was not sent.
      this.#listener.report(error);
      this.#socket?.close();
    }
  }

  close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#visibility_changed);
    clearInterval(this.#watchdog);
    clearTimeout(this.#timer);
    this.next_attempt = undefined;
    this.#hang_up();
  }

  /** Take the connection for dead. */
  drop() {
    this.#hang_up();
    this.#lost();
  }

  #hang_up() {
    const socket = this.#socket;
    if (!socket) return;
    // Forget it first, so that its further events, including close, are ignored.
    this.#socket = undefined;
    socket.close(1000);
    /** @type {any} */ (
      setTimeout(() => /** @type {any} */ (socket).terminate?.(), GOODBYE)
    ).unref?.();
  }

  /**
   * Make the next attempt at once if it is pending.
   *
   * @returns {number | undefined} when it would have been
   */
  retry() {
    const paused = this.next_attempt;
    if (paused) {
      clearTimeout(this.#timer);
      try {
        this.#open();
      } catch (error) {
        this.#listener.report(error);
        this.#lost();
      }
    }
    return paused;
  }

  #open() {
    this.next_attempt = this.#opened = undefined;
    const socket = new this.#WebSocket(this.#url);
    this.#socket = socket;
    this.#listener.attempt();
    this.#silence = 0;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#opened = Date.now();
      this.#listener.opened();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      this.#silence = 0;
      this.#heard = true;
      // Binary frames are not part of the protocol.
      if (typeof data === "string") this.#listener.text(data);
    };
    // A `close` event follows. Without a listener, Node would throw.
    socket.onerror = () => {};
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event);
    };
  }

  /** @param {Closing} [closing] */
  #lost(closing = {}) {
    this.#socket = undefined;
    if (this.#opened && Date.now() - this.#opened >= LONGEST_PAUSE) this.#failures = 0;
    const { code = 0, reason } = closing;
    const unreachable = new SharedStateError(
      "unreachable",
      "no server answers, or none that accepts this origin",
    );
    // Browsers do not say why.
    if (!this.#heard && this.#failures === 1) this.#listener.report(unreachable);
    let error = this.#failures < this.#retries ? undefined : unreachable;
    if (code >= 4400 && code < 4500) {
      error = new SharedStateError("sent_away", `${reason}`, { close_code: code });
      this.#listener.report(error);
    }
    if (error) {
      this.close();
    } else {
      const pause = backoff(this.#failures++);
      this.next_attempt = Date.now() + pause;
      this.#timer = setTimeout(() => this.retry(), pause);
    }
    this.#listener.lost(closing, error);
  }

  #wake = () => {
    if (this.retry()) return;
    // The network may have changed, and the connection may be dead without notice.
    this.#silence = 2;
    this.#listener.probe();
    this.#watch();
  };

  #visibility_changed = () => {
    if (globalThis.document.visibilityState === "visible") this.#wake();
  };

  #watch() {
    clearInterval(this.#watchdog);
    // A timer with a longer interval would fire all the time.
    if (this.#tick > MAX_TICK) return;
    this.#watchdog = setInterval(() => {
      if (!this.#socket) return;
      if (++this.#silence === 2) this.#listener.probe();
      if (this.#silence > 2) this.drop();
      else this.#listener.tick(this.#patience);
    }, this.#tick);
    // In Node, only the connection should keep a program running.
    /** @type {any} */ (this.#watchdog).unref?.();
  }
}
