/**
 * Chromium, Firefox and WebKit behind one small interface: pages that are opened, asked, left and gone back to.
 *
 * What they are driven with: Playwright, Puppeteer over WebDriver BiDi, and WebDriver over HTTP with WebKitGTK's own
 * MiniBrowser on a virtual screen. WebKit's driver tells nothing of a page's console and errors, so a page keeps them itself:
 * `WATCH`. Every certificate will do.
 */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { CHROMIUM_ARGUMENTS } from "./support.mjs";

const require = createRequire(
  new URL("../../js-client/package.json", import.meta.url),
);
const SECONDS = 30;

/** Put first in a page, it keeps what goes wrong (`problems`) and what the page says (`logged`), as texts. */
export const WATCH = `<script>
  globalThis.problems = [];
  globalThis.logged = [];
  for (const type of ["error", "unhandledrejection", "securitypolicyviolation"])
    addEventListener(type, (event) => problems.push(String(event.message ?? event.reason ?? event.blockedURI)));
  for (const [name, list] of [["error", problems], ["warn", problems], ["log", logged]]) {
    const say = console[name];
    console[name] = (...words) => {
      list.push(words.map(String).join(" "));
      say.apply(console, words);
    };
  }
</script>`;

/**
 * Start an engine.
 *
 * @param {"chromium" | "firefox" | "webkit"} name
 * @returns {Promise<{open: (url: string) => Promise<Page>, close: () => Promise<void>}>} `open` opens another window
 */
export function launch(name) {
  return { chromium, firefox, webkit }[name]();
}

/** @typedef {object} Page
 *  @property {(task: Function, ...args: unknown[]) => Promise<any>} evaluate what the function, which sees nothing but its
 *    arguments and the page, comes to
 *  @property {(url: string) => Promise<unknown>} goto
 *  @property {(url: string) => Promise<unknown>} enter begin to go there as the address bar does; nobody waits for an arrival
 *  @property {() => Promise<unknown>} back
 *  @property {() => Promise<unknown>} close
 */

