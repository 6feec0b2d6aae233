/** The public face of the package; nothing else in it is meant to be imported. */

export { SharedStateClient } from "./client.js";
export { Dataset } from "./dataset.js";
export { SharedStateError } from "./errors.js";

/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./options.js").Status} Status */
/** @typedef {import("./changes.js").Changes} Changes */
/** @typedef {import("./replica.js").Diff} Diff */
/** @typedef {import("./replica.js").Item} Item */
