/** The core: requests, and when they are settled. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { Replica } from "../../src/protocol/replica.js";
import { C, failure, kinds, reply, sent, subscribed } from "../support.js";

describe("requests", () => {
  const put = (/** @type {ClientProtocol} */ core, /** @type {any} */ ticket, arg = {}) =>
    core.request(ticket, "PUT", C, arg);

  test("wait for the connection and follow the subscriptions, in order", () => {
    const core = new ClientProtocol();
    core.acquire(C, new Replica());
    const arg = { insert: [{ id: "a", n: 1 }] };
    assert.deepEqual(put(core, "t1", arg), []);
    arg.insert[0].n = 2;
    put(core, "t2");
    core.request("t3", "GET", "/clock");
    const requests = sent(core.connection_opened());
    assert.deepEqual(
      requests.map(({ cmd, path }) => [cmd, path]),
      [
        ["PUT", "/subs"],
        ["PUT", C],
        ["PUT", C],
        ["GET", "/clock"],
      ],
    );
    assert.equal(requests[1].arg.insert[0].n, 1, "as it was when asked");
  });

  test("are settled by tunnel, in whatever order, once", () => {
    const { core } = subscribed();
    const tunnels = ["t1", "t2"].map((ticket) => sent(put(core, ticket))[0].tunnel);
    const settled = (/** @type {any} */ ticket, /** @type {any} */ data) => [
      { kind: "settled", ticket, error: undefined, data, at: undefined, more: false },
    ];
    assert.deepEqual(core.receive_text(reply(tunnels[1], 2)), settled("t2", 2));
    assert.deepEqual(core.receive_text(reply(tunnels[1], 2)), []);
    assert.deepEqual(core.receive_text(reply(tunnels[0], 1)), settled("t1", 1));
    assert.deepEqual(core.connection_lost(), []);
  });

  test("fail with the code, the message and the further members of the error", () => {
    const { core } = subscribed();
    const [{ tunnel }] = sent(put(core, "t"));
    const error = { code: "conflict", message: "changed", outcome: "none", x: 1, stack: "no" };
    const [effect] = core.receive_text(
      failure(tunnel, "changed", { error, epoch: "e", version: 9 }),
    );
    assert.ok(effect.kind === "settled" && effect.error);
    const { code, message, outcome, epoch, version, name, stack, x } = /** @type {any} */ (
      effect.error
    );
    assert.deepEqual(
      { code, message, outcome, epoch, version, name, x },
      {
        ...{ code: "conflict", message: "changed", outcome: "none" },
        epoch: "e",
        version: 9,
        name,
        x,
      },
    );
    assert.equal(name, "SharedStateError");
    assert.equal(x, 1);
    assert.notEqual(stack, "no");
    assert.equal("cause" in /** @type {object} */ (effect.error), false);
  });

  test("fail at level 1 with the server's sentence", () => {
    const { core } = subscribed();
    const [effect] = core.receive_text(failure(sent(put(core, "t"))[0].tunnel, "no such thing"));
    assert.ok(effect.kind === "settled" && effect.error);
    assert.deepEqual(Object.keys(effect.error).sort(), ["code", "name"], "nothing else to print");
    assert.deepEqual([effect.error.code, effect.error.message], ["failed", "no such thing"]);
  });

  test("that were sent are lost with the connection, those that wait are not", () => {
    const core = new ClientProtocol();
    core.connection_opened();
    put(core, "sent");
    const [effect, ...rest] = core.connection_lost();
    assert.ok(effect.kind === "settled" && effect.ticket === "sent");
    assert.equal(effect.error?.code, "connection_lost");
    assert.deepEqual(rest, []);
    put(core, "waits");
    assert.deepEqual(core.connection_lost(), []);
    assert.equal(sent(core.connection_opened()).length, 1);
  });

  test("beyond the bound are refused while there is no connection", () => {
    const core = new ClientProtocol({ max_queue: 2 });
    assert.deepEqual([...put(core, 1), ...put(core, 2)], []);
    const [effect] = put(core, 3);
    assert.ok(effect.kind === "settled" && effect.ticket === 3);
    assert.equal(effect.error?.code, "too_many");
    assert.equal(sent(core.connection_opened()).length, 2);
    assert.equal(sent(put(core, 4)).length, 1);
  });

  test("beyond the bound of length are refused too; what was sent no longer counts", () => {
    const core = new ClientProtocol();
    const big = { insert: [{ id: "a", text: "x".repeat(9 * 1024 * 1024) }] };
    assert.deepEqual(kinds(put(core, 1, big)), []);
    assert.deepEqual(kinds(put(core, 2, big)), ["settled"]);
    core.connection_opened();
    core.connection_lost();
    assert.deepEqual(kinds(put(core, 3, big)), []);
  });

  test("a burst goes out at the server's pace, whole and in order", () => {
    const core = new ClientProtocol({ max_queue: 2 });
    core.connection_opened();
    /** @type {number[]} */
    const seen = [];
    let wire = Array.from({ length: 1000 }, (_, n) => put(core, n, { n })).flatMap(sent);
    assert.equal(wire.length, 100);
    while (wire.length > 0) {
      const { tunnel, arg } = wire.shift();
      seen.push(arg.n);
      wire = wire.concat(sent(core.receive_text(reply(tunnel, 0))));
      assert.ok(wire.length <= 100);
    }
    assert.deepEqual(seen, [...Array(1000).keys()]);
  });

  test("that are not JSON are refused at once", () => {
    const core = new ClientProtocol();
    const circle = {};
    Object.assign(circle, { circle });
    for (const arg of [circle, { n: 1n }]) {
      const [effect] = put(core, "t", arg);
      assert.ok(effect.kind === "settled" && effect.error?.code === "bad_update");
    }
    assert.deepEqual(core.connection_opened(), []);
  });

  test("are all settled by close, and refused after it", () => {
    const core = new ClientProtocol();
    core.connection_opened();
    put(core, "sent");
    core.connection_lost();
    core.connection_opened();
    put(core, "sent again");
    for (let n = 0; n < 100; n++) put(core, n);
    const codes = core.close().map((effect) => effect.kind === "settled" && effect.error?.code);
    assert.deepEqual(codes, [...Array(100).fill("connection_lost"), "closed"]);
    const [late] = put(core, "late");
    assert.ok(late.kind === "settled" && late.error?.code === "closed");
    assert.deepEqual(core.close(), []);
  });
});
