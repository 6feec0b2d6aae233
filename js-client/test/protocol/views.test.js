/** The core: a server of which it is not known, or not any more, whether it knows filters. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { Replica } from "../../src/protocol/replica.js";
import { C, at, kinds, notify, reply, sent } from "../support.js";

const ODD = { view: "odd", where: { n: 1 } };

/** @param {import("../../src/protocol/effects.js").Effect[]} effects */
const paths = (effects) => sent(effects).map(({ path }) => path);

describe("a server that hangs up before it has said a word", () => {
  test("is asked without a session next time, unless a filter needs one", () => {
    for (const filter of [undefined, ODD]) {
      const core = new ClientProtocol({ key: "k" });
      core.acquire(C, new Replica(), filter);
      assert.deepEqual(paths(core.connection_opened()), ["/session", "/subs"]);
      core.connection_lost();
      const expected = filter ? ["/session", "/subs"] : ["/subs"];
      assert.deepEqual(paths(core.connection_opened()), expected);
    }
  });
});

describe("a view that is named wrongly", () => {
  test("costs the connection: nobody knows who waits for it", () => {
    const core = new ClientProtocol();
    const [fault] = core.receive_text(
      notify({}, /** @type {any} */ ({ ...at("e", 0, 1), view: ["odd"] })),
    );
    assert.ok(fault.kind === "fault" && fault.fatal);
  });
});

describe("a server whose features are not known", () => {
  test("is believed, by a client that names no session", () => {
    const core = new ClientProtocol();
    const replica = new Replica();
    core.acquire(C, replica, ODD);
    const [{ tunnel, arg }] = sent(core.connection_opened());
    core.receive_text(reply(tunnel, arg.insert));
    const state = { ...at("e", 0, 1), view: "odd", at: [[1, 0]] };
    const effects = core.receive_text(notify({ insert: [{ id: "a" }], reset: true }, state));
    assert.deepEqual(kinds(effects), ["changed", "synced"]);
    assert.equal(replica.items.size, 1);
  });
});
