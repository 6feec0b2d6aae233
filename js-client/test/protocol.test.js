import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientCore } from "../src/protocol.js";
import { Replica } from "../src/replica.js";
import { C, accept, at, diffs, failure, kinds, notify, reply, sent } from "./support.js";

/** A core with one subscription; `synced`: at version 3 of epoch "e", holding items a and b. */
function subscribed({ synced = true } = {}) {
  const core = new ClientCore();
  const replica = new Replica();
  core.subscribe(C, replica);
  const opened = core.connection_opened();
  if (synced) {
    accept(core, opened);
    core.receive_text(notify({ insert: [{ id: "a" }, { id: "b" }], reset: true }, at("e", 0, 3)));
  }
  return { core, replica, opened };
}

/** @param {Replica} replica */
const ids = (replica) => [...replica.items.keys()].join("");
/** @param {any[]} requests */
const subs = (requests) => requests.map(({ cmd, path, arg }) => ({ cmd, path, ...arg }));

/**
 * Check that the effects make the subscription anew, and nothing else.
 *
 * @param {import("./support.js").Effect[]} effects
 * @param {object} sub
 */
function assert_asked_anew(effects, sub) {
  assert.deepEqual(subs(sent(effects)), [
    { cmd: "PUT", path: "/subs", remove: [C] },
    { cmd: "PUT", path: "/subs", insert: [[C, sub]] },
  ]);
}

describe("subscribing", () => {
  test("waits for the connection, then asks for all paths at once", () => {
    const core = new ClientCore();
    assert.deepEqual(core.subscribe(C, new Replica()), []);
    assert.deepEqual(core.subscribe("/app/items/d", new Replica()), []);
    const [request, ...rest] = sent(core.connection_opened());
    assert.equal(request.type, "REQUEST");
    assert.deepEqual(request.arg, {
      insert: [
        [C, { parts: true }],
        ["/app/items/d", { parts: true }],
      ],
    });
    assert.deepEqual(rest, []);
  });

  test("the snapshot is told in one step, then that it is in sync", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    assert.deepEqual(accept(core, opened), []);
    const effects = core.receive_text(
      notify({ insert: [{ id: "b" }, { id: "a" }], reset: true }, at("e", 0, 3)),
    );
    assert.deepEqual(kinds(effects), ["diffs", "synced"]);
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
    assert.deepEqual(kinds(effects), ["diffs"]);
    assert.equal(replica.version, 7);
    const nothing = core.receive_text(notify({ remove: ["x"] }, at("e", 7, 8)));
    assert.deepEqual(kinds(nothing), ["moved"]);
    assert.equal(replica.version, 8);
  });

  test("once unsubscribed, what is under way is ignored", () => {
    const { core, replica } = subscribed();
    assert.deepEqual(subs(sent(core.unsubscribe(C))), [{ cmd: "PUT", path: "/subs", remove: [C] }]);
    assert.deepEqual(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4))), []);
    assert.deepEqual(core.unsubscribe(C), []);
    assert.equal(ids(replica), "ab");
  });

  test("subscribed anew at once: changes of the old subscription are not mistaken for the sync", () => {
    const { core } = subscribed();
    core.unsubscribe(C);
    const replica = new Replica();
    const asked = core.subscribe(C, replica);
    assert.deepEqual(core.receive_text(notify({ insert: [{ id: "z" }] }, at("e", 3, 4))), []);
    assert.deepEqual(core.receive_text(notify({ insert: [{ id: "z" }] })), [], "level 1");
    accept(core, asked);
    core.receive_text(notify({ insert: [{ id: "a" }, { id: "z" }], reset: true }, at("e", 0, 4)));
    assert.equal(ids(replica), "az");
  });

  test("a refused path fails with the server's reason; a neighbour does not", () => {
    const { core } = subscribed();
    const bad = "/app/nope/c";
    const [request] = sent(core.subscribe(bad, new Replica()));
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
    assert.equal(sent(core.subscribe(C, replica)).length, 1);
    assert.equal(sent(core.subscribe(C, replica)).length, 0, "already asked");
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
    assert.deepEqual(kinds(effects), ["diffs", "synced"]);
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
    assert.deepEqual(kinds(effects), ["diffs"]);
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
    assert.deepEqual(kinds(third), ["send", "refused"]);
    assert.deepEqual(core.receive_text(notify({ reset: true }, at("e", 4, 5))), []);
    assert.equal(ids(replica), "ab");
  });

  test("a malformed notification is reported and leaves a gap", () => {
    for (const data of [{ remove: [1] }, { insert: [{}] }, { insert: {} }, { insert: [null] }]) {
      const { core, replica } = subscribed();
      const [report, ...rest] = core.receive_text(notify(data, at("e", 3, 4)));
      assert.equal(report.kind, "report");
      assert_asked_anew(rest, { since: { epoch: "e", version: 3 }, parts: true });
      assert.equal(ids(replica), "ab");
    }
  });
});

