/**
 * What every scenario needs: a real server as a process of its own, pages on an origin of their own, and Chromium that
 * complains loudly.
 *
 * The environment names the command of the server (SHAREDSTATE_COMMAND), its port, which stays free while it is away
 * (SHAREDSTATE_PORT), its loop (SHAREDSTATE_LOOP), maybe its configuration (SHAREDSTATE_CONFIG), and Chromium (CHROMIUM).
 * Files go to the working folder.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";

const require = createRequire(new URL("../../js-client/package.json", import.meta.url));
export const CHROMIUM_ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-dev-shm-usage",
  "--disable-background-networking",
  "--no-first-run",
  "--disable-component-update",
  "--disable-sync",
];
const SECONDS = 30;

/** Wait for a condition of this process. */
export async function until(condition, what = String(condition)) {
  const deadline = Date.now() + SECONDS * 1000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, `waited in vain for ${what}`);
    await pause(5);
  }
}

/** The command `sharedstate-anyio`, started and stopped at will on one port and one file. */
export class Server {
  port = Number(process.env.SHAREDSTATE_PORT);
  #process;
  #ended;

  async start() {
    const { SHAREDSTATE_COMMAND: command, SHAREDSTATE_LOOP: loop = "asyncio" } = process.env;
    const { SHAREDSTATE_CONFIG: config } = process.env;
    const options = config ? [config] : [];
    options.push("--port", String(this.port), "--loop", loop);
    this.#process = spawn(command, options, { stdio: ["ignore", "pipe", "inherit"] });
    this.#ended = once(this.#process, "exit");
    let listens = false;
    for await (const line of createInterface(this.#process.stdout)) {
      listens = line.includes(`port ${this.port}`);
      if (listens) break;
    }
    assert.ok(listens, "the server has not started");
    this.#process.stdout.resume();
  }

  /** @returns the exit status */
  async stop() {
    this.#process.kill("SIGTERM");
    const [status] = await this.#ended;
    return status;
  }

  kill() {
    this.#process?.kill("SIGKILL");
  }

  /** End it without a word, as a loss of power would. */
  async crash() {
    this.kill();
    await this.#ended;
  }
}

/** A web server of our own: another origin than the server's. `pages` maps targets to HTML. */
export async function serve_pages(pages) {
  const server = createServer((request, response) => {
    const page = pages[request.url];
    response.writeHead(page === undefined ? 204 : 200, { "content-type": "text/html" });
    response.end(page ?? "");
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => server.close(),
  };
}

/** A file of this folder, with the server's real port for the 9000 that is written in it. */
export async function page_for(name, server) {
  const text = await readFile(new URL(name, import.meta.url), "utf-8");
  return text.replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`);
}

/** A page that keeps what its console says, and every frame it gets. */
export class Tab {
  logged = [];
  problems = [];
  received = [];

  constructor(page) {
    this.page = page;
    page.setDefaultTimeout(SECONDS * 1000);
    page.on("console", (message) => {
      const list = message.type() === "log" ? this.logged : this.problems;
      list.push(message.text());
    });
    page.on("pageerror", (error) => this.problems.push(String(error)));
    page.on("websocket", (socket) =>
      socket.on("framereceived", ({ payload }) => this.received.push(JSON.parse(payload))),
    );
  }

  /** Wait until the console has said exactly this. */
  async logs(...expected) {
    await until(() => this.logged.length >= expected.length, `${expected} in the console`);
    assert.deepEqual(this.logged, expected);
  }
}

/**
 * Run one scenario with a server and a browser, and take both down whatever happens.
 *
 * @param {(given: {server: Server, open: (url: string) => Promise<Tab>}) => Promise<void>} run `open` opens a page
 *   in a window of its own
 * @param {(problem: string) => boolean} [expected] problems in a console that belong to the scenario
 */
export async function scenario(run, expected = () => false) {
  const { chromium } = require("playwright-core");
  const server = new Server();
  let browser;
  try {
    await server.start();
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: CHROMIUM_ARGUMENTS,
      headless: true,
    });
    const tabs = [];
    const open = async (url) => {
      const context = await browser.newContext();
      await context.addInitScript(() =>
        document.addEventListener("securitypolicyviolation", (event) =>
          console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`),
        ),
      );
      const tab = new Tab(await context.newPage());
      tabs.push(tab);
      await tab.page.goto(url);
      return tab;
    };
    await run({ server, open });
    const problems = tabs.flatMap((tab) => tab.problems);
    assert.deepEqual(
      problems.filter((problem) => !expected(problem)),
      [],
    );
    assert.equal(await server.stop(), 0);
  } finally {
    await browser?.close();
    server.kill();
  }
}
