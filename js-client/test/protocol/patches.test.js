/** The core: patches are sent to servers only that are known to take them, since others would do nothing, and say yes. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { C, failure, kinds, reply, sent, subscribed } from "../support.js";

/** @typedef {import("../../src/protocol/effects.js").Effect} Effect */

const PATCH = { patch: [{ id: "a", inc: { n: 1 } }] };

/** @param {ClientProtocol} core @param {any} ticket @param {any} [arg] */
const put = (core, ticket, arg = {}) => core.request(ticket, "PUT", C, arg);

/** @param {Effect[]} effects */
const args = (effects) => sent(effects).map(({ arg }) => arg);

/** @param {Effect[]} effects */
const codes = (effects) =>
  effects.map((effect) => effect.kind === "settled" && [effect.ticket, effect.error?.code]);

/** A core that has asked a server for a session, and the tunnel of that. */
function asking() {
  const core = new ClientProtocol({ key: "k" });
  const [{ tunnel }] = sent(core.connection_opened());
  return { core, tunnel };
}

describe("a patch", () => {
  test("is sent to a server that has said that it takes them", () => {
    const { core, tunnel } = asking();
    core.receive_text(reply(tunnel, { features: ["session", "patch"] }));
    assert.deepEqual(args(put(core, "t", PATCH)), [PATCH]);
  });

  test("waits until that is known, and what was asked later waits behind it", () => {
    const { core, tunnel } = asking();
    assert.deepEqual(args(put(core, "before")), [{}]);
    assert.deepEqual(put(core, "t", PATCH), []);
    assert.deepEqual(put(core, "behind"), []);
    const effects = core.receive_text(reply(tunnel, { features: ["patch"] }));
    assert.deepEqual(args(effects), [PATCH, {}]);
  });

  test("fails where the server takes none, and what was asked later is sent", () => {
    for (const answer of [
      (/** @type {any} */ tunnel) => reply(tunnel, { features: ["session"] }),
      (/** @type {any} */ tunnel) => reply(tunnel, {}),
      (/** @type {any} */ tunnel) => failure(tunnel, "no such path"),
    ]) {
      const { core, tunnel } = asking();
      put(core, "t", PATCH);
      put(core, "behind");
      const effects = core
        .receive_text(answer(tunnel))
        .filter(({ kind }) => /send|settled/.test(kind));
      assert.deepEqual(kinds(effects), ["settled", "send_text"]);
      assert.deepEqual(codes(effects)[0], ["t", "failed"]);
      assert.deepEqual(codes(put(core, "again", PATCH)), [["again", "failed"]]);
    }
  });

  test("fails where the server hung up when it was asked what it can do", () => {
    const { core } = asking();
    core.connection_lost();
    assert.deepEqual(sent(core.connection_opened()), [], "not asked again");
    assert.deepEqual(codes(put(core, "t", PATCH)), [["t", "failed"]]);
  });

  test("has the server asked again if it waits for a connection", () => {
    const { core } = asking();
    core.connection_lost();
    put(core, "t", PATCH);
    assert.deepEqual(
      sent(core.connection_opened()).map(({ path }) => path),
      ["/session"],
    );
  });

  test("of a client that names no session is sent: whoever embeds it knows the server", () => {
    const { core } = subscribed();
    assert.deepEqual(args(put(core, "t", PATCH)), [PATCH]);
  });

  test("that waits can be withdrawn, and is refused when the client closes", () => {
    const { core } = asking();
    put(core, "t", PATCH);
    put(core, "u", PATCH);
    assert.equal(core.withdraw("t"), true);
    assert.deepEqual(codes(core.close()), [["u", "closed"]]);
  });
});
