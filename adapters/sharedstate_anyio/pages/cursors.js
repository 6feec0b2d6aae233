// The cursors of all visitors: one item for each, written at most once per frame of the screen, and not before the
// server has answered.

import { SharedStateClient } from "/libs/sharedstate.es.min.js";

const KEPT = 20; // seconds that a cursor stays without a sign of its owner
const service = new URLSearchParams(location.search).get("service") ?? "mitems";
const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;

const problem = document.getElementById("problem");
const fail = (error) => (problem.textContent = error.message);
const client = new SharedStateClient(address, { on_error: fail });
const numbers = crypto.getRandomValues(new Uint32Array(2));
const me = { id: numbers.join("-"), hue: numbers[0] % 360, x: 0.5, y: 0.5, at: 0 };
const count = document.getElementById("count");
const cursors = acquire(`/demo/${service}/cursors`);
const template = document.getElementById("cursor").content.firstElementChild;
const shown = new Map(); // elements by id

/** Return the dataset of a path; if it is none, say so, and go no further. */
function acquire(path) {
  try {
    return client.acquire(path)[1];
  } catch (error) {
    count.value = "";
    fail(error);
    throw error;
  }
}

/** Return a number; for anything else that somebody has put there, 0. */
const number = (value) => (Number.isFinite(value) ? value : 0);

let moved = true;
let writing = true; // until we know what is there, and what time it is

addEventListener("pointermove", ({ clientX, clientY }) => {
  me.x = clientX / innerWidth;
  me.y = clientY / innerHeight;
  moved = true;
});

/** Write what is new; later moves go with the next write. */
async function write() {
  if (!moved || writing || client.status !== "connected") return;
  moved = false;
  writing = true;
  me.at = client.clock.now();
  await cursors.update({ insert: [me] }).catch(() => (moved = true));
  writing = false;
}

function draw(changed) {
  for (const { id } of changed) {
    const item = cursors.get_item(id);
    if (!item) {
      shown.get(id)?.remove();
      shown.delete(id);
      continue;
    }
    if (!shown.has(id)) {
      shown.set(id, document.body.appendChild(template.cloneNode(true)));
      shown.get(id).classList.toggle("me", id === me.id);
    }
    const { style } = shown.get(id);
    style.left = `${100 * number(item.x)}%`;
    style.top = `${100 * number(item.y)}%`;
    style.color = `hsl(${number(item.hue)} 80% 50%)`;
  }
  count.value = cursors.size === 1 ? "1 visitor" : `${cursors.size} visitors`;
}

/** Renew our own cursor; remove those of visitors who left without a goodbye. */
async function tidy() {
  moved = true;
  const now = client.clock.now();
  const gone = cursors.get_items().filter(({ at }) => !(Math.abs(now - number(at)) < KEPT));
  const remove = gone.map(({ id }) => id).filter((id) => id !== me.id);
  if (remove.length > 0) await cursors.update({ remove }).catch(() => {});
}

function frame() {
  write();
  requestAnimationFrame(frame);
}

try {
  await Promise.all([cursors.ready, client.clock.ready]);
  await tidy(); // before anything is shown or counted
  draw(cursors.get_items());
  cursors.subscribe(draw);
  setInterval(tidy, (KEPT / 4) * 1000);
  // Firefox has closed the connection when `pagehide` comes. If the page stays, `tidy` renews the cursor.
  for (const end of ["beforeunload", "pagehide"])
    addEventListener(end, () => {
      moved = false;
      cursors.update({ remove: [me.id] });
    });
  addEventListener("pageshow", () => (moved = true));
  problem.textContent = "";
  client.add_status_callback((status) => {
    if (status === "connected") moved = true;
    else count.value = "Connecting …";
  });
  writing = false;
  frame();
} catch (error) {
  count.value = "";
  fail(error);
}