describe("reconnecting", () => {
  test("resumes from the version held", () => {
    const { core, replica } = subscribed();
    core.connection_lost();
    assert.deepEqual(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4))), [], "too late");
    const opened = core.connection_opened();
    assert.deepEqual(sent(opened)[0].arg, {
      insert: [[C, { since: { epoch: "e", version: 3 }, parts: true }]],
    });
    accept(core, opened);
    const effects = core.receive_text(
      notify({ remove: ["a"], insert: [{ id: "a", n: 1 }] }, at("e", 3, 9)),
    );
    assert.deepEqual(diffs(effects), [[{ id: "a", new: { id: "a", n: 1 }, old: { id: "a" } }]]);
    assert.equal(ids(replica), "ba");
  });

  test("nothing happened meanwhile: in sync, no diff", () => {
    const { core } = subscribed();
    core.connection_lost();
    accept(core, core.connection_opened());
    assert.deepEqual(kinds(core.receive_text(notify({}, at("e", 3, 3)))), ["synced"]);
  });

  test("a snapshot of another epoch is told as the net difference", () => {
    const { core } = subscribed();
    core.connection_lost();
    accept(core, core.connection_opened());
    const effects = core.receive_text(
      notify({ insert: [{ id: "b" }], reset: true }, at("f", 0, 1)),
    );
    assert.deepEqual(diffs(effects), [[{ id: "a", new: undefined, old: { id: "a" } }]]);
  });

  test("lost before the first sync: starts over", () => {
    const { core } = subscribed({ synced: false });
    core.connection_lost();
    assert.deepEqual(sent(core.connection_opened())[0].arg, { insert: [[C, { parts: true }]] });
  });
});

describe("parts", () => {
  const insert = (/** @type {string} */ id) => ({ insert: [{ id }] });

  test("are applied as one, with other traffic in between", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    accept(core, opened);
    const first = notify({ ...insert("a"), reset: true }, { ...at("e", 0, 5), more: true });
    assert.deepEqual(core.receive_text(first), []);
    core.receive_text(notify({}, at("e", 0, 1), "/app/items/other"));
    assert.deepEqual(core.receive_text(notify(insert("b"), { ...at("e", 0, 5), more: true })), []);
    assert.equal(ids(replica), "", "nothing is seen before the last part");
    const effects = core.receive_text(notify(insert("c"), at("e", 0, 5)));
    assert.deepEqual(kinds(effects), ["diffs", "synced"]);
    assert.equal(diffs(effects)[0].length, 3);
    assert.deepEqual([ids(replica), replica.version], ["abc", 5]);
  });

  test("each may say reset", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    accept(core, opened);
    core.receive_text(notify({ ...insert("a"), reset: true }, { ...at("e", 0, 5), more: true }));
    core.receive_text(notify({ ...insert("b"), reset: true }, at("e", 0, 5)));
    assert.equal(ids(replica), "ab");
  });

  test("a snapshot that begins anew replaces the one that was begun", () => {
    const { core, replica } = subscribed();
    core.receive_text(notify({ ...insert("x"), reset: true }, { ...at("e", 0, 5), more: true }));
    core.receive_text(notify({ ...insert("c"), reset: true }, { ...at("e", 0, 6), more: true }));
    core.receive_text(notify(insert("d"), at("e", 0, 6)));
    assert.equal(ids(replica), "cd");
  });

  test("one of them malformed: none is applied", () => {
    const { core, replica } = subscribed();
    core.receive_text(notify({ ...insert("x"), reset: true }, { ...at("e", 0, 5), more: true }));
    accept(core, core.receive_text(notify({ insert: [3] }, { ...at("e", 0, 5), more: true })));
    core.receive_text(notify(insert("z"), at("e", 0, 5)));
    assert.equal(ids(replica), "ab");
  });

  test("cut short by the end of the connection leave no trace", () => {
    const { core, replica } = subscribed();
    core.receive_text(notify({ ...insert("x"), reset: true }, { ...at("e", 0, 5), more: true }));
    core.connection_lost();
    const opened = core.connection_opened();
    assert.deepEqual(sent(opened)[0].arg.insert[0][1].since, { epoch: "e", version: 3 });
    accept(core, opened);
    core.receive_text(notify(insert("c"), at("e", 3, 5)));
    assert.equal(ids(replica), "abc");
  });
});

