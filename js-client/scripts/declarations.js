/**
 * Write the sources' declarations, without what is internal: TypeScript's `--stripInternal` does not see it in JavaScript.
 *
 * Usage: node scripts/declarations.js FOLDER
 */

import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const HOME = dirname(dirname(fileURLToPath(import.meta.url)));
const OPTIONS = "--noEmit false --declaration --emitDeclarationOnly --rootDir src".split(" ");

/** @param {string} folder @param {string} [project] */
export function write_declarations(folder, project = "tsconfig.json") {
  const tsc = join(HOME, "node_modules/typescript/bin/tsc");
  execFileSync(process.execPath, [tsc, "-p", join(HOME, project), ...OPTIONS, "--outDir", folder], {
    cwd: HOME,
    stdio: ["ignore", "inherit", "inherit"],
  });
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  for (const name of names.filter((name) => name.endsWith(".d.ts"))) {
    const file = join(folder, name);
    writeFileSync(file, strip(name, readFileSync(file, "utf8")));
  }
}

/** @param {string} name @param {string} text @returns {string} */
function strip(name, text) {
  const source = ts.createSourceFile(name, text, ts.ScriptTarget.ES2022, true);
  /** @type {{from: number, to: number, instead: string}[]} */
  const cuts = [];
  /** @param {ts.Node} node */
  const visit = (node) => {
    if (ts.getJSDocTags(node).some(({ tagName }) => tagName.text === "internal")) {
      // Nobody makes one but this package; without a word, anybody could.
      const instead = ts.isConstructorDeclaration(node) ? "\n    protected constructor();" : "";
      cuts.push({ from: node.getFullStart(), to: node.end, instead });
    } else {
      ts.forEachChild(node, visit);
    }
  };
  visit(source);
  for (const { from, to, instead } of cuts.reverse())
    text = text.slice(0, from) + instead + text.slice(to);
  return text;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) write_declarations(process.argv[2]);
