/**
 * The soak: three clients in Node and three in Chromium change one collection at random, while the server is killed and
 * started again and links are cut, or go dead without a word, every few seconds.
 *
 * In the end every copy equals what is stored, every promise is settled, every listener is gone and the heaps are flat.
 * SOAK_SECONDS (default 600) tells how long; SOAK_REPORT, a file for the figures.
 */

import assert from "node:assert/strict";
import { fork } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { SharedStateClient } from "../../js-client/src/index.js";
import { scenario, serve_pages, until } from "./support.mjs";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
const { WebSocket } = require("ws");
const SECONDS = Number(process.env.SOAK_SECONDS ?? 600);
const PATH = "/app/items/soak";
const CLIENTS = 3;
/** Heaps are compared between the end of the warm-up, when every path was taken, and the end. */
const WARM_UP = Math.max(SECONDS / 5, 5);
/** What a heap may grow by, in bytes, whatever the duration: a leak of each of the updates would be more. */
const SLACK = 1.5 * 2 ** 20;

/** The process with the clients of Node. */
class Child {
  #calls = 0;
  #process = fork(new URL("soak_node.mjs", import.meta.url), { execArgv: ["--expose-gc"] });
  #open = new Map();

  constructor() {
    this.#process.on("message", ({ call, result }) => {
      this.#open.get(call)(result);
      this.#open.delete(call);
    });
    this.ended = once(this.#process, "exit");
  }

  call(kind, number, ...rest) {
    const call = this.#calls++;
    this.#process.send({ call, kind, number, rest });
    return new Promise((resolve) => this.#open.set(call, resolve));
  }

  kill() {
    this.#process.kill("SIGKILL");
  }
}

/** The way from one client to the server: it can be cut, and it can go dead. */
class Link {
  #pairs = new Set();
  #dead = false;

