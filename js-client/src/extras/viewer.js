import { report } from "../util/report.js";

/** @import { Item } from "../protocol/replica.js" */

/**
 * @template {{id: string}} [T=Item]
 * @typedef {object} ViewerOptions
 * @property {boolean} [delete] whether each row has a button to remove its item; default false
 * @property {(item: T) => string} [toString] the text of a row; default: the item as JSON. Anything else that it returns is
 *   shown as JSON, and if it throws, that is reported and the item shown as JSON
 * @property {import("../api/client.js").SharedStateClient} [filter] the client of the dataset: ahead of the rows there is a
 *   field for a filter, as JSON such as {"done": false}. What is shown stays until what it asks for has come
 */

/**
 * Shows a dataset in an element of a page, one row per item, in order. Everything is shown as text, never as
 * markup, and any id works. An item's row stays the same element while the item changes. It needs no style or
 * script that a strict Content-Security-Policy would refuse.
 *
 * A row is `<div role="listitem" class="list-item">` with a `<span>` and, if asked for, a `<button>`. The field for a filter is
 * an `<input class="list-filter">` before the element.
 *
 * @template {{id: string}} [T=Item]
 */
export class DatasetViewer {
  #ds;
  #element;
  #options;
  /** @type {object | undefined} */
  #callback;
  /** @type {HTMLInputElement | undefined} */
  #field;
  /** Lets go what the field asked for. */
  #release = () => {};
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
    element.setAttribute("role", "list");
    element.replaceChildren();
    this.#follow(ds);
    if (options.filter) this.#add_field(options.filter, ds);
  }

  /** Stop following the dataset; the rows stay as they are, with their buttons disabled. */
  close() {
    this.#ds.remove_callback(this.#callback ?? {});
    this.#field?.remove();
    this.#release();
    for (const button of this.#element.querySelectorAll("button")) button.disabled = true;
  }

  /** @param {import("../api/dataset.js").Dataset<T>} ds */
  #follow(ds) {
    this.#ds.remove_callback(this.#callback ?? {});
    this.#ds = ds;
    this.#callback = ds.add_callback((diffs) => this.#show(diffs));
    this.#show([...[...this.#rows.keys()].map((id) => ({ id })), ...ds.get_items()]);
  }

  /**
   * @param {import("../api/client.js").SharedStateClient} client
   * @param {import("../api/dataset.js").Dataset<T>} all what is shown without a filter
   */
  #add_field(client, all) {
    const field = (this.#field = document.createElement("input"));
    field.type = "search";
    field.className = "list-filter";
    field.placeholder = 'Filter, such as {"done": false}';
    field.setAttribute("aria-label", "Filter");
    field.onchange = async () => {
      const wanted = field.value;
      let release = () => {};
      let ds = all;
      try {
        if (wanted.trim()) {
          const given = JSON.parse(wanted);
          const where = all.where ? { and: [all.where, given] } : given;
          const [handle, part] = client.acquire(all.path, {
            where,
            last: all.last,
            fields: all.fields,
          });
          release = () => client.release(handle);
          ds = /** @type {any} */ (part);
        }
        await ds.ready;
        // What was asked for meanwhile is shown instead.
        if (wanted !== field.value || !field.isConnected) return release();
        this.#follow(ds);
        this.#release();
        this.#release = release;
        field.setCustomValidity("");
      } catch (error) {
        release();
        field.setCustomValidity(/** @type {Error} */ (error).message);
        field.reportValidity();
      }
    };
    this.#element.before(field);
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
