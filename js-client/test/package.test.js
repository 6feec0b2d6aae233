/** What `npm pack` gives is a correct package: by publint's rules, by its size, by what an application imports. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { DECLARATIONS, LIBS } from "../scripts/bundles.js";

const HOME = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "sharedstate-package-"));
after(() => rmSync(folder, { recursive: true }));

/** The package as it is installed, in the folder of an application. */
const installed = join(folder, "node_modules", "sharedstate-client");
const output = execFileSync("npm", ["pack", "--json", "--pack-destination", folder], {
  cwd: HOME,
  encoding: "utf8",
  stdio: ["ignore", "pipe", "ignore"],
});
const [{ filename, files }] = JSON.parse(output.slice(output.search(/^\[/m)));
mkdirSync(installed, { recursive: true });
execFileSync("tar", ["-xzf", join(folder, filename), "-C", installed, "--strip-components=1"]);
const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"));

test("publint finds nothing", async () => {
  const { messages, pkg } = await publint({ pkgDir: installed, strict: true, pack: false });
  assert.deepEqual(
    messages.map((message) => formatMessage(message, pkg ?? manifest)),
    [],
  );
});

test("it holds the sources, their types, and nothing else", () => {
  const names = files.map((/** @type {{path: string}} */ { path }) => path);
  const other = names.filter((/** @type {string} */ name) => !/^(src|types)\//.test(name));
  assert.deepEqual(other.sort(), ["LICENSE", "README.md", "package.json"]);
  for (const name of names.filter((/** @type {string} */ name) => name.startsWith("src/")))
    assert.ok(names.includes(name.replace("src/", "types/").replace(/\.[jt]s$/, ".d.ts")), name);
});

test("every export is there, and needs nothing at run time but its framework", () => {
  assert.deepEqual(manifest.dependencies ?? {}, {});
  assert.equal(manifest.sideEffects, false);
  for (const [name, { types, default: file }] of Object.entries(manifest.exports)) {
    if (name === "./package.json") continue;
    assert.ok(existsSync(join(installed, types)), types);
    const { metafile } = buildSync({
      entryPoints: [join(installed, file)],
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      external: Object.keys(manifest.peerDependencies),
      outdir: folder,
    });
    const outside = Object.values(metafile.inputs)
      .flatMap(({ imports }) => imports)
      .filter(({ external }) => external);
    const framework = name.slice(2);
    assert.ok(
      outside.every(({ path }) => path === framework),
      `${name}: ${outside.map(({ path }) => path)}`,
    );
  }
});

test("an application gets only what it imports", () => {
  writeFileSync(join(folder, "app.js"), 'import "sharedstate-client";');
  const options = { bundle: true, write: false, minify: true, format: "esm", outdir: folder };
  const { outputFiles } = buildSync({
    .../** @type {any} */ (options),
    entryPoints: [join(folder, "app.js")],
    absWorkingDir: folder,
    logLevel: "error",
  });
  assert.equal(/** @type {any} */ (outputFiles)[0].text, "", "no side effects");
});

test("TypeScript finds the types of every export", () => {
  const names = Object.keys(manifest.exports).filter((name) => name !== "./package.json");
  const imports = names.map(
    (name, n) => `import * as m${n} from "sharedstate-client${name.slice(1)}";\nvoid m${n};`,
  );
  const use = `
    import { SharedStateClient } from "sharedstate-client";
    interface Todo { id: string; text: string }
    export const text: string | undefined =
      new SharedStateClient("ws://h:1").acquire<Todo>("/a/b/c")[1].get_item("x")?.text;`;
  writeFileSync(join(folder, "app.ts"), imports.join("\n") + use);
  writeFileSync(join(folder, "package.json"), '{"type": "module"}');
  const tsc = join(HOME, "node_modules/typescript/bin/tsc");
  const lib = "es2023,esnext.disposable,dom,dom.asynciterable";
  const options = `--ignoreConfig --noEmit --strict --skipLibCheck --module nodenext --target es2022 --lib ${lib}`;
  execFileSync(process.execPath, [tsc, ...options.split(" "), join(folder, "app.ts")], {
    stdio: ["ignore", "inherit", "inherit"],
  });
});

/** Installed by `make test-js`, apart from today's. */
const OLD = join(HOME, "../tests/runtimes/node_modules/typescript/bin/tsc");

for (const [name, tsc, ...more] of [
  ["today's TypeScript", join(HOME, "node_modules/typescript/bin/tsc"), "--ignoreConfig"],
  ["TypeScript 5.0", OLD],
])
  test(`the types ask nothing of a project, ${name}`, { skip: !existsSync(tsc) }, () => {
    const project = join(folder, "strict");
    mkdirSync(project, { recursive: true });
    for (const { name } of DECLARATIONS) copyFileSync(join(LIBS, name), join(project, name));
    const froms = ["sharedstate-client", "sharedstate-client/core"];
    for (const { name } of DECLARATIONS)
      if (!name.includes("timeline")) froms.push(`./${name.replace(".d.ts", ".js")}`);
    froms.forEach((from, n) => {
      const loop = "for await (const diffs of ds) diffs[0].new?.text.trim();";
      const timeline = from.startsWith(".") ? "./sharedstate.timeline.es.js" : "sharedstate-client/timeline"; // prettier-ignore
      const use = `
      import { SharedStateClient } from "${from}";
      import { Timeline } from "${timeline}";
      const client = new SharedStateClient("ws://h:1");
      const timeline = new Timeline<{ id: string; n: number }>(client, "/a/b/c", { last: 3 });
      export const numbers: number[] = timeline.snapshot.map(({ n }) => n);
      const [handle, ds] = client.acquire<{ id: string; text: string }>("/a/b/c");
      export const text: string | undefined = ds.get_item("x")?.text;
      ${from.includes("core") ? "" : loop}
      for (const ended of [handle, client, ds.subscribe(() => {})]) ended[Symbol.dispose]();`;
      writeFileSync(join(project, `use${n}.ts`), use);
    });
    const files = froms.map((_, n) => `use${n}.ts`);
    const options =
      "--noEmit --strict --skipLibCheck false --module nodenext --target es2022 --lib es2022,dom";
    execFileSync(process.execPath, [tsc, ...options.split(" "), ...more, ...files], {
      cwd: project,
      stdio: ["ignore", "inherit", "inherit"],
    });
  });
