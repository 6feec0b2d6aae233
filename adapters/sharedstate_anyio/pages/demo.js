// The page's live demo: two clients, each with a connection of its own, on one collection.
//
// 1. What comes from the server is shown only by textContent and value: it is data, never markup.
// 2. Rows are kept by id in a Map and moved, not rebuilt, so that nobody loses the focus or a word
//    half typed because someone else changed the list.
// 3. Nothing is shown before the server has sent it: the writer's row changes with everybody's.

import { SharedStateClient } from "/libs/sharedstate.es.js";

const PATH = document.body.dataset.path;
const MAX_ROWS = 200; // what a demo can show; the rest is counted
const MAX_TEXT = 1000; // characters of a text; longer ones are cut, and cannot be edited here
const WORDS = {
  idle: "Not connected",
  connecting: "Connecting …",
  connected: "Connected",
  reconnecting: "Reconnecting …",
  closed: "Disconnected",
};

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
const byId = (id) => document.getElementById(id);
const copyOf = (id) => byId(id).content.firstElementChild.cloneNode(true);

/** Return a unique id. `crypto.randomUUID` is missing on plain http. */
function newId() {
  const numbers = crypto.getRandomValues(new Uint32Array(3));
  return Array.from(numbers, (number) => number.toString(36)).join("-");
}

/** Return the text to show for an item; other programs may put any item into the collection. */
function textOf(item) {
  const text = typeof item.text === "string" ? item.text : JSON.stringify(item);
  return text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
}

function showStatus(element, status) {
  element.dataset.status = status;
  const words = WORDS[status] ?? String(status);
  if (element.textContent !== words) {
    element.textContent = words;
  }
}

class Pane {
  constructor(name, client) {
    this.client = client;
    this.name = name;
    this.rows = new Map();
    this.live = false;
    [, this.dataset] = client.acquire(PATH);

    this.element = copyOf("pane");
    const find = (selector) => this.element.querySelector(selector);
    this.state = find(".state");
    this.list = find("ul");
    this.count = find(".count");
    this.pace = find(".pace");
    this.problem = find(".problem");
    this.clear = find(".clear");
    this.input = find("form input");
    find("h3").textContent = name;
    this.element.setAttribute("aria-label", name);
    this.input.setAttribute("aria-label", `New item, ${name}`);
    this.list.setAttribute("aria-label", `Items, ${name}`);

    find("form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.add(this.input.value.trim());
    });
    this.clear.addEventListener("click", () => this.update({ reset: true }));
    this.dataset.add_callback((diffs) => this.render(diffs));
    this.dataset.ready.then(
      () => (this.live = true),
      (error) => this.fail(error),
    );
    this.render([]);
  }

  async add(text) {
    if (text === "") {
      return;
    }
    this.input.value = "";
    const done = await this.update({ insert: [{ id: newId(), text, done: false }] });
    if (!done && this.input.value === "") {
      this.input.value = text;
    }
  }

  update(change) {
    return this.send(() => this.dataset.update(change));
  }

  /** Send something; show how long its acknowledgement took, or what went wrong. */
  async send(ask) {
    const start = performance.now();
    this.problem.textContent = "";
    this.pace.textContent = this.client.status === "connected" ? "" : "waits for the connection";
    try {
      await ask();
    } catch (error) {
      this.fail(error);
      this.render([]);
      return false;
    }
    const spent = performance.now() - start;
    this.pace.textContent = `answered in ${spent < 10 ? spent.toFixed(1) : Math.round(spent)} ms`;
    return true;
  }

  fail(error) {
    this.problem.textContent = `Not done: ${error?.message ?? error}`;
    this.pace.textContent = "";
  }

  render(diffs) {
    const items = this.dataset.get_items();
    const shown = items.slice(-MAX_ROWS);
    const kept = new Set(shown.map((item) => item.id));
    for (const [id, row] of this.rows) {
      if (!kept.has(id)) {
        this.remove(id, row);
      }
    }
    let next = this.list.firstElementChild;
    for (const item of shown) {
      const row = this.rows.get(item.id) ?? this.make(item.id);
      if (row.element === next) {
        next = next.nextElementSibling;
      } else {
        this.list.insertBefore(row.element, next);
      }
      this.fill(row, item);
    }
    if (this.live) {
      this.light(diffs.map(({ id }) => this.rows.get(id)).filter((row) => row !== undefined));
    }
    this.tell(items, items.length - shown.length);
  }

  tell(items, hidden) {
    const done = items.filter((item) => item.done === true).length;
    const total = items.length === 1 ? "1 item" : `${items.length || "No"} items`;
    const words =
      total +
      (done > 0 ? `, ${done} done` : "") +
      (hidden > 0 ? `, the last ${MAX_ROWS} shown` : "");
    if (this.count.textContent !== words) {
      this.count.textContent = words;
    }
    this.clear.disabled = items.length === 0;
  }

  make(id) {
    const element = copyOf("row");
    const [box, text] = element.querySelectorAll("input");
    const button = element.querySelector("button");
    const row = { element, box, text, button, told: "" };
    box.addEventListener("change", () => this.edit(id, { done: box.checked }));
    button.addEventListener("click", () => this.update({ remove: [id] }));
    const commit = () => {
      const words = text.value.trim();
      if (words === "" || words === row.told) {
        text.value = row.told;
      } else {
        this.edit(id, { text: words });
      }
    };
    text.addEventListener("blur", commit);
    text.addEventListener("keydown", (event) => {
      if (event.key === "Escape") {
        text.value = row.told;
      } else if (event.key === "Enter" && !event.isComposing) {
        commit();
      }
    });
    this.rows.set(id, row);
    return row;
  }

  /** Change some members of an item as it will be then; a copy made now would undo others' changes to its other members. */
  edit(id, members) {
    const change = (tx) => {
      const item = tx.get_item(id);
      if (item !== undefined) {
        tx.update({ insert: [{ ...item, ...members }] });
      }
    };
    this.send(() => this.dataset.transaction(change));
  }

  /** Show an item in its row, but leave alone what is being typed there. */
  fill(row, item) {
    const words = textOf(item);
    const typing = row.text === document.activeElement && row.text.value !== row.told;
    row.told = words;
    if (!typing) {
      row.text.value = words;
    }
    row.text.readOnly = words.length > MAX_TEXT;
    row.box.checked = item.done === true;
    row.element.classList.toggle("done", row.box.checked);
    row.box.setAttribute("aria-label", `Done: ${words}`);
    row.text.setAttribute("aria-label", `Text of ${words}`);
    row.button.setAttribute("aria-label", `Delete ${words}`);
  }

  /** Remove a row; if it has the focus, that moves to a neighbour's button or the field above. */
  remove(id, row) {
    const focused = document.activeElement;
    const near = row.element.nextElementSibling ?? row.element.previousElementSibling;
    this.rows.delete(id);
    row.element.remove();
    if (focused === row.button && near !== null) {
      near.querySelector("button").focus();
    } else if (row.element.contains(focused)) {
      this.input.focus();
    }
  }

  /** Highlight the changed rows; show the last one, unless someone works elsewhere in the pane. */
  light(rows) {
    for (const { element } of rows) {
      element.classList.remove("fresh");
    }
    void this.list.offsetWidth; // so that the animation starts anew
    for (const { element } of rows) {
      element.classList.add("fresh");
    }
    const last = rows.at(-1)?.element;
    const busy = this.list.contains(document.activeElement);
    if (last !== undefined && !busy) {
      const { offsetTop: top, offsetHeight: height } = last;
      const { scrollTop, clientHeight } = this.list;
      this.list.scrollTop = Math.max(top + height - clientHeight, Math.min(top, scrollTop));
    }
  }
}

