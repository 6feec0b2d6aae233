/**
 * What TanStack DB asks for, as a filter. It filters what comes once more by itself: what is said here may hold for more
 * items, but for none too few.
 *
 * Its conditions are true, false or unknown, and an item is in only if they are true. Where one is true or false here, so is
 * the filter; where it is unknown, the filter may be either: so `not`, `and` and `or` leave no item out.
 */

/** @import { IR } from "@tanstack/db" */
/** @import { Where } from "../api/filter.js" */

/** Comparisons, and what they become with the sides exchanged. @type {Record<string, string>} */
const COMPARISONS = { gt: "lt", gte: "lte", lt: "gt", lte: "gte" };

/** Names that do not stand for members in a filter. */
const NOT_MEMBERS = /^(and|or|not|\/.*)$/s;

/**
 * @param {IR.BasicExpression} expression
 * @param {boolean} [exact] whether a filter that holds for more would not do, since it is negated
 * @returns {Where | undefined} undefined if it cannot be said
 */
export function where_of(expression, exact = false) {
  if (expression.type !== "func") return undefined;
  const { name, args } = expression;
  if (name === "not") {
    const not = where_of(args[0], true);
    return not && { not };
  }
  if (name === "and" || name === "or") {
    const parts = args.map((each) => where_of(each, exact));
    const said = /** @type {Where[]} */ (parts.filter(Boolean));
    // Of `and`, what can be said is enough, unless it is negated.
    const enough = said.length === parts.length || (name === "and" && !exact && said.length > 0);
    return enough ? { [name]: said } : undefined;
  }
  const [first, second] = args;
  if (first.type === "val" && second?.type === "ref") {
    const exchanged = name === "eq" ? name : COMPARISONS[name];
    return exchanged ? test(second.path, exchanged, first.value) : undefined;
  }
  if (first.type !== "ref") return undefined;
  if (name === "isNull" || name === "isUndefined") {
    // There, what is in a null is null.
    if (first.path.length > 1) return undefined;
    return name === "isNull" ? test(first.path, "eq", null) : test(first.path, "exists", false);
  }
  if (second?.type !== "val") return undefined;
  return test(first.path, name, second.value);
}

/**
 * @param {string[]} path
 * @param {string} name
 * @param {any} value
 * @returns {Where | undefined}
 */
function test(path, name, value) {
  // In JavaScript a path leads into lists and texts, too.
  if (path.length > 1 && path.some((each) => /^(\d+|length)$/.test(each))) return undefined;
  const is_sayable =
    name === "in"
      ? Array.isArray(value) && value.every(is_scalar)
      : name in COMPARISONS
        ? typeof value === "string" || Number.isFinite(value)
        : (name === "eq" || name === "exists") && is_scalar(value);
  return is_sayable ? { [member(path)]: { [name]: value } } : undefined;
}

/** @param {string[]} path */
function member(path) {
  if (path.length === 1 && !NOT_MEMBERS.test(path[0])) return path[0];
  return path.map((each) => `/${each.replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
}

/** @param {unknown} value */
const is_scalar = (value) =>
  value === null || /string|boolean/.test(typeof value) || Number.isFinite(value);
