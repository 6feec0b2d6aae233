/** The lean face of the package: datasets that stay in sync, and nothing built on them. */

export { SharedStateClient } from "./client.js";
export { Dataset } from "./dataset.js";
export { SharedStateError } from "./errors.js";
export { version } from "./version.js";
