/** A module of its own, beside the client: the newest items and pages of older ones, as one list. */

export { Timeline } from "./extras/timeline.js";
export { version } from "./version.js";
