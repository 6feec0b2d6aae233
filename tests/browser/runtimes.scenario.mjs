/** One script, unchanged, in Node, Deno, Bun and a worker of Chromium, through a restart of the server. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile, writeFile } from "node:fs/promises";
import { scenario, serve_pages, until } from "./support.mjs";

const BUNDLE = new URL("../../libs/sharedstate.es.js", import.meta.url).href;
const WS = new URL("../../js-client/node_modules/ws/wrapper.mjs", import.meta.url).href;
const FOUND = JSON.parse(process.env.RUNTIMES);
const NAMES = [...Object.keys(FOUND), "node", "worker"];
const COMMANDS = {
  node: (file) => [process.execPath, [file]],
  bun: (file) => [FOUND.bun, ["run", file]],
  deno: (file, port) => [FOUND.deno, ["run", "--no-config", `--allow-net=127.0.0.1:${port}`, file]],
};

/** A runtime's process, and what it says. */
class Program {
  said = "";

  constructor(name, [command, options]) {
    const env = { ...process.env, DENO_DIR: ".deno", DENO_NO_UPDATE_CHECK: "1", NO_COLOR: "1" };
    this.name = name;
    this.process = spawn(command, options, { env, stdio: ["ignore", "pipe", "pipe"] });
    this.ended = once(this.process, "exit");
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on("data", (data) => (this.said += data));
  }

  async says(words) {
    const has = () => this.said.includes(words) || this.process.exitCode !== null;
    await until(has, `${this.name} to say ${words}; it said ${this.said}`);
    assert.ok(this.said.includes(words), `${this.name} has ended: ${this.said}`);
  }
}

const FAULT = "this callback throws";
const gone = (problem) => problem.includes(FAULT) || problem.includes("WebSocket connection to");
const programs = [];
try {
  await scenario(async ({ server, open }) => {
    const text = await readFile(new URL("runtime.mjs", import.meta.url), "utf-8");
    const script = (name, bundle) =>
      text
        .replaceAll("127.0.0.1:9000", `127.0.0.1:${server.port}`)
        .replaceAll('"NAMES"', JSON.stringify(NAMES.join()))
        .replaceAll('"NAME"', JSON.stringify(name))
        .replaceAll("BUNDLE", bundle);
    for (const [name, command] of Object.entries(COMMANDS)) {
      if (!NAMES.includes(name)) continue;
      // Node 20 has no WebSocket of its own.
      const first = name === "node" ? `import ws from "${WS}";\nglobalThis.WebSocket ??= ws;\n` : "";
      await writeFile(`${name}.mjs`, first + script(name, BUNDLE));
      programs.push(new Program(name, command(`${name}.mjs`, server.port)));
    }
    const site = await serve_pages({ "/": "<!DOCTYPE html><title>A worker</title>" });
    const tab = await open(site.url);
    await tab.page.evaluate(
      (source) => {
        const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
        globalThis.worker = new Worker(url, { type: "module" });
      },
      script("worker", `http://127.0.0.1:${server.port}/libs/sharedstate.es.js`),
    );
    const all_say = async (words) => {
      for (const program of programs) await program.says(words);
      const said = () => tab.logged.some((line) => line.startsWith(words));
      await until(said, `the worker to say ${words}; it said ${[tab.logged, tab.problems]}`);
    };

    await all_say("ready");
    assert.equal(await server.stop(), 0);
    await all_say("away");
    await server.start();
    await all_say("closed connecting,connected,reconnecting,connected,closed");
    for (const program of programs) {
      const [status] = await program.ended;
      assert.equal(status, 0, `${program.name}: ${program.said}`);
      assert.ok(program.said.includes(FAULT), `${program.name} told nobody: ${program.said}`);
    }
    assert.ok(tab.problems.some((problem) => problem.includes(FAULT)));
    site.close();
  }, gone);
} finally {
  for (const program of programs) program.process.kill("SIGKILL");
}