async function chromium() {
  const { chromium } = require("playwright-core");
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM,
    args: CHROMIUM_ARGUMENTS,
  });
  const context = await browser.newContext({ ignoreHTTPSErrors: true });
  return {
    async open(url) {
      const page = await context.newPage();
      page.setDefaultTimeout(SECONDS * 1000);
      await page.goto(url);
      return {
        evaluate: (task, ...args) =>
          page.evaluate(`(${task})(...${JSON.stringify(args)})`),
        goto: (url) => page.goto(url),
        async enter(url) {
          page.goto(url).catch(() => {}); // it may lead nowhere
        },
        back: () => page.goBack(),
        close: () => page.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function firefox() {
  const puppeteer = require("puppeteer-core");
  const browser = await puppeteer.launch({
    browser: "firefox",
    executablePath: process.env.FIREFOX,
    args: ["--remote-allow-system-access"],
    acceptInsecureCerts: true,
    timeout: 2 * SECONDS * 1000,
  });

  /** Run a script that sees what the browser's own windows are made of. */
  async function in_browser(expression) {
    const { connection } = browser;
    const scope = { "moz:scope": "chrome" };
    const { result: tree } = await connection.send("browsingContext.getTree", scope);
    const { result } = await connection.send("script.evaluate", {
      expression,
      target: { context: tree.contexts[0].context },
      awaitPromise: true,
    });
    assert.equal(result.type, "success", JSON.stringify(result));
  }

  return {
    async open(url) {
      const page = await browser.newPage();
      page.setDefaultTimeout(SECONDS * 1000);
      await page.goto(url);
      return {
        evaluate: (task, ...args) => page.evaluate(task, ...args),
        goto: (url) => page.goto(url),
        async enter(url) {
          // `goto` begins below the address bar and leaves scripts alone that the address bar ends.
          await page.bringToFront();
          await in_browser(`gBrowser.selectedBrowser.loadURI(
            Services.io.newURI(${JSON.stringify(url)}),
            { triggeringPrincipal: Services.scriptSecurityManager.getSystemPrincipal() },
          )`);
        },
        back: () => page.goBack(),
        close: () => page.close(),
      };
    },
    close: () => browser.close(),
  };
}

async function webkit() {
  const screen = spawn(
    "Xvfb",
    ["-displayfd", "3", "-screen", "0", "1024x768x24", "-nolisten", "tcp"],
    {
      stdio: ["ignore", "ignore", "ignore", "pipe"],
    },
  );
  const [display] = await once(screen.stdio[3], "data");
  const port = process.env.WEBKIT_PORT;
  const driver = spawn("WebKitWebDriver", [`--port=${port}`], {
    stdio: "ignore",
    env: {
      ...process.env,
      DISPLAY: `:${`${display}`.trim()}`,
      LIBGL_ALWAYS_SOFTWARE: "1",
    },
  });
  let session = "";

  /** Carry out one command of WebDriver. */
  async function ask(method, path, body) {
    const response = await fetch(
      `http://127.0.0.1:${port}/session${session}${path}`,
      {
        method,
        ...(body && {
          body: JSON.stringify(body),
          headers: { "content-type": "application/json" },
        }),
        signal: AbortSignal.timeout(2 * SECONDS * 1000),
      },
    );
    const { value } = await response.json();
    assert.ok(response.ok, JSON.stringify(value));
    return value;
  }

  // One window has the driver's attention at a time.
  let last = Promise.resolve();
  const on = (window, ...command) =>
    (last = last
      .catch(() => {})
      .then(async () => {
        await ask("POST", "/window", { handle: window });
        return ask(...command);
      }));

  const binary = MINI_BROWSERS.find(existsSync);
  assert.ok(
    binary,
    "MiniBrowser is missing: apt-get install webkit2gtk-driver",
  );
  const options = { binary, args: ["--automation"] };
  const wanted = {
    capabilities: {
      alwaysMatch: {
        acceptInsecureCerts: true,
        "webkitgtk:browserOptions": options,
      },
    },
  };
  for (let left = 100; session === ""; left--) {
    try {
      const { sessionId } = await ask("POST", "", wanted);
      session = `/${sessionId}`;
    } catch (error) {
      if (left === 0 || error.cause?.code !== "ECONNREFUSED") throw error; // it has yet to listen
      await pause(100);
    }
  }
  const first = await ask("GET", "/window");
  await ask("POST", "/timeouts", {
    script: SECONDS * 1000,
    pageLoad: SECONDS * 1000,
  });
  return {
    async open(url) {
      const { handle } = await on(first, "POST", "/window/new", {
        type: "window",
      });
      await on(handle, "POST", "/url", { url });
      return {
        async evaluate(task, ...args) {
          // The text itself, since a page's policy may forbid `eval`.
          const script = `
            const [args, done] = arguments;
            (async () => (${task})(...args))().then(
              (value) => done({ value }),
              (error) => done({ error: String(error) }),
            );`;
          const command = { script, args: [args] };
          const { value, error } = await on(
            handle,
            "POST",
            "/execute/async",
            command,
          );
          if (error) throw new Error(error);
          return value;
        },
        goto: (url) => on(handle, "POST", "/url", { url }),
        async enter(url) {
          on(handle, "POST", "/url", { url }).catch(() => {}); // it may lead nowhere
        },
        back: () => on(handle, "POST", "/back", {}),
        close: () => on(handle, "DELETE", "/window"),
      };
    },
    async close() {
      if (session) await ask("DELETE", "").catch(() => {});
      driver.kill();
      screen.kill();
    },
  };
}

const MINI_BROWSERS = ["x86_64-linux-gnu", "aarch64-linux-gnu"].flatMap(
  (machine) =>
    ["4.1", "4.0", "6.0"].map(
      (version) => `/usr/lib/${machine}/webkit2gtk-${version}/MiniBrowser`,
    ),
);
