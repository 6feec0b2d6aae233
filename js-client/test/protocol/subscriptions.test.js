/** The core: subscribing, gaps, and servers of level 1. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { Replica } from "../../src/protocol/replica.js";
import {
  C,
  accept,
  assert_asked_anew,
  at,
  diffs,
  failure,
  ids,
  kinds,
  notify,
  reply,
  sent,
  subs,
  subscribed,
} from "../support.js";

describe("subscribing", () => {
  test("waits for the connection, then asks for all paths at once", () => {
    const core = new ClientProtocol();
    assert.deepEqual(core.acquire(C, new Replica()), []);
    assert.deepEqual(core.acquire("/app/items/d", new Replica()), []);
    const [request, ...rest] = sent(core.connection_opened());
    assert.equal(request.type, "REQUEST");
    assert.deepEqual(request.arg, {
      insert: [
        [C, { parts: true }],
        ["/app/items/d", { parts: true }],
      ],
      reset: true,
    });
    assert.deepEqual(rest, []);
  });

  test("the snapshot is told in one step, then that it is in sync", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    assert.deepEqual(accept(core, opened), []);
    const effects = core.receive_text(
      notify({ insert: [{ id: "b" }, { id: "a" }], reset: true }, at("e", 0, 3)),
    );
    assert.deepEqual(kinds(effects), ["changed", "synced"]);
    assert.deepEqual(diffs(effects)[0], [
      { id: "b", new: { id: "b" }, old: undefined },
      { id: "a", new: { id: "a" }, old: undefined },
    ]);
    assert.equal(ids(replica), "ba");
  });

  test("an empty collection is in sync without a diff", () => {
    const { core, opened } = subscribed({ synced: false });
    accept(core, opened);
    assert.deepEqual(kinds(core.receive_text(notify({ reset: true }, at("e", 0, 0)))), ["synced"]);
  });

  test("changes are told, in-sync is not told again", () => {
    const { core, replica } = subscribed();
    const effects = core.receive_text(notify({ insert: [{ id: "c" }] }, at("e", 3, 7)));
    assert.deepEqual(kinds(effects), ["changed"]);
    assert.equal(replica.version, 7);
    const nothing = core.receive_text(notify({ remove: ["x"] }, at("e", 7, 8)));
    assert.deepEqual(kinds(nothing), ["moved"]);
    assert.equal(replica.version, 8);
  });

  test("once unsubscribed, what is under way is ignored", () => {
    const { core, replica } = subscribed();
    assert.deepEqual(subs(sent(core.release(C))), [
      { cmd: "PUT", path: "/subs", remove: [C], brief: true },
    ]);
    assert.deepEqual(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4))), []);
    assert.deepEqual(core.release(C), []);
    assert.equal(ids(replica), "ab");
  });

  test("subscribed anew at once: changes of the old subscription are not mistaken for the sync", () => {
    const { core } = subscribed();
    core.release(C);
    const replica = new Replica();
    const asked = core.acquire(C, replica);
    assert.deepEqual(core.receive_text(notify({ insert: [{ id: "z" }] }, at("e", 3, 4))), []);
    assert.deepEqual(core.receive_text(notify({ insert: [{ id: "z" }] })), [], "level 1");
    accept(core, asked);
    core.receive_text(notify({ insert: [{ id: "a" }, { id: "z" }], reset: true }, at("e", 0, 4)));
    assert.equal(ids(replica), "az");
  });

  test("a refused path fails with the server's reason; a neighbour does not", () => {
    const { core } = subscribed();
    const bad = "/app/nope/c";
    const [request] = sent(core.acquire(bad, new Replica()));
    const error = { code: "no_service", message: "no service nope" };
    const effects = core.receive_text(reply(request.tunnel, [[C, {}]], { errors: [[bad, error]] }));
    assert.deepEqual(kinds(effects), ["refused"]);
    const [refused] = effects;
    assert.ok(refused.kind === "refused" && refused.path === bad);
    assert.equal(refused.error.code, "no_service");
    assert.equal(refused.error.message, "no service nope");
    assert.equal(diffs(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4)))).length, 1);
  });

  test("a refusal without a reason (level 1), or of the whole request", () => {
    for (const [answer, code] of /** @type {[(tunnel: any) => string, string][]} */ ([
      [(tunnel) => reply(tunnel, []), "refused"],
      [(tunnel) => failure(tunnel, "no"), "failed"],
      [(tunnel) => failure(tunnel, "no", { error: { code: "too_many" } }), "too_many"],
    ])) {
      const { core, opened } = subscribed({ synced: false });
      const [effect] = core.receive_text(answer(sent(opened)[0].tunnel));
      assert.ok(effect.kind === "refused" && effect.error.code === code, code);
    }
  });

  test("a refused path is asked for again when wanted again, and by the next connection", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    core.receive_text(reply(sent(opened)[0].tunnel, []));
    assert.equal(sent(core.acquire(C, replica)).length, 1);
    assert.equal(sent(core.acquire(C, replica)).length, 0, "already asked");
    core.connection_lost();
    assert.equal(sent(core.connection_opened()).length, 1);
  });
});

