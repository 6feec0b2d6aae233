import { report } from "../util/report.js";

/** @import { Item } from "../protocol/replica.js" */

/**
 * @template {{id: string}} [T=Item]
 * @typedef {object} ViewerOptions
 * @property {boolean} [delete] whether each row has a button to remove its item; default false
 * @property {(item: T) => string} [toString] the text of a row; default: the item as JSON. Anything else that it returns is
 *   shown as JSON, and if it throws, that is reported and the item shown as JSON
 */

/**
 * Shows a dataset in an element of a page, one row per item, in order. Everything is shown as text, never as
 * markup, and any id works. An item's row stays the same element while the item changes. It needs no style or
 * script that a strict Content-Security-Policy would refuse.
 *
 * A row is `<div role="listitem" class="list-item">` with a `<span>` and, if asked for, a `<button>`.
 *
 * @template {{id: string}} [T=Item]
 */
export class DatasetViewer {
  #ds;
  #element;
  #options;
  #callback;
  /** @type {Map<string, HTMLElement>} rows by id */
  #rows = new Map();

  /**
   * @param {import("../api/dataset.js").Dataset<T>} ds
   * @param {HTMLElement} element its content is replaced
   * @param {ViewerOptions<T>} [options]
   */
  constructor(ds, element, options = {}) {
    this.#ds = ds;
    this.#element = element;
    this.#options = options;
    this.#callback = ds.add_callback((diffs) => this.#show(diffs));
    element.setAttribute("role", "list");
    element.replaceChildren();
    this.#show(ds.get_items());
  }

  /** Stop following the dataset; the rows stay as they are, with their buttons disabled. */
  close() {
    this.#ds.remove_callback(this.#callback);
    for (const button of this.#element.querySelectorAll("button")) button.disabled = true;
  }

  /** @param {{id: string}[]} changed diffs or items */
  #show(changed) {
    for (const { id } of changed) {
      const item = this.#ds.get_item(id);
      if (!item) this.#remove(id);
      else this.#fill(this.#rows.get(id) ?? this.#add(id), item);
    }
    // From the end, because that is where rows move to: rows that stay in place keep the focus.
    let next = null;
    for (const { id } of this.#ds.get_items().reverse()) {
      const row = this.#rows.get(id) ?? this.#add(id);
      if (row.nextElementSibling !== next) this.#element.insertBefore(row, next);
      next = row;
    }
  }

  /** @param {string} id */
  #add(id) {
    const row = document.createElement("div");
    row.className = "list-item";
    row.setAttribute("role", "listitem");
    row.append(document.createElement("span"));
    if (this.#options.delete) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = "✕";
      button.onclick = () => this.#ds.update({ remove: [id] });
      row.append(" ", button);
    }
    this.#rows.set(id, row);
    this.#element.append(row);
    return row;
  }

  /** @param {HTMLElement} row @param {T} item */
  #fill(row, item) {
    const [span, button] = row.children;
    span.textContent = this.#text(item);
    button?.setAttribute("aria-label", `Delete ${item.id}`);
  }

  /** @param {T} item @returns {string} */
  #text(item) {
    /** @type {unknown} */
    let shown = item;
    try {
      if (Object.hasOwn(this.#options, "toString")) shown = this.#options.toString?.(item);
    } catch (error) {
      // One item, which anybody may have stored, must not keep the others from being shown.
      report(error);
    }
    return typeof shown === "string" ? shown : `${JSON.stringify(shown)}`;
  }

  /** Remove a row; if it has the focus, that moves to a neighbour. @param {string} id */
  #remove(id) {
    const row = this.#rows.get(id);
    if (!row) return;
    this.#rows.delete(id);
    const near = row.nextElementSibling ?? row.previousElementSibling;
    const focused = row.contains(document.activeElement);
    row.remove();
    if (focused) near?.querySelector("button")?.focus();
  }
}
