import { SharedStateError } from "./errors.js";

/**
 * Return the normal form of a path: one slash before each segment, none at the end.
 *
 * @param {string} path
 * @returns {string} e.g. `/app/items/c` for `app//items/c/`; `/` if there are no segments
 * @throws {SharedStateError} `bad_path` if it is not a string
 */
export function normal_path(path) {
  if (typeof path !== "string") throw new SharedStateError("bad_path", "a path is a string");
  return "/" + path.split("/").filter(Boolean).join("/");
}

/**
 * Return the normal form of the path of a collection. Further rules (length, forbidden characters) are left to the
 * server.
 *
 * @param {string} path
 * @returns {string} `/app/service/collection`
 * @throws {SharedStateError} `bad_path` unless there are three segments
 */
export function collection_path(path) {
  const normal = normal_path(path);
  if (normal.split("/").length !== 4)
    throw new SharedStateError("bad_path", `${path}: expected /app/service/collection`);
  return normal;
}
