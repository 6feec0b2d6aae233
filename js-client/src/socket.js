/**
 * A connection that comes back: the only module that knows WebSocket and timers.
 *
 * It connects, and after a loss connects again, for ever, with growing pauses; at once when the browser is
 * online again or the page becomes visible. Once closed it stays closed.
 */

import { backoff } from "./random.js";

/**
 * What is used of a WebSocket, so that any implementation can be given.
 *
 * @typedef {object} WebSocketLike
 * @property {((event: any) => void) | null} onopen
 * @property {((event: any) => void) | null} onmessage
 * @property {((event: any) => void) | null} onerror
 * @property {((event: any) => void) | null} onclose
 * @property {(text: string) => void} send
 * @property {(code?: number) => void} close
 */

/** @typedef {new (url: string) => WebSocketLike} WebSocketClass */

/**
 * @typedef {object} Listener
 * @property {() => void} opened
 * @property {(text: string) => void} text
 * @property {() => void} lost a connection, or an attempt to make one, ended
 * @property {(error: unknown) => void} report
 */

export class Socket {
  #url;
  #WebSocket;
  #listener;
  /** @type {WebSocketLike | undefined} the present connection or attempt */
  #socket = undefined;
  /** @type {ReturnType<typeof setTimeout> | undefined} running between two attempts */
  #timer = undefined;
  #failures = 0;

  /**
   * @param {string} url
   * @param {WebSocketClass} WebSocket
   * @param {Listener} listener
   */
  constructor(url, WebSocket, listener) {
    this.#url = url;
    this.#WebSocket = WebSocket;
    this.#listener = listener;
  }

  /**
   * Start the first attempt.
   *
   * @throws whatever the WebSocket constructor does, if the URL can never work; nothing is started then
   */
  start() {
    this.#open();
    globalThis.addEventListener?.("online", this.#wake);
    globalThis.document?.addEventListener("visibilitychange", this.#visibility_changed);
  }

  /** @param {string} text */
  send(text) {
    try {
      this.#socket?.send(text);
    } catch (error) {
      // A connection that does not take text is none: its end settles what was to be sent.
      this.#listener.report(error);
      this.#socket?.close();
    }
  }

  close() {
    globalThis.removeEventListener?.("online", this.#wake);
    globalThis.document?.removeEventListener("visibilitychange", this.#visibility_changed);
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const socket = this.#socket;
    // Forgotten first: what it still says, its end included, concerns nobody.
    this.#socket = undefined;
    socket?.close(1000);
  }

  #open() {
    const socket = new this.#WebSocket(this.#url);
    this.#socket = socket;
    socket.onopen = () => {
      if (socket === this.#socket) this.#listener.opened();
    };
    socket.onmessage = ({ data }) => {
      if (socket !== this.#socket) return;
      // Only words count: a server that accepts and hangs up at once must not be called at full speed.
      this.#failures = 0;
      // Binary frames are not of the protocol.
      if (typeof data === "string") this.#listener.text(data);
    };
    // The end follows by itself. A listener there must be: without one, Node would throw.
    socket.onerror = () => {};
    socket.onclose = () => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#pause();
      this.#listener.lost();
    };
  }

  #pause() {
    this.#timer = setTimeout(this.#again, backoff(this.#failures++));
  }

  #again = () => {
    this.#timer = undefined;
    try {
      this.#open();
    } catch (error) {
      this.#pause();
      this.#listener.report(error);
    }
  };

  #wake = () => {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#again();
  };

  #visibility_changed = () => {
    if (globalThis.document.visibilityState === "visible") this.#wake();
  };
}
