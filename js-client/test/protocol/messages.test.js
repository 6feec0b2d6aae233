/** The core: what a server may say, and what it had better not. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Replica } from "../../src/protocol/replica.js";
import { C, at, diffs, failure, ids, kinds, notify, reply, sent, subscribed } from "../support.js";

describe("what a server may say", () => {
  test("malformed text is reported and harms nothing", () => {
    const { core, replica } = subscribed();
    const texts = ["", "{", "[]", "null", "1", '"x"', "[".repeat(100_000)];
    texts.push('{"type":"MESSAGE","cmd":"NOTIFY"}', '{"type":"MESSAGE","cmd":"NOTIFY","path":3}');
    for (const text of texts)
      assert.deepEqual(kinds(core.receive_text(text)), ["fault"], text.slice(0, 20));
    assert.equal(ids(replica), "ab");
    assert.equal(diffs(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4)))).length, 1);
  });

  test("unknown messages, members, tunnels and paths are ignored", () => {
    const { core, replica } = subscribed();
    const ignored = [
      { type: "NEWS" },
      { type: "MESSAGE", cmd: "OTHER", path: C },
      { type: "REPLY", tunnel: { a: 1 }, ok: true },
      { type: "REPLY", tunnel: 12345, ok: true },
      { type: "REPLY", tunnel: "subs0", ok: true, data: 3 },
      { type: "REPLY", ok: false },
      { type: "MESSAGE", cmd: "NOTIFY", path: "/x/y/z", data: {} },
    ];
    for (const message of ignored)
      assert.deepEqual(core.receive_text(JSON.stringify(message)), [], JSON.stringify(message));
    core.receive_text(
      notify({ remove: ["a"], extra: 1 }, /** @type {any} */ ({ ...at("e", 3, 4), y: 2 })),
    );
    assert.equal(ids(replica), "b");
  });

  test("strange answers settle the request and never throw", () => {
    const strange = { toString: 1, valueOf: 1 };
    for (const error of [
      null,
      3,
      [],
      { code: strange, message: strange },
      JSON.parse('{"__proto__":1}'),
    ]) {
      const { core } = subscribed();
      const [{ tunnel }] = sent(core.request("t", "PUT", C, {}));
      const [effect] = core.receive_text(failure(tunnel, /** @type {any} */ (strange), { error }));
      assert.ok(effect.kind === "settled" && effect.error instanceof Error);
      assert.equal(effect.error.code, "failed");
      const [asked] = sent(core.acquire("/a/b/c", new Replica()));
      core.receive_text(
        reply(asked.tunnel, [3, [], [strange]], { errors: [[], ["/a/b/c", error]] }),
      );
    }
  });
});
