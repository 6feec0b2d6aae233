/** The lean face of the package: datasets that stay in sync, and nothing built on them. */

export { SharedStateClient } from "./api/client.js";
export { Dataset } from "./api/dataset.js";
export { SharedStateError, Unauthorized } from "./protocol/errors.js";
export { version } from "./version.js";
