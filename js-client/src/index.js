/** The public face of the package; nothing else in it is meant to be imported. */

export { Dataset, SharedStateClient } from "./full.js";
export { SharedStateError } from "./errors.js";
export { DatasetViewer } from "./viewer.js";
export { version } from "./version.js";

/** @typedef {import("./client.js").Handle} Handle */
/** @typedef {import("./clock.js").Clock} Clock */
/** @typedef {import("./options.js").Options} Options */
/** @typedef {import("./options.js").Status} Status */
/** @typedef {import("./replica.js").Item} Item */
/** @typedef {import("./ending.js").Until} Until */
/** @typedef {import("./changes.js").Cursor} Cursor */
/** @typedef {import("./errors.js").ErrorCode} ErrorCode */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./changes.js").Changes<T>} Changes
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./replica.js").Diff<T>} Diff
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./object.js").SharedObject<T>} SharedObject
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./transaction.js").Transaction<T>} Transaction
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./viewer.js").ViewerOptions<T>} ViewerOptions
 */
