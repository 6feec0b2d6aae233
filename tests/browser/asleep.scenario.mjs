/**
 * Tabs sleep while their tokens expire, and the server takes back what they may see: once awake they ask for a token,
 * and show all that has changed, without a reload. A tab in which nobody is signed in any more shows nothing.
 *
 * Their processes are stopped, as by a computer that sleeps. The second time the server starts anew meanwhile.
 */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { scenario, serve_pages, until } from "./support.mjs";

const SECRET = readFileSync("secret.txt", "utf8").trim();
const HOUR = 3600;
const now = () => Date.now() / 1000;

/** @returns a JSON Web Token that the server takes for so many seconds */
function sign(claims, seconds) {
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString("base64url");
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode({ ...claims, exp: now() + seconds })}`;
  return `${text}.${createHmac("sha256", SECRET).update(text).digest("base64url")}`;
}
const editor = (seconds) => sign({ sub: "ann", role: "editor" }, seconds);
const reader = (seconds) => sign({ sub: "ann", role: "reader" }, seconds);

/**
 * The token that a tab gets when it wakes up ("": none) and asks for one, what it then shows, of `ann` unless it says
 * otherwise, and for which reason it has asked again.
 */
const NOTHING = { tasks: "", staff: "", sizes: "0,0", user: null, status: "unauthenticated" };
const AWAKE = {
  demoted: { token: () => reader(HOUR), shows: { staff: "" }, again: "" },
  signed_out: { token: () => "", shows: NOTHING, again: "" },
};
/** What there is only to a server that has started anew: it has not taken anything back. */
const AWAKE_ANEW = {
  ...AWAKE,
  stale: {
    token: (reason) => editor(reason === "expired" ? HOUR : -60),
    shows: { staff: "staff" },
    again: ",expired",
  },
  refused: { token: () => "no.such.token", shows: NOTHING, again: ",invalid" },
};

const page = (port) => `<!doctype html><ul></ul><ol></ol><script type="module">
  import { SharedStateClient, Unauthorized } from "http://127.0.0.1:${port}/libs/sharedstate.es.js";
  const token = async ({ reason }) => {
    const text = await (await fetch("token?" + reason, { cache: "no-store" })).text();
    if (text === "") throw new Unauthorized();
    return text;
  };
  const on_error = () => {};
  globalThis.client = new SharedStateClient("ws://127.0.0.1:${port}", { token, on_error });
  globalThis.seen = [];
  globalThis.datasets = [["ul", "tasks"], ["ol", "staff"]].map(([name, path]) => {
    const [, ds] = client.acquire("/app/items/" + path);
    ds.add_callback(() => {
      const ids = ds.get_items().map(({ id }) => id).join();
      document.querySelector(name).textContent = ids;
      seen.push(ids);
    });
    return ds;
  });
</script>`;

const shown = ({ page }) =>
  page.evaluate(() => ({
    tasks: document.querySelector("ul").textContent,
    staff: document.querySelector("ol").textContent,
    sizes: globalThis.datasets?.map(({ size }) => size).join(),
    user: globalThis.client?.user?.id ?? null,
    status: globalThis.client?.status,
  }));

async function shows(tab, expected) {
  let all = {};
  const fits = ([name, value]) => all[name] === value;
  try {
    await until(async () => Object.entries(expected).every(fits) || void (all = await shown(tab)));
  } catch {
    const picked = Object.keys(expected).map((name) => [name, all[name]]);
    assert.deepEqual(Object.fromEntries(picked), expected);
  }
}

/** Stop the processes of all tabs; returns what continues them. */
async function sleep({ page }) {
  const session = await page.context().browser().newBrowserCDPSession();
  const { processInfo } = await session.send("SystemInfo.getProcessInfo");
  const renderers = processInfo.filter(({ type }) => type === "renderer");
  assert.ok(renderers.length > 0);
  const all = (signal) => renderers.forEach(({ id }) => process.kill(id, signal));
  all("SIGSTOP");
  return () => all("SIGCONT");
}

await scenario(
  async ({ server, open }) => {
    const command = join(dirname(process.env.SHAREDSTATE_COMMAND), "sharedstate");
    const write = (name, id) =>
      execFileSync(command, [
        ...["put", `127.0.0.1:${server.port}/app/items/${name}`, JSON.stringify({ id })],
        ...["--token", editor(HOUR)],
      ]);
    const restart = async () => {
      assert.equal(await server.stop(), 0);
      await server.start();
    };
    write("tasks", "one");
    write("staff", "staff");
    let tasks = "one";

    for (const [cases, meanwhile] of [
      [AWAKE, undefined],
      [AWAKE_ANEW, restart],
    ]) {
      let end = 0;
      /** Until all sleep, each tab has tokens that live for a moment. */
      const moment = () => {
        end = now() + 5;
        return editor(5);
      };
      /** @type {Record<string, string[]>} reasons for which a tab has asked since it woke up */
      const asked = Object.fromEntries(Object.keys(cases).map((name) => [name, []]));
      let awake = false;
      const site = await serve_pages(
        new Proxy(
          {},
          {
            get: (_, url) => {
              const [, name, file] = url.split("/");
              if (file === "") return page(server.port);
              const [, reason] = file?.split("token?") ?? [];
              if (!reason || !awake) return reason && moment();
              asked[name].push(reason);
              return cases[name].token(reason);
            },
          },
        ),
      );
      const tabs = {};
      for (const name of Object.keys(cases)) tabs[name] = await open(`${site.url}/${name}/`);
      for (const tab of Object.values(tabs))
        await shows(tab, { tasks, staff: "staff", user: "ann", status: "connected" });
      const origin = ({ page }) => page.evaluate(() => performance.timeOrigin);
      const origins = await Promise.all(Object.values(tabs).map(origin));

      const wake = await sleep(Object.values(tabs)[0]);
      await meanwhile?.();
      const id = meanwhile ? "three" : "two";
      write("tasks", id);
      tasks += `,${id}`;
      while (now() < end + 1) await pause(50);
      awake = true;
      wake();

      for (const [name, expected] of Object.entries(cases))
        await shows(tabs[name], { tasks, user: "ann", status: "connected", ...expected.shows });
      // What it asks for by a timer that is late it may ask for once more, for the connection that follows.
      const first = meanwhile ? "(expires|connect|expires,connect)" : "expires";
      for (const [name, { again }] of Object.entries(cases))
        assert.match(asked[name].join(), new RegExp(`^${first}${again}$`), name);
      if (tabs.stale) {
        const seen = await tabs.stale.page.evaluate(() => globalThis.seen);
        assert.ok(!seen.includes(""), `it shows what it had until it is in sync: ${seen}`);
      }
      assert.deepEqual(await Promise.all(Object.values(tabs).map(origin)), origins, "no reload");
      for (const { page } of Object.values(tabs)) await page.context().close();
      site.close();
    }
  },
  (problem) => problem.includes("WebSocket connection to"),
);
