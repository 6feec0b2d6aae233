/** Fail unless the bundles in `libs/` are what the sources give. */

import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FILES, LIBS, build } from "./bundles.js";

const fresh = mkdtempSync(join(tmpdir(), "sharedstate-bundles-"));
try {
  await build(fresh);
  const stale = FILES.filter((name) => {
    const kept = join(LIBS, name);
    return !existsSync(kept) || !readFileSync(kept).equals(readFileSync(join(fresh, name)));
  });
  for (const name of stale) console.error(`libs/${name} is not what the sources give`);
  if (stale.length > 0) {
    console.error('run "npm run build" in js-client/ and keep the result');
    process.exitCode = 1;
  } else {
    console.log("libs/ is up to date");
  }
} finally {
  rmSync(fresh, { recursive: true });
}
