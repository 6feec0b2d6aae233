/** What the files in `libs/` are made of and how; the same input gives the same bytes on any machine. */

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";
import { rollup } from "rollup";
import { dts } from "rollup-plugin-dts";
import { write_declarations } from "./declarations.js";

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where the bundles are kept. */
export const LIBS = join(dirname(HOME), "libs");

/** @type {{name: string, entry: string, format: "esm" | "iife", minify: boolean}[]} */
export const BUNDLES = [
  { name: "sharedstate.es.js", entry: "index", format: "esm", minify: false },
  { name: "sharedstate.es.min.js", entry: "index", format: "esm", minify: true },
  { name: "sharedstate.iife.js", entry: "index", format: "iife", minify: false },
  { name: "sharedstate.iife.min.js", entry: "index", format: "iife", minify: true },
  { name: "sharedstate.core.es.js", entry: "core", format: "esm", minify: false },
  { name: "sharedstate.core.es.min.js", entry: "core", format: "esm", minify: true },
  { name: "sharedstate.timeline.es.js", entry: "timeline", format: "esm", minify: false },
];

/** TypeScript's view of them. */
export const DECLARATIONS = [
  { name: "sharedstate.es.d.ts", entry: "index" },
  { name: "sharedstate.core.es.d.ts", entry: "core" },
  { name: "sharedstate.timeline.es.d.ts", entry: "timeline" },
];

/** Everything that `build` writes. */
export const FILES = [
  ...BUNDLES.flatMap(({ name }) => [name, `${name}.map`]),
  ...DECLARATIONS.map(({ name }) => name),
];

/** @param {string} folder where to write them */
export async function build(folder) {
  // The oldest browsers that they run in, `browserslist`: ES2022, and `Object.hasOwn`. The linter holds the sources to it.
  const { version, license, browserslist } = JSON.parse(
    readFileSync(join(HOME, "package.json"), "utf8"),
  );
  const banner = `/*! SharedState client ${version}, ${license} */`;
  for (const { name, entry, format, minify } of BUNDLES) {
    const { outputFiles } = buildSync({
      // File names in comments and maps are relative to where the bundles are kept, wherever the checkout is
      // and whichever folder they are written to.
      absWorkingDir: HOME,
      entryPoints: [`src/${entry}.js`],
      outfile: join(LIBS, name),
      write: false,
      bundle: true,
      format,
      minify,
      sourcemap: "linked",
      globalName: format === "iife" ? "SHAREDSTATE" : undefined,
      target: browserslist.map((/** @type {string} */ browser) => browser.replace(" ", "")),
      charset: "utf8",
      banner: { js: banner },
      logLevel: "warning",
    });
    for (const { path, contents } of outputFiles)
      writeFileSync(join(folder, path.endsWith(".map") ? `${name}.map` : name), contents);
  }
  await declare(folder, banner);
}

/** @param {string} folder @param {string} banner */
async function declare(folder, banner) {
  // In the package's own folder, so that what the types import is found.
  const types = mkdtempSync(join(HOME, ".types-"));
  try {
    write_declarations(types, "tsconfig.bundles.json");
    for (const { name, entry } of DECLARATIONS) {
      const bundle = await rollup({ input: join(types, `${entry}.d.ts`), plugins: [dts()] });
      await bundle.write({ file: join(folder, name), format: "es", banner });
      await bundle.close();
    }
  } finally {
    rmSync(types, { recursive: true });
  }
}