  async start(port) {
    this.server = createServer((near) => {
      const far = connect(port, "127.0.0.1");
      const pair = [near, far];
      this.#pairs.add(pair);
      const end = () => {
        this.#pairs.delete(pair);
        for (const socket of pair) socket.destroy();
      };
      for (const [from, to] of [pair, [far, near]]) {
        from.on("data", (data) => this.#dead || to.destroyed || to.write(data));
        from.on("error", end);
        from.on("close", end);
      }
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.port = this.server.address().port;
  }

  cut() {
    for (const [near] of this.#pairs) near.destroy();
  }

  /** Nothing comes through any more; nobody is told. Connections of that time never recover. */
  async die(seconds) {
    this.#dead = true;
    await pause(seconds * 1000);
    this.cut_silently();
    this.#dead = false;
  }

  cut_silently() {
    // The far end is closed, as a router that forgot the connection: the near end stays open and silent.
    for (const [near, far] of this.#pairs) {
      far.removeAllListeners("close");
      far.destroy();
      near.removeAllListeners("data");
      near.resume();
    }
  }

  stop() {
    this.cut();
    this.server.close();
  }
}

const expected = (problem) =>
  problem.includes("WebSocket connection to") || problem.includes("thrown on purpose");

const child = new Child();
process.on("exit", () => child.kill());

await scenario(async ({ server, open }) => {
  const links = [];
  for (let number = 0; number < 2 * CLIENTS; number++) {
    links.push(new Link());
    await links.at(-1).start(server.port);
  }
  const url = (link) => `ws://127.0.0.1:${link.port}`;
  const names = Array.from({ length: CLIENTS }, (_, number) => `node ${number}`);
  for (const [number, name] of names.entries())
    await child.call("begin", number, url(links[number]), { path: PATH, name, pace: 20 });
  const pages = await open_pages(server, links.slice(CLIENTS).map(url), open);
  const everyone = [...names.map(in_child), ...pages.map(in_page)];

  const chaos = { kills: 0, cuts: 0, dead: 0 };
  const heaps = [];
  const start = performance.now();
  const passed = () => (performance.now() - start) / 1000;
  while (passed() < SECONDS) {
    await pause(1000 + Math.random() * 3000);
    if (heaps.length === 0 ? passed() > WARM_UP : passed() > heaps.at(-1).at + SECONDS / 10) {
      heaps.push({ at: Math.round(passed()), ...(await heap(pages)) });
    }
    const link = links[Math.floor(Math.random() * links.length)];
    const dice = Math.random();
    if (dice < 0.4) {
      chaos.cuts++;
      link.cut();
    } else if (dice < 0.6) {
      chaos.dead++;
      await link.die(1);
    } else {
      chaos.kills++;
      await server.crash();
      await pause(Math.random() * 500);
      await server.start();
    }
  }

  // Everybody finishes: no promise stays open.
  await Promise.all(everyone.map(({ stop }) => stop()));
  const books = await Promise.all(everyone.map(({ books }) => books()));
  for (const { pending, faults } of books) assert.deepEqual([pending, faults], [0, []]);

  // All copies equal what is stored: what the server knows after one more crash.
  await server.crash();
  await server.start();
  const reader = new SharedStateClient(`ws://127.0.0.1:${server.port}`, { WebSocket });
  const stored = await reader.get(PATH);
  reader.close();
  for (const { name, copies } of everyone) {
    let seen;
    const same = async () => {
      seen = await copies();
      return JSON.stringify(seen.items) === JSON.stringify(stored);
    };
    await until(same, `${name} to hold what is stored`);
    assert.deepEqual(seen.snapshot, stored);
    assert.equal(seen.held_is_the_same, true, name);
  }

  // What was acknowledged is there; each transaction counts once.
  const of = new Map(stored.map((item) => [item.id, item]));
  for (const [at, { name }] of everyone.entries()) {
    const { sent, acknowledged } = books[at].mark;
    const marks = [0, 1, 2].map((n) => of.get(`mark ${name} ${n}`)?.n ?? 0);
    assert.ok(
      Math.max(...marks) >= acknowledged,
      `${name}: ${marks}, but ${acknowledged} was acknowledged`,
    );
    assert.ok(Math.max(...marks) <= sent);
  }
  const sum = (member) => books.reduce((total, { count }) => total + count[member], 0);
  const [certain, counted] = [sum("certain"), of.get("count")?.n ?? 0];
  assert.ok(certain <= counted && counted <= certain + sum("unknown"), `${certain} <= ${counted}`);

  // Nothing is left: one subscription each, then none; the heaps are as they were.
  heaps.push({ at: Math.round(passed()), ...(await heap(pages)) });
  for (const { name, subscriptions } of everyone) {
    assert.deepEqual(await subscriptions(), [[PATH], []], name);
  }
  const report = { seconds: SECONDS, chaos, counted, stored: stored.length, heaps, books };
  console.log(JSON.stringify(report, null, 1));
  if (process.env.SOAK_REPORT) await writeFile(process.env.SOAK_REPORT, JSON.stringify(report));
  const [first, last] = [heaps[0], heaps.at(-1)];
  assert.ok(last.node < first.node + SLACK, "the heap of Node is flat");
  for (const at of pages.keys()) {
    assert.ok(last.pages[at].heap < first.pages[at].heap + SLACK, "the heap of a page is flat");
    assert.ok(last.pages[at].listeners <= first.pages[at].listeners + 20, "no listener is left");
  }
  child.call("close");
  assert.deepEqual(await child.ended, [0, null]);
  for (const link of links) link.stop();
  pages.site.close();
}, expected);

/** A page for each address, with a writer in it. */
async function open_pages(server, urls, open) {
  const site = await serve_pages({ "/": "<!doctype html><meta charset='utf-8'>" });
  const source = await readFile(new URL("soak_writer.mjs", import.meta.url), "utf-8");
  const pages = [];
  for (const [number, url] of urls.entries()) {
    const { page } = await open(site.url);
    // Nor shall what the other scenarios keep of every frame count.
    page.removeAllListeners("websocket");
    await page.addScriptTag({
      type: "module",
      content: `${source.replaceAll("export ", "")}
        import {SharedStateClient} from "http://127.0.0.1:${server.port}/libs/sharedstate.es.js";
        const where = {path: "${PATH}", name: "page ${number}", pace: 20};
        globalThis.ending = ending;
        globalThis.writer = new Writer(SharedStateClient, "${url}", {}, where);`,
    });
    await page.waitForFunction(() => globalThis.writer);
    pages.push({ page, name: `page ${number}`, tools: await page.context().newCDPSession(page) });
  }
  return Object.assign(pages, { site });
}

/** Heaps after a collection of garbage, in bytes. */
async function heap(pages) {
  const of_page = async ({ tools }) => {
    await tools.send("Performance.enable");
    await tools.send("HeapProfiler.collectGarbage");
    const { metrics } = await tools.send("Performance.getMetrics");
    const value = (wanted) => metrics.find(({ name }) => name === wanted).value;
    return { heap: value("JSHeapUsedSize"), listeners: value("JSEventListeners") };
  };
  return { node: await child.call("heap"), pages: await Promise.all(pages.map(of_page)) };
}

function in_child(name, number) {
  return {
    name,
    stop: () => child.call("stop", number),
    books: () => child.call("books", number),
    copies: () => child.call("copies", number),
    subscriptions: () => child.call("subscriptions", number),
  };
}

function in_page({ page, name }) {
  return {
    name,
    stop: () => page.evaluate(() => writer.stop()),
    books: () => page.evaluate(() => writer.books()),
    copies: () => page.evaluate(() => writer.copies()),
    subscriptions: () => page.evaluate(() => ending(writer)),
  };
}
