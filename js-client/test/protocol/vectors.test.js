/** Replays the traces of tests/vectors, which every client must follow; see the README.md there. */

import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { Replica } from "../../src/protocol/replica.js";
import { sent } from "../support.js";

/** @typedef {import("../../src/protocol/effects.js").Effect} Effect */

const FOLDER = new URL("../../../tests/vectors/", import.meta.url);

/** One client's life: an input goes in as JSON, what follows comes back as JSON. */
class Replay {
  #core = new ClientProtocol();
  /** @type {unknown[]} of the requests sent, in order */
  #tunnels = [];
  /** @type {Map<string, Replica>} what is held, by name */
  #replicas = new Map();

  /**
   * @param {object} input the member `do` of a step
   * @returns {object} the other members, all of them, with `replicas` as they are now
   */
  take(input) {
    const [[kind, what]] = Object.entries(input);
    const effects = this.#perform(kind, what);
    return {
      sent: sent(effects).map(({ tunnel, ...request }) => {
        this.#tunnels.push(tunnel);
        if (request.path === "/subs") delete request.arg.brief; // a client's own affair
        return { ...request, tunnel: { sent: this.#tunnels.length } };
      }),
      changed: of(effects, "changed").map((effect) => ({
        path: name(effect),
        diffs: effect.diffs,
      })),
      synced: of(effects, "synced").map(name),
      refused: of(effects, "refused").map((effect) => ({
        path: name(effect),
        code: effect.error.code,
      })),
      settled: of(effects, "settled").map((effect) => this.#settled(effect)),
      identified: of(effects, "identified").map(({ user, expires }) => ({ user, expires })),
      token_wanted: of(effects, "token_wanted").map(({ reason }) => reason),
      unauthenticated: of(effects, "unauthenticated").length > 0,
      fault: of(effects, "fault").length > 0,
      replicas: Object.fromEntries([...this.#replicas].map(([path, it]) => [path, shown(it)])),
    };
  }

  /**
   * @param {string} kind
   * @param {any} what
   * @returns {Effect[]}
   */
  #perform(kind, what) {
    const core = this.#core;
    switch (kind) {
      case "session":
        this.#core = new ClientProtocol(what);
        return [];
      case "sign_in":
        return core.sign_in(what.token);
      case "connection":
        if (what === "opened") return core.connection_opened();
        if (what.opened) return core.connection_opened(what.opened.token);
        return core.connection_lost({ code: what.closed });
      case "receive":
        return core.receive_text(JSON.stringify(this.#with_tunnel(what)));
      case "receive_text":
        return core.receive_text(what);
      case "acquire": {
        const { path, ...filter } = typeof what === "string" ? { path: what } : what;
        const replica = this.#replicas.get(name({ path, ...filter })) ?? new Replica();
        this.#replicas.set(name({ path, ...filter }), replica);
        return core.acquire(path, replica, filter);
      }
      case "release": {
        const { path = what, view } = what;
        this.#replicas.delete(name({ path, view }));
        return core.release(path, view);
      }
      case "update":
        return core.request(what.ticket, "PUT", what.path, what.arg);
      case "get":
        return core.request(what.ticket, "GET", what.path, what.arg);
      default:
        throw new Error(`an input of no known kind: ${kind}`);
    }
  }

  /** @param {any} message */
  #with_tunnel(message) {
    const number = message.tunnel?.sent;
    return number === undefined ? message : { ...message, tunnel: this.#tunnels[number - 1] };
  }

  /** @param {import("../../src/protocol/effects.js").Settled} effect */
  #settled({ ticket, error, data, at, more }) {
    if (!error) return { ticket, data, at, more: more || undefined };
    const { epoch, version } = error;
    const cursor = error.code === "conflict" ? { cursor: { epoch, version } } : {};
    return { ticket, code: error.code, ...cursor };
  }
}

/** @param {{path: string, view?: string}} of a replica */
const name = ({ path, view }) => (view === undefined ? path : `${path} ${view}`);

/**
 * @template {Effect["kind"]} K
 * @param {Effect[]} effects
 * @param {K} kind
 */
function of(effects, kind) {
  return effects.filter(
    /** @returns {effect is Extract<Effect, {kind: K}>} */ (effect) => effect.kind === kind,
  );
}

/** @param {Replica} replica */
const shown = ({ epoch, version, items }) => ({
  cursor: epoch === undefined ? null : { epoch, version },
  items: [...items.values()],
});

/**
 * What a step expects, in full.
 *
 * @param {any} step
 * @param {Record<string, any>} before the replicas before the step
 */
function expected(step, before) {
  const { sent = [], changed = [], synced = [], refused = [], settled = [] } = step;
  const replicas = Object.entries({ ...before, ...step.replicas });
  return {
    ...{ sent, changed, synced, refused, settled, fault: step.fault ?? false },
    identified: step.identified ?? [],
    token_wanted: step.token_wanted ?? [],
    unauthenticated: step.unauthenticated ?? false,
    replicas: Object.fromEntries(replicas.filter(([, replica]) => replica !== null)),
  };
}

/**
 * The same, as plain JSON, diffs by id: their order is the client's own.
 *
 * @param {any} told
 */
function plain(told) {
  const copy = JSON.parse(JSON.stringify(told));
  for (const { diffs } of copy.changed)
    diffs.sort((/** @type {any} */ a, /** @type {any} */ b) => (a.id < b.id ? -1 : 1));
  return copy;
}

describe("vectors", () => {
  const files = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
  test("are there", () => assert.ok(files.length > 20));
  for (const file of files)
    test(file, () => {
      const { steps } = JSON.parse(readFileSync(new URL(file, FOLDER), "utf8"));
      const replay = new Replay();
      /** @type {Record<string, any>} */
      let replicas = {};
      steps.forEach((/** @type {any} */ step, /** @type {number} */ at) => {
        const expects = expected(step, replicas);
        replicas = expects.replicas;
        const message = `step ${at + 1}: ${JSON.stringify(step.do)}`;
        assert.deepEqual(plain(replay.take(step.do)), plain(expects), message);
      });
    });
});
