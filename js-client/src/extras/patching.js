/**
 * An item with some members changed, as the server will do it: what a page shows before the server has answered. The
 * server's is the one that counts: it knows whole numbers of any length, and what time it is.
 */

import { SharedStateError } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";

/** @import { Patch } from "../api/changes.js" */

/**
 * @param {any} item not modified; undefined if there is none
 * @param {Patch} patch
 * @returns {any} what does not change is the same object
 * @throws {SharedStateError} `mismatch`, with the place in the patch: there is no such item, and no `upsert`; or a
 *   member is no number, no list, or what it is in no object
 */
export function patched(item, patch) {
  const { id, set = {}, unset = [], inc = {}, now = [], add = {}, pull = {}, upsert } = patch;
  if (item === undefined && !upsert) throw misfit("", "there is no such item");
  const result = item === undefined ? { id } : { ...item };
  for (const [member, value] of Object.entries(set)) change(result, member, "set", () => value);
  for (const member of unset) change(result, member, "unset");
  for (const [member, by] of Object.entries(inc))
    change(result, member, "inc", (before = 0) => {
      const sum = typeof before === "number" ? before + by : NaN;
      if (!Number.isFinite(sum)) throw misfit(`inc.${member}`, "no number, or the sum is none");
      return sum;
    });
  for (const member of now) change(result, member, "now", () => Date.now() / 1000);
  for (const [member, values] of Object.entries(add))
    change(result, member, "add", (before = []) => {
      const known = new Set(list(before, "add", member).map(spelling));
      const is_new = (/** @type {string} */ text) => !known.has(text) && known.add(text);
      return [...before, ...values.filter((each) => is_new(spelling(each)))];
    });
  for (const [member, values] of Object.entries(pull))
    change(result, member, "pull", (before) => {
      if (before === undefined) return before;
      const gone = new Set(values.map(spelling));
      return list(before, "pull", member).filter((each) => !gone.has(spelling(each)));
    });
  return result;
}

/**
 * Change a member, in objects that are copies; on the way to it, those that are not there are made.
 *
 * @param {Record<string, unknown>} item a copy
 * @param {string} member its name, or a JSON Pointer
 * @param {string} kind
 * @param {(before: any) => unknown} [to] what to make of the member; what returns undefined, or is absent, takes it away
 */
function change(item, member, kind, to) {
  const way = member.startsWith("/")
    ? member
        .slice(1)
        .split("/")
        .map((name) => name.replaceAll("~1", "/").replaceAll("~0", "~"))
    : [member];
  const last = /** @type {string} */ (way.pop());
  const is_needed = kind !== "unset" && kind !== "pull";
  let holder = item;
  for (const name of way) {
    const inner = Object.hasOwn(holder, name) ? holder[name] : is_needed ? {} : undefined;
    if (!is_object(inner)) {
      if (is_needed) throw misfit(`${kind}.${member}`, "what it is in is no object");
      return;
    }
    const copy = { ...inner };
    put(holder, name, copy);
    holder = copy;
  }
  const value = to?.(Object.hasOwn(holder, last) ? holder[last] : undefined);
  if (value !== undefined) put(holder, last, value);
  else delete holder[last];
}

/**
 * Set a member, also one named `__proto__`.
 *
 * @param {object} holder
 * @param {string} name
 * @param {unknown} value
 */
const put = (holder, name, value) =>
  Object.defineProperty(holder, name, {
    value,
    writable: true,
    enumerable: true,
    configurable: true,
  });

/**
 * @param {unknown} value
 * @param {string} kind
 * @param {string} member
 * @returns {unknown[]}
 */
function list(value, kind, member) {
  if (!Array.isArray(value)) throw misfit(`${kind}.${member}`, "the member is no list");
  return value;
}

/**
 * @param {unknown} value
 * @returns {string} the one text that all equal values have, and no others
 */
function spelling(value) {
  if (Array.isArray(value)) return `[${value.map(spelling)}]`;
  if (!is_object(value)) return JSON.stringify(value);
  const members = Object.entries(value).map(
    ([name, each]) => `${JSON.stringify(name)}:${spelling(each)}`,
  );
  return `{${members.sort()}}`;
}

/**
 * @param {string} place
 * @param {string} problem
 */
const misfit = (place, problem) =>
  new SharedStateError("mismatch", `${place || "patch"}: ${problem}`, {
    place: place || undefined,
  });