describe("a server of level 1", () => {
  test("is followed without versions", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    accept(core, opened);
    assert.deepEqual(
      kinds(core.receive_text(notify({ insert: [{ id: "a" }, { id: "b" }], reset: true }))),
      ["diffs", "synced"],
    );
    core.receive_text(notify({ remove: ["a"], insert: [{ id: "a" }] }));
    assert.equal(ids(replica), "ba");
    core.connection_lost();
    const again = core.connection_opened();
    assert.deepEqual(sent(again)[0].arg, { insert: [[C, { parts: true }]] });
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

describe("requests", () => {
  const put = (/** @type {ClientCore} */ core, /** @type {any} */ ticket, arg = {}) =>
    core.request(ticket, "PUT", C, arg);

  test("wait for the connection and follow the subscriptions, in order", () => {
    const core = new ClientCore();
    core.subscribe(C, new Replica());
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
      { kind: "settle", ticket, error: undefined, data },
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
    assert.ok(effect.kind === "settle" && effect.error);
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
  });

  test("fail at level 1 with the server's sentence", () => {
    const { core } = subscribed();
    const [effect] = core.receive_text(failure(sent(put(core, "t"))[0].tunnel, "no such thing"));
    assert.ok(effect.kind === "settle" && effect.error);
    assert.deepEqual([effect.error.code, effect.error.message], ["failed", "no such thing"]);
  });

  test("that were sent are lost with the connection, those that wait are not", () => {
    const core = new ClientCore();
    core.connection_opened();
    put(core, "sent");
    const [effect, ...rest] = core.connection_lost();
    assert.ok(effect.kind === "settle" && effect.ticket === "sent");
    assert.equal(effect.error?.code, "connection_lost");
    assert.deepEqual(rest, []);
    put(core, "waits");
    assert.deepEqual(core.connection_lost(), []);
    assert.equal(sent(core.connection_opened()).length, 1);
  });

  test("beyond the bound are refused while there is no connection", () => {
    const core = new ClientCore({ max_waiting: 2 });
    assert.deepEqual([...put(core, 1), ...put(core, 2)], []);
    const [effect] = put(core, 3);
    assert.ok(effect.kind === "settle" && effect.ticket === 3);
    assert.equal(effect.error?.code, "too_many");
    assert.equal(sent(core.connection_opened()).length, 2);
    assert.equal(sent(put(core, 4)).length, 1);
  });

  test("beyond the bound of length are refused too; what was sent no longer counts", () => {
    const core = new ClientCore();
    const big = { insert: [{ id: "a", text: "x".repeat(9 * 1024 * 1024) }] };
    assert.deepEqual(kinds(put(core, 1, big)), []);
    assert.deepEqual(kinds(put(core, 2, big)), ["settle"]);
    core.connection_opened();
    core.connection_lost();
    assert.deepEqual(kinds(put(core, 3, big)), []);
  });

  test("a burst goes out at the server's pace, whole and in order", () => {
    const core = new ClientCore({ max_waiting: 2 });
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
    const core = new ClientCore();
    const circle = {};
    Object.assign(circle, { circle });
    for (const arg of [circle, { n: 1n }]) {
      const [effect] = put(core, "t", arg);
      assert.ok(effect.kind === "settle" && effect.error?.code === "bad_update");
    }
    assert.deepEqual(core.connection_opened(), []);
  });

  test("are all settled by close, and refused after it", () => {
    const core = new ClientCore();
    core.connection_opened();
    put(core, "sent");
    core.connection_lost();
    core.connection_opened();
    put(core, "sent again");
    for (let n = 0; n < 100; n++) put(core, n);
    const codes = core.close().map((effect) => effect.kind === "settle" && effect.error?.code);
    assert.deepEqual(codes, [...Array(100).fill("connection_lost"), "closed"]);
    const [late] = put(core, "late");
    assert.ok(late.kind === "settle" && late.error?.code === "closed");
    assert.deepEqual(core.close(), []);
  });
});

describe("what a server may say", () => {
  test("malformed text is reported and harms nothing", () => {
    const { core, replica } = subscribed();
    const texts = ["", "{", "[]", "null", "1", '"x"', "[".repeat(100_000)];
    texts.push('{"type":"MESSAGE","cmd":"NOTIFY"}', '{"type":"MESSAGE","cmd":"NOTIFY","path":3}');
    for (const text of texts)
      assert.deepEqual(kinds(core.receive_text(text)), ["report"], text.slice(0, 20));
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
      assert.ok(effect.kind === "settle" && effect.error instanceof Error);
      assert.equal(effect.error.code, "failed");
      const [asked] = sent(core.subscribe("/a/b/c", new Replica()));
      core.receive_text(
        reply(asked.tunnel, [3, [], [strange]], { errors: [[], ["/a/b/c", error]] }),
      );
    }
  });
});
