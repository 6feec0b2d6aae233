/** Checks of an update before it is sent or added to a transaction. Not in the lean core. */

import { with_ids } from "../api/changes.js";
import { bad_update } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";
import { plain } from "./plain.js";

/** @import { Changes, Patch } from "../api/changes.js" */

/**
 * @template {{id: string}} T
 * @param {Changes<T>} changes
 * @returns {Changes<T>} a copy that is JSON, with an id in each item; the server checks the rest
 * @throws {SharedStateError} `bad_update`, with the place
 */
export function plain_changes(changes) {
  const copy = plain(changes);
  expect(is_object(copy), "", "an object with remove, insert, reset, patch");
  expect_values(changes.patch);
  // If it were dropped, like other undefined members, the update would be unconditional.
  expect(!("if" in changes) || changes.if, "if", "a cursor");
  const prepared = with_ids(copy);
  const { insert = [] } = prepared;
  expect_ids(insert, "insert", ".id");
  return prepared;
}

/**
 * What is undefined would be omitted: as if nothing were to be changed, or a number were to be increased by nothing.
 *
 * @param {any} patches
 * @throws {SharedStateError} `bad_update`, with the place
 */
function expect_values(patches) {
  if (!Array.isArray(patches)) return;
  for (const [n, patch] of patches.entries())
    for (const kind of ["set", "inc", "add", "pull"])
      for (const [member, value] of Object.entries(patch?.[kind] ?? {}))
        expect(
          value !== undefined,
          `patch[${n}].${kind}.${member}`,
          "a value; `unset` takes it away",
        );
}

/**
 * The server never sees these changes in their original form, so everything is checked here.
 *
 * @param {Changes<any>} changes of a transaction
 * @returns {{remove: string[], insert: any[], reset: boolean, patch: Patch[]}} the same, complete, with an id for each item
 * @throws {SharedStateError} `bad_update`, with the place
 */
export function batch_of(changes) {
  const copy = plain_changes(changes);
  expect(!("if" in changes), "if", "none, in a transaction");
  const { remove = [], insert = [], reset = false, patch = [] } = /** @type {any} */ (copy);
  expect_ids(remove, "remove");
  expect_ids(patch, "patch", ".id");
  expect(typeof reset === "boolean", "reset", "true or false");
  return { remove, insert, reset, patch };
}

/**
 * @param {any} list
 * @param {string} name
 * @param {string} [member] the place of the ids, if it is a list of items
 * @throws {SharedStateError} `bad_update`, with the place and what is there
 */
export function expect_ids(list, name, member = "") {
  expect(Array.isArray(list), name, "an array");
  for (const [n, each] of list.entries()) {
    expect(!member || is_object(each), `${name}[${n}]`, "an object");
    const id = member ? each.id : each;
    if (!id || typeof id !== "string")
      expect(false, `${name}[${n}]${member}`, `a non-empty string, found ${JSON.stringify(id)}`);
  }
}

/**
 * @param {unknown} holds
 * @param {string} place
 * @param {string} what
 */
function expect(holds, place, what) {
  if (!holds) throw bad_update(place, `expected ${what}`);
}
