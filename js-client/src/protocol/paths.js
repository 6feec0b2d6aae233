import { SharedStateError } from "./errors.js";

/**
 * Return the normal form of a path: one slash before each segment, none at the end.
 *
 * @param {string} path
 * @returns {string} e.g. `/app/items/c` for `app//items/c/`; `/` if there are no segments
 * @throws {SharedStateError} `bad_path` if it is not a string
 */
export function normal_path(path) {
  if (typeof path !== "string") throw new SharedStateError("bad_path", "path: expected a string");
  return "/" + path.split("/").filter(Boolean).join("/");
}

/**
 * What the server takes, in normal form: three segments, none of them `.` or `..`, longer than 128 characters, or with a
 * control character or a lone surrogate in it. (It counts bytes of UTF-8, so that it may refuse a shorter one.)
 */
const COLLECTION = /^(\/(?!\.\.?(\/|$))[^/\p{Cc}\p{Cs}]{1,128}){3}$/u;

/**
 * Return the normal form of the path of a collection.
 *
 * @param {string} path
 * @returns {string} `/app/service/collection`
 * @throws {SharedStateError} `bad_path` unless it names a collection
 */
export function collection_path(path) {
  const normal = normal_path(path);
  if (!COLLECTION.test(normal))
    throw new SharedStateError("bad_path", `${path}: expected /app/service/collection`);
  return normal;
}
