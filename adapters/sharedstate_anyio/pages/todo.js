// A shared to-do list: one item for each task, `{id, text, done, at}`. But anybody may write anything: what is not as it
// should be is shown as JSON, and always as text.
//
// On a server with users (`sharedstate-anyio --demo-users`) the address has their tokens behind `#`, and a click changes who
// this page is: each sees and may do what the rules say, which are the server's affair, and none of this page's.

import { SharedStateClient } from "/libs/sharedstate.es.min.js";

const service = new URLSearchParams(location.search).get("service") ?? "mitems";
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const find = (id) => document.getElementById(id);
const fail = (error) => (find("problem").textContent = error.message);
const MAX_TEXT = 1000; // characters of a text; longer ones are cut, and cannot be edited here
const people = new URLSearchParams(location.hash.slice(1)); // tokens by name
let me = [...people.keys()][0];
const users = me && { token: () => people.get(me) };
const client = new SharedStateClient(address, { on_error: fail, ...users });
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

/** Show what went wrong with a promise, and nothing once all is well again; return whether it is. */
const watch = (promise) =>
  promise.then(
    () => ((find("problem").textContent = ""), true),
    (error) => (fail(error), false),
  );

async function send(promise) {
  waiting++;
  tell();
  const done = await watch(promise);
  waiting--;
  tell();
  return done;
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
  ).then((done) => {
    const [row, task] = [rows.get(id), tasks.get_item(id)];
    if (!done && row && task) fill(row, task, true);
  });

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

/** Show a task as it is; what is being typed stays, unless it was refused. */
function fill(row, task, refused = false) {
  const [done, text, remove] = row.children;
  const name = nameOf(task);
  done.checked = task.done === true;
  if (refused || text !== document.activeElement) text.value = name;
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

/** A button for each user, and one for nobody. */
function showPeople() {
  for (const name of [...people.keys(), "nobody"]) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.onclick = () => {
      client.sign_out(); // what only the former user may see is gone at once
      me = name;
      client.connect();
    };
    find("people").append(button, " ");
  }
  find("people").hidden = false;
}

function showUser(user) {
  find("problem").textContent = "";
  find("who").value = user ? `You are ${user.id}, ${user.role}.` : "You are nobody.";
}

if (me) {
  showPeople();
  client.add_user_callback(showUser);
}
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
