/** Write the bundles to `libs/`. */

import { FILES, LIBS, build } from "./bundles.js";

await build(LIBS);
console.log(`libs/: ${FILES.join(", ")}`);