/** Fill in the example, for this server and the demo's list. */
function example() {
  const path = JSON.stringify(PATH).replaceAll("<", "\\u003c");
  return `<!doctype html><pre id="out">Connecting</pre><button id="add">Add</button>
<script type="module">
  import {SharedStateClient} from "${location.origin}/libs/sharedstate.es.js";
  const client = new SharedStateClient("${address}", {on_error: ({message}) => out.textContent = message});
  const [handle, list] = client.acquire(${path});
  list.add_callback(() => out.textContent = JSON.stringify(list.get_items(), null, 2));
  add.onclick = () => list.update({insert: [{text: "Hello"}]});
</script>
`;
}

async function copy() {
  const code = byId("code");
  try {
    await navigator.clipboard.writeText(code.textContent);
    byId("copy").textContent = "Copied";
  } catch {
    // No clipboard on plain http: select, and leave the last key to the reader.
    getSelection().selectAllChildren(code);
    byId("copy").textContent = "Selected";
  }
}

function on_error(error) {
  byId("trouble").textContent = error.message;
}

if (PATH === "") {
  byId("demo").hidden = true;
} else {
  const panes = ["Client A", "Client B"].map(
    (name) => new Pane(name, new SharedStateClient(address, { on_error })),
  );
  const tell = () => {
    for (const pane of panes) {
      showStatus(pane.state, pane.client.status);
    }
    const off = panes.find((pane) => pane.client.status !== "connected") ?? panes[0];
    showStatus(byId("status"), off.client.status);
    if (off.client.status === "connected") {
      byId("trouble").textContent = "";
    }
  };
  for (const pane of panes) {
    byId("panes").append(pane.element);
    pane.client.add_status_callback(tell);
    pane.client.connect();
  }
  tell();
}
byId("code").textContent = example();
byId("copy").addEventListener("click", copy);
