/** The public face of the package; nothing else in it is meant to be imported. */

export { Dataset, SharedStateClient } from "./extras/full.js";
export { SharedStateError, Unauthorized } from "./protocol/errors.js";
export { DatasetViewer } from "./extras/viewer.js";
export { version } from "./version.js";

/** @typedef {import("./api/client.js").Handle} Handle */
/** @typedef {import("./extras/clock.js").Clock} Clock */
/** @typedef {import("./api/filter.js").FilterOptions} FilterOptions */
/** @typedef {import("./api/filter.js").Where} Where */
/** @typedef {import("./protocol/views.js").At} At */
/** @typedef {import("./api/options.js").Options} Options */
/** @typedef {import("./api/options.js").Status} Status */
/** @typedef {import("./protocol/effects.js").User} User */
/** @typedef {import("./protocol/replica.js").Item} Item */
/** @typedef {import("./util/lifetime.js").Until} Until */
/** @typedef {import("./api/changes.js").Cursor} Cursor */
/** @typedef {import("./protocol/errors.js").ErrorCode} ErrorCode */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./api/changes.js").Changes<T>} Changes
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./protocol/replica.js").Diff<T>} Diff
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./api/client.js").Page<T>} Page
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./extras/object.js").SharedObject<T>} SharedObject
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./extras/transaction.js").Transaction<T>} Transaction
 */
/**
 * @template {{id: string}} [T=Item]
 * @typedef {import("./extras/viewer.js").ViewerOptions<T>} ViewerOptions
 */
