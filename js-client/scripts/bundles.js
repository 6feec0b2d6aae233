/** What the bundles in `libs/` are made of and how; the same input gives the same bytes on any machine. */

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));

/** Where the bundles are kept. */
export const LIBS = join(dirname(HOME), "libs");

/** @type {{name: string, format: "esm" | "iife", minify: boolean}[]} */
export const BUNDLES = [
  { name: "sharedstate.es.js", format: "esm", minify: false },
  { name: "sharedstate.es.min.js", format: "esm", minify: true },
  { name: "sharedstate.iife.js", format: "iife", minify: false },
  { name: "sharedstate.iife.min.js", format: "iife", minify: true },
];

/** @param {string} folder where to write them */
export function build(folder) {
  const { version, license } = JSON.parse(readFileSync(join(HOME, "package.json"), "utf8"));
  for (const { name, format, minify } of BUNDLES) {
    buildSync({
      // File names in comments are relative to this folder, wherever the checkout is.
      absWorkingDir: HOME,
      entryPoints: ["src/index.js"],
      outfile: join(folder, name),
      bundle: true,
      format,
      minify,
      globalName: format === "iife" ? "SHAREDSTATE" : undefined,
      target: "es2022",
      charset: "utf8",
      banner: { js: `/*! SharedState client ${version}, ${license} */` },
      logLevel: "warning",
    });
  }
}
