/** What a server does with a filter, for tests: tests/vectors/filters/where.json holds it to the server. */

/** @param {any} value @param {any} other */
const is_comparable = (value, other) =>
  /number|string/.test(typeof value) && typeof value === typeof other;

/** By code point. @param {any} a @param {any} b */
function compare(a, b) {
  if (typeof a === "number") return a - b;
  const [first, second] = [[...a], [...b]];
  for (const [n, each] of first.entries()) {
    if (n >= second.length) return 1;
    const difference = /** @type {number} */ (each.codePointAt(0)) - second[n].codePointAt(0);
    if (difference) return difference;
  }
  return first.length - second.length;
}

/** @type {Record<string, (value: any, other: any) => boolean>} */
const TESTS = {
  eq: (value, other) => value === other,
  ne: (value, other) => value !== other,
  lt: (value, other) => is_comparable(value, other) && compare(value, other) < 0,
  lte: (value, other) => is_comparable(value, other) && compare(value, other) <= 0,
  gt: (value, other) => is_comparable(value, other) && compare(value, other) > 0,
  gte: (value, other) => is_comparable(value, other) && compare(value, other) >= 0,
  in: (value, other) => other.includes(value),
  has: (value, other) => Array.isArray(value) && value.includes(other),
  prefix: (value, other) => typeof value === "string" && value.startsWith(other),
  exists: (value, other) => (value !== undefined) === other,
};

/** @param {any} item @param {string} name */
function member(item, name) {
  if (!name.startsWith("/")) return Object.hasOwn(item, name) ? item[name] : undefined;
  const path = name.slice(1).split("/").map((each) => each.replaceAll("~1", "/").replaceAll("~0", "~")); // prettier-ignore
  return path.reduce(
    (value, each) =>
      value && typeof value === "object" && !Array.isArray(value) && Object.hasOwn(value, each)
        ? value[each]
        : undefined,
    item,
  );
}

/**
 * @param {any} where
 * @param {any} item
 * @returns {boolean}
 */
export function holds(where, item) {
  return Object.entries(where).every(([name, test]) => {
    if (name === "and") return test.every((/** @type {any} */ each) => holds(each, item));
    if (name === "or") return test.some((/** @type {any} */ each) => holds(each, item));
    if (name === "not") return !holds(test, item);
    const tests = test !== null && typeof test === "object" ? test : { eq: test };
    const value = member(item, name);
    return Object.entries(tests).every(([kind, other]) => TESTS[kind](value, other));
  });
}
