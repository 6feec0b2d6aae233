/** What can be stored: JSON values, without anything that would be lost or changed on the way. */

import { SharedStateError, bad_update } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";

/**
 * @template T
 * @param {T} value
 * @param {string} [place] its place, for messages
 * @returns {T} a copy, with `toJSON` called and undefined members omitted
 * @throws {SharedStateError} `bad_update`: it contains something that JSON cannot express, such as NaN, a Map or a
 *   promise
 */
export function plain(value, place = "") {
  try {
    return copy(to_json(value), place);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new SharedStateError("bad_update", "circular, or nested too deep", {}, { cause });
  }
}

/** @param {any} value @returns {any} the result of its `toJSON`, if it has one */
const to_json = (value) => (typeof value?.toJSON === "function" ? value.toJSON() : value);

/** @param {any} json `toJSON` has been called @param {string} place @returns {any} */
function copy(json, place) {
  if (Array.isArray(json))
    return Array.from(json, (each, n) => copy(to_json(each), `${place}[${n}]`));
  if (is_object(json)) {
    const prototype = Object.getPrototypeOf(json);
    // Objects of another realm have their own `Object`.
    if (!prototype || !Object.getPrototypeOf(prototype))
      return Object.fromEntries(
        Object.entries(json)
          .map(([name, each]) => [name, to_json(each)])
          .filter(([, each]) => each !== undefined)
          .map(([name, each]) => [name, copy(each, place ? `${place}.${name}` : name)]),
      );
  } else if (json === null || /string|boolean/.test(typeof json) || Number.isFinite(json)) {
    return json;
  }
  const kind = typeof json === "number" ? json : json?.constructor?.name;
  throw bad_update(place, `${kind} is not JSON`);
}
