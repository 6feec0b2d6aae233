/** Checks of an update before it is sent or added to a transaction. Not in the lean core. */

import { with_ids } from "../api/changes.js";
import { bad_update } from "../protocol/errors.js";
import { is_object } from "../protocol/messages.js";
import { plain } from "./plain.js";

/** @import { Changes } from "../api/changes.js" */

/**
 * @template {{id: string}} T
 * @param {Changes<T>} changes
 * @returns {Changes<T>} a copy that is JSON, with an id in each item; the server checks the rest
 * @throws {SharedStateError} `bad_update`, with the place
 */
export function plain_changes(changes) {
  const copy = plain(changes);
  expect(is_object(copy), "", "an object with remove, insert, reset");
  // If it were dropped, like other undefined members, the update would be unconditional.
  expect(!("if" in changes) || changes.if, "if", "a cursor");
  const prepared = with_ids(copy);
  const { insert = [] } = prepared;
  expect_ids(insert, "insert", ".id");
  return prepared;
}

/**
 * The server never sees these changes in their original form, so everything is checked here.
 *
 * @param {Changes<any>} changes of a transaction
 * @returns {{remove: string[], insert: any[], reset: boolean}} the same, complete, with an id for each item
 * @throws {SharedStateError} `bad_update`, with the place
 */
export function batch_of(changes) {
  const copy = plain_changes(changes);
  expect(!("if" in changes), "if", "none, in a transaction");
  const { remove = [], insert = [], reset = false } = /** @type {any} */ (copy);
  expect_ids(remove, "remove");
  expect(typeof reset === "boolean", "reset", "true or false");
  return { remove, insert, reset };
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
