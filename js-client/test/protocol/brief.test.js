/** The core: a change of subscriptions names, and costs, what it changes, however many there are. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ClientProtocol } from "../../src/protocol/client_protocol.js";
import { Replica } from "../../src/protocol/replica.js";
import {
  C,
  at,
  failure,
  kinds,
  notify,
  reply,
  sent,
  subs,
  subscribed,
  walks_through_maps,
} from "../support.js";

/** @typedef {import("../../src/protocol/effects.js").Effect} Effect */

const D = "/app/items/d";

/** A client of a server that answers at once, and what it costs. */
class Conversation {
  core = new ClientProtocol();
  /** @type {Map<string, object>} what the server has accepted on this connection */
  #accepted = new Map();
  #knows_brief;
  /** Characters of the replies. */
  size = 0;
  /** @type {string[]} what the client has told */
  told = [];

  /** @param {boolean} [knows_brief] otherwise a reply lists every subscription, as those of older servers do */
  constructor(knows_brief = true) {
    this.#knows_brief = knows_brief;
    this.#serve(this.core.connection_opened());
  }

  /** @param {number} number */
  acquire(number) {
    this.#serve(this.core.acquire(`/app/items/${number}`, new Replica()));
  }

  /** @param {number} number */
  release(number) {
    this.#serve(this.core.release(`/app/items/${number}`));
  }

  reconnect() {
    this.#accepted.clear();
    this.#serve([...this.core.connection_lost(), ...this.core.connection_opened()]);
  }

  /** @param {string} path @param {object} data @param {object} state */
  notify(path, data, state) {
    this.#serve(this.core.receive_text(notify(data, state, path)));
  }

  /** @param {Effect[]} effects */
  #serve(effects) {
    this.told.push(...kinds(effects).filter((kind) => kind !== "send_text"));
    for (const { tunnel, arg } of sent(effects)) {
      const { insert = [], remove = [], reset, brief } = arg;
      if (reset) this.#accepted.clear();
      for (const path of remove) this.#accepted.delete(path);
      for (const [path, sub] of insert) this.#accepted.set(path, sub);
      const text = reply(tunnel, brief && this.#knows_brief ? insert : [...this.#accepted]);
      this.size += text.length;
      this.#serve(this.core.receive_text(text));
      for (const [path] of insert) this.notify(path, { reset: true }, at("e", 0, 1));
    }
  }
}

describe("replies", () => {
  test("of 1,000 acquires one after another have the length of what they name", (t) => {
    const size = (/** @type {number} */ acquires) => {
      const conversation = new Conversation();
      for (let n = 0; n < acquires; n++) conversation.acquire(100_000 + n);
      assert.deepEqual(new Set(conversation.told), new Set(["synced"]));
      assert.equal(conversation.told.length, acquires);
      return conversation.size;
    };
    const [few, many] = [size(100), size(1000)];
    t.diagnostic(`${few} characters for 100, ${many} for 1,000`);
    assert.ok(many < 11 * few, `${few}, ${many}`);
  });

  test("are handled without a walk through the other subscriptions", (t) => {
    const conversation = new Conversation();
    for (let n = 0; n < 1000; n++) conversation.acquire(n);
    const walks = walks_through_maps(t, 100);
    conversation.acquire(1000);
    conversation.release(7);
    conversation.notify("/app/items/8", { remove: ["a"] }, at("e", 7, 8)); // a gap
    assert.equal(walks.count, 0);
    conversation.reconnect();
    assert.ok(walks.count > 0, "a walk would be seen");
  });

  test("that list everything, of an older server, do as well", () => {
    const conversation = new Conversation(false);
    for (let n = 0; n < 20; n++) conversation.acquire(n);
    for (let n = 0; n < 10; n++) conversation.release(n);
    conversation.reconnect();
    conversation.acquire(0);
    conversation.notify("/app/items/15", { remove: ["a"] }, at("e", 7, 8));
    assert.deepEqual(new Set(conversation.told), new Set(["synced"]));
    assert.equal(conversation.told.length, 20 + 10 + 1 + 1);
  });

  test("say nothing of what they do not name", () => {
    const { core } = subscribed();
    const [request] = sent(core.acquire(D, new Replica()));
    assert.deepEqual(core.receive_text(reply(request.tunnel, [[D, {}]])), []);
    const [removal] = sent(core.release(D));
    assert.deepEqual(core.receive_text(reply(removal.tunnel, [])), []);
    assert.deepEqual(kinds(core.receive_text(notify({}, at("e", 3, 4)))), ["moved"]);
  });

  test("are taken for what was asked, whatever the server has shown since", () => {
    const { core } = subscribed();
    const [request] = sent(core.acquire(D, new Replica()));
    core.receive_text(notify({ remove: ["a"] }));
    assert.deepEqual(core.receive_text(reply(request.tunnel, [[D, {}]])), [], "C is not refused");
  });

  test("to a whole list tell of what has ended, too", () => {
    const { core, opened } = subscribed({ synced: false });
    core.receive_text(reply(sent(opened)[0].tunnel, [[C, {}]]));
    const [request] = sent(core.acquire(D, new Replica()));
    const effects = core.receive_text(reply(request.tunnel, [[D, {}]]));
    assert.deepEqual(
      effects.map((effect) => effect.kind === "refused" && effect.path),
      [C],
    );
  });

  test("do not refuse what was released meanwhile, nor what was acquired anew", () => {
    for (const answer of [reply, failure]) {
      const { core } = subscribed();
      const [first] = sent(core.acquire(D, new Replica()));
      core.release(D);
      const [second] = sent(core.acquire(D, new Replica()));
      assert.deepEqual(core.receive_text(answer(first.tunnel, /** @type {any} */ ([]))), []);
      assert.deepEqual(core.receive_text(reply(second.tunnel, [[D, {}]])), []);
      assert.deepEqual(subs(sent(core.acquire(D, new Replica()))), []);
    }
  });

  test("to an earlier request do not count for what was asked for again", () => {
    const { core, replica, opened } = subscribed({ synced: false });
    const [both] = sent(core.acquire(D, new Replica()));
    assert.deepEqual(kinds(core.receive_text(reply(sent(opened)[0].tunnel, []))), ["refused"]);
    const [again] = sent(core.acquire(C, replica));
    assert.deepEqual(core.receive_text(reply(both.tunnel, [[D, {}]])), []);
    assert.deepEqual(kinds(core.receive_text(reply(again.tunnel, [[D, {}]]))), ["refused"]);
  });

  test("that come twice, or on the next connection, count once", () => {
    const { core } = subscribed();
    const [request] = sent(core.acquire(D, new Replica()));
    core.receive_text(reply(request.tunnel, [[D, {}]]));
    assert.deepEqual(core.receive_text(failure(request.tunnel, "no")), []);
    core.connection_lost();
    core.connection_opened();
    assert.deepEqual(core.receive_text(reply(request.tunnel, [])), []);
  });

  test("are awaited, also those to what nobody wants any more", () => {
    const { core } = subscribed();
    const [removal] = sent(core.release(C));
    assert.deepEqual(core.tick(1), []);
    assert.deepEqual(kinds(core.tick(1)), ["fault"]);
    core.receive_text(reply(removal.tunnel, []));
    assert.deepEqual(core.tick(1), []);
    core.acquire(C, new Replica());
    core.connection_lost();
    for (let n = 0; n < 5; n++) assert.deepEqual(core.tick(1), [], "lost with the connection");
  });
});
