/**
 * The server's clock, as seen from here.
 *
 * A sample is a request and its answer: the server read its clock between the two moments. Half their distance
 * bounds the error, which grows with age because clocks drift. The best sample counts. Samples are taken often at
 * first, then rarely, and only while the clock is used.
 */

import { Deferred } from "../util/deferred.js";

/** How fast two clocks may drift apart, in seconds per second: generous for two quartz clocks. */
const DRIFT = 1e-4;
/** First and last pause between samples, in seconds; it doubles each time. */
const SHORTEST = 0.25;
const LONGEST = 60;
/** Up to this pause samples are taken whether the clock is used or not: a first estimate needs several. */
const FIRST = 4;
const MAX_SAMPLES = 16;

/** This computer's clock: seconds since the Unix epoch, never going backwards. */
const local = () => (performance.timeOrigin + performance.now()) / 1000;

/** The wall clock minus `local`, in seconds; it jumps when the computer slept or its clock was set. */
const wall = () => Date.now() / 1000 - local();
const JUMP = 0.5;

/** @typedef {{skew: number, trans: number, at: number}} Sample */

export class Clock {
  #ask;
  /** @type {Sample[]} */
  #samples = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #pause = SHORTEST;
  #running = false;
  #used = false;
  #last = 0;
  #wall = wall();
  /** @type {Deferred<void>} */
  #ready = new Deferred();

  /** @internal @param {() => Promise<number>} ask for the server's time, in seconds since the Unix epoch */
  constructor(ask) {
    this.#ask = ask;
  }

  /** Resolves at the first sample. Rejects with `closed` if the client is closed first. */
  get ready() {
    this.#use();
    return this.#ready.promise;
  }

  /**
   * The server's time, in seconds since the Unix epoch. Never goes backwards. Before the first sample it is this
   * computer's own.
   *
   * @returns {number}
   */
  now() {
    return (this.#last = Math.max(this.#last, local() + this.skew));
  }

  /** How far the server's clock is ahead of this computer's, in seconds. */
  get skew() {
    return this.#best?.skew ?? 0;
  }

  /** One-way latency in seconds, according to the best sample. */
  get trans() {
    return this.#best?.trans ?? Infinity;
  }

  /** Maximum error of `skew`, in seconds; Infinity before the first sample. */
  get error() {
    const best = this.#best;
    return best ? bound(best, local()) : Infinity;
  }

  get #best() {
    this.#use();
    const now = local();
    return this.#samples.reduce(
      (best, sample) => (best && bound(best, now) <= bound(sample, now) ? best : sample),
      /** @type {Sample | undefined} */ (undefined),
    );
  }

  #use() {
    this.#used = true;
    if (Math.abs(wall() - this.#wall) > JUMP) {
      this.#wall = wall();
      this.#samples = [];
      clearTimeout(this.#timer);
      this.#timer = undefined;
    }
    if (this.#running || this.#timer) return;
    this.#pause = SHORTEST;
    this.#sample();
  }

  async #sample() {
    this.#running = true;
    const start = local();
    const before = wall();
    try {
      const time = await this.#ask();
      const at = local();
      const trans = (at - start) / 2;
      if (Number.isFinite(time) && Math.abs(wall() - before) < JUMP) {
        this.#samples.push({ skew: time - (start + trans), trans, at });
        this.#samples = this.#samples.slice(-MAX_SAMPLES);
        this.#ready.resolve();
      }
    } catch (error) {
      // No connection, or it was lost: the next sample may succeed. A closed client takes no more.
      if (/** @type {any} */ (error).code === "closed") return this.#ready.reject(error);
    }
    this.#running = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      const wanted = this.#used || this.#pause <= FIRST || this.#samples.length === 0;
      this.#used = false;
      if (wanted) this.#sample();
    }, this.#pause * 1000);
    // The clock alone should not keep a program running.
    /** @type {any} */ (this.#timer).unref?.();
    this.#pause = Math.min(LONGEST, this.#pause * 2);
  }
}

/** @param {Sample} sample @param {number} now */
const bound = ({ trans, at }, now) => trans + DRIFT * (now - at);
