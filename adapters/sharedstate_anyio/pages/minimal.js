// The smallest application: a button toggles `data` of one item.

import { SharedStateClient } from "/libs/sharedstate.es.min.js";

const service = new URLSearchParams(location.search).get("service") ?? "mitems";
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const problem = document.getElementById("problem");
const fail = (error) => (problem.textContent = error.message);
const client = new SharedStateClient(address, { on_error: fail });
const value = document.getElementById("value");
const ds = acquire(`/demo/${service}/switch`);

/** Return the dataset of a path; if it is none, say so, and go no further. */
function acquire(path) {
  try {
    return client.acquire(path)[1];
  } catch (error) {
    value.textContent = "";
    fail(error);
    throw error;
  }
}

function show() {
  const item = ds.get_item("myid");
  value.textContent = item === undefined ? "not set" : item.data ? "on" : "off";
}

/** Show what went wrong with a promise, and nothing once all is well again. */
function tell(promise) {
  promise.then(() => (problem.textContent = ""), fail);
}

ds.subscribe(show);
tell(ds.ready.then(show));

document.getElementById("updateBtn").onclick = () => {
  tell(ds.update({ insert: [{ id: "myid", data: !ds.get_item("myid")?.data }] }));
};
document.getElementById("resetBtn").onclick = () => {
  tell(ds.update({ reset: true }));
};
