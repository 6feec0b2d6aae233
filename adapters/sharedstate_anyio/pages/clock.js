// The server's clock, and its maximum error.

import { SharedStateClient } from "/libs/sharedstate.es.min.js";

const address = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}`;
const { clock } = new SharedStateClient(address);
const find = (id) => document.getElementById(id);
const milliseconds = (seconds) => `${(1000 * seconds).toFixed(1)} ms`;

let told = 0;

function show() {
  const now = clock.now();
  const second = Math.floor(now);
  find("beat").style.opacity = 1 - (now - second);
  if (second !== told) {
    told = second;
    find("time").textContent = new Date(second * 1000).toLocaleTimeString("en-GB");
    for (const name of ["skew", "trans", "error"])
      find(name).textContent = milliseconds(clock[name]);
  }
  requestAnimationFrame(show);
}

clock.ready.then(show);
