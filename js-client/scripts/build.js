/** Write the bundles to `libs/`. */

import { BUNDLES, LIBS, build } from "./bundles.js";

build(LIBS);
console.log(`libs/: ${BUNDLES.map(({ name }) => name).join(", ")}`);
