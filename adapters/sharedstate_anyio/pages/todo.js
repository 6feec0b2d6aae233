// A shared to-do list: one item for each task, `{id, text, done, at}`. But anybody may write anything: what is not as it
// should be is shown as JSON, and always as text.

import { SharedStateClient } from "/libs/sharedstate.es.min.js";

const service = new URLSearchParams(location.search).get("service") ?? "mitems";
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const find = (id) => document.getElementById(id);
const fail = (error) => (find("problem").textContent = error.message);
const MAX_TEXT = 1000; // characters of a text; longer ones are cut, and cannot be edited here
const client = new SharedStateClient(address, { on_error: fail });
const tasks = acquire(`/demo/${service}/todo`);
const rows = new Map(); // elements by id
let waiting = 0; // changes without an answer

/** Return the dataset of a path; if it is none, say so, and go no further. */
function acquire(path) {
  try {
    return client.acquire(path)[1];
  } catch (error) {
    find("left").value = "";
    fail(error);
    throw error;
  }
}

/** Show what went wrong with a promise, and nothing once all is well again. */
const watch = (promise) => promise.then(() => (find("problem").textContent = ""), fail);

async function send(promise) {
  waiting++;
  tell();
  await watch(promise);
  waiting--;
  tell();
}

const update = (changes) => send(tasks.update(changes));

/**
 * Change some fields of a task as it will be then, unless somebody has deleted it. A copy made now would undo others'
 * changes to its other fields.
 */
const change = (id, fields) =>
  send(
    tasks.transaction((tx) => {
      const task = tx.get_item(id);
      if (task) tx.update({ insert: [{ ...task, ...fields }] });
    }),
  );

function addRow(id) {
  const row = find("task").content.firstElementChild.cloneNode(true);
  const [done, text, remove] = row.children;
  done.onchange = () => change(id, { done: done.checked });
  text.onchange = () => change(id, { text: text.value });
  remove.onclick = () => update({ remove: [id] });
  rows.set(id, row);
  return row;
}

function nameOf(task) {
  const name = typeof task.text === "string" ? task.text : JSON.stringify(task);
  return name.length > MAX_TEXT ? `${name.slice(0, MAX_TEXT)}…` : name;
}

function fill(row, task) {
  const [done, text, remove] = row.children;
  const name = nameOf(task);
  done.checked = task.done === true;
  if (text !== document.activeElement) text.value = name; // who is typing is not interrupted
  text.readOnly = name.length > MAX_TEXT;
  done.setAttribute("aria-label", `Done: ${name}`);
  text.setAttribute("aria-label", `Text of ${name}`);
  remove.setAttribute("aria-label", `Delete ${name}`);
  row.classList.toggle("done", done.checked);
}

function show(diffs) {
  for (const { id, new: task } of diffs) {
    if (task) fill(rows.get(id) ?? addRow(id), task);
    else {
      rows.get(id)?.remove();
      rows.delete(id);
    }
  }
  const time = ({ at }) => (Number.isFinite(at) ? at : 0);
  const all = tasks.get_items().sort((a, b) => time(a) - time(b));
  all.forEach(({ id }, place) => {
    const [row, there] = [rows.get(id), find("tasks").children[place]];
    if (row !== there) find("tasks").insertBefore(row, there ?? null);
  });
  tell();
}

function tell() {
  const left = tasks.get_items().filter(({ done }) => !done).length;
  const waits = waiting === 1 ? ", 1 change waits" : waiting ? `, ${waiting} changes wait` : "";
  const status = client.status === "connected" ? "" : ` – not connected${waits}`;
  find("left").value = `${left === 1 ? "1 task" : `${left} tasks`} left${status}`;
  find("clear").hidden = left === tasks.size;
}

find("add").onsubmit = (event) => {
  event.preventDefault();
  const { text } = event.target.elements;
  const name = text.value.trim(); // the client gives an item without an id one
  if (name) update({ insert: [{ text: name, done: false, at: client.clock.now() }] });
  text.value = "";
};

find("clear").onclick = () => {
  const done = tasks.get_items().filter((task) => task.done);
  update({ remove: done.map(({ id }) => id) });
};

tasks.subscribe(show);
const known = tasks.ready.then(tell);
known.then(
  () =>
    client.add_status_callback((status) => {
      if (status === "connected") find("problem").textContent = "";
      tell();
    }),
  () => (find("left").value = ""),
);
watch(known);
