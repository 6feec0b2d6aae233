/** The core: what it holds when a connection or a snapshot ends too early. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { C, accept, at, diffs, ids, kinds, notify, sent, subscribed } from "../support.js";

describe("reconnecting", () => {
  test("resumes from the version held", () => {
    const { core, replica } = subscribed();
    core.connection_lost();
    assert.deepEqual(core.receive_text(notify({ remove: ["a"] }, at("e", 3, 4))), [], "too late");
    const opened = core.connection_opened();
    assert.deepEqual(sent(opened)[0].arg, {
      insert: [[C, { since: { epoch: "e", version: 3 }, parts: true }]],
      brief: true,
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
    const { insert } = sent(core.connection_opened())[0].arg;
    assert.deepEqual(insert, [[C, { parts: true }]]);
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
    assert.deepEqual(kinds(effects), ["changed", "synced"]);
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