describe("gaps", () => {
  test("a change from another version: ask what changed since the one held", () => {
    const { core, replica } = subscribed();
    const asked = core.receive_text(notify({ remove: ["a"] }, at("e", 4, 5)));
    assert_asked_anew(asked, { since: { epoch: "e", version: 3 }, parts: true });
    assert.equal(ids(replica), "ab", "not applied");
    assert.deepEqual(core.receive_text(notify({ remove: ["b"] }, at("e", 5, 6))), [], "old news");
    accept(core, asked);
    const effects = core.receive_text(notify({ remove: ["a", "b"] }, at("e", 3, 6)));
    assert.deepEqual(kinds(effects), ["changed", "synced"]);
    assert.equal(ids(replica), "");
  });

  test("a change of another epoch: ask for a snapshot, told as the net difference", () => {
    const { core, replica } = subscribed();
    const asked = core.receive_text(notify({ remove: ["a"] }, at("f", 3, 4)));
    assert_asked_anew(asked, { parts: true });
    accept(core, asked);
    const effects = core.receive_text(
      notify({ insert: [{ id: "b" }, { id: "c" }], reset: true }, at("f", 0, 4)),
    );
    assert.deepEqual(
      diffs(effects)[0].map((/** @type {any} */ diff) => diff.id),
      ["a", "c"],
    );
    assert.equal(replica.epoch, "f");
  });

  test("a snapshot is welcome whatever its base and epoch", () => {
    const { core, replica } = subscribed();
    const effects = core.receive_text(
      notify({ insert: [{ id: "a" }], reset: true }, at("f", 77, 78)),
    );
    assert.deepEqual(kinds(effects), ["changed"]);
    assert.deepEqual([replica.epoch, replica.version, ids(replica)], ["f", 78, "a"]);
  });

  test("a server that never fits is asked twice, then given up", () => {
    const { core, replica } = subscribed();
    const first = core.receive_text(notify({}, at("e", 4, 5)));
    accept(core, first);
    const second = core.receive_text(notify({}, at("e", 4, 5)));
    assert_asked_anew(second, { parts: true });
    accept(core, second);
    const third = core.receive_text(notify({}, at("e", 4, 5)));
    assert.deepEqual(kinds(third), ["send_text", "refused"]);
    assert.deepEqual(core.receive_text(notify({ reset: true }, at("e", 4, 5))), []);
    assert.equal(ids(replica), "ab");
  });

  test("a malformed notification is reported and leaves a gap", () => {
    for (const data of [{ remove: [1] }, { insert: [{}] }, { insert: {} }, { insert: [null] }]) {
      const { core, replica } = subscribed();
      const [fault, ...rest] = core.receive_text(notify(data, at("e", 3, 4)));
      assert.equal(fault.kind, "fault");
      assert_asked_anew(rest, { since: { epoch: "e", version: 3 }, parts: true });
      assert.equal(ids(replica), "ab");
    }
  });
});

describe("a server of level 1", () => {
  test("is followed without versions", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    accept(core, opened);
    assert.deepEqual(
      kinds(core.receive_text(notify({ insert: [{ id: "a" }, { id: "b" }], reset: true }))),
      ["changed", "synced"],
    );
    core.receive_text(notify({ remove: ["a"], insert: [{ id: "a" }] }));
    assert.equal(ids(replica), "ba");
    core.connection_lost();
    const again = core.connection_opened();
    assert.deepEqual(sent(again)[0].arg, { insert: [[C, { parts: true }]], reset: true });
    accept(core, again);
    const effects = core.receive_text(notify({ insert: [{ id: "b" }, { id: "c" }], reset: true }));
    assert.deepEqual(
      diffs(effects)[0].map((/** @type {any} */ diff) => diff.id),
      ["a", "c"],
    );
  });

  test("may send the snapshot ahead of the reply", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    core.receive_text(notify({ insert: [{ id: "a" }], reset: true }));
    accept(core, opened);
    core.receive_text(notify({ insert: [{ id: "b" }] }));
    assert.equal(ids(replica), "ab");
  });
});
