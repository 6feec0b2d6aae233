/** A folder of one's own, served beside the script and the WebSocket; what is not there, and the end of a connection. */

import assert from "node:assert/strict";
import { scenario, until } from "./support.mjs";

await scenario(
  async ({ server, open }) => {
    const origin = `http://127.0.0.1:${server.port}`;
    const [one, other] = [await open(`${origin}/`), await open(`${origin}/index.html`)];
    await one.page.click("button");
    for (const { page } of [one, other])
      await until(async () => (await page.textContent("button")) === "1", "the click in both pages");
    const style = await one.page.$eval("button", (button) => {
      const { color, padding } = getComputedStyle(button);
      return [color, padding];
    });
    assert.deepEqual(style, ["rgb(1, 2, 3)", "7px"], "styles of the page's own hold");

    const lost = await open(`${origin}/nowhere`);
    assert.equal(await lost.page.textContent("h1"), "404 Not Found");
    const body = await lost.page.evaluate(async () => (await fetch("/nowhere")).json());
    assert.equal(body.error.status, 404);

    const closed = await one.page.evaluate(
      () =>
        new Promise((resolve) => {
          const socket = new WebSocket(location.origin.replace("http", "ws"));
          socket.onopen = () => socket.close(1000);
          socket.onclose = ({ code, wasClean }) => resolve([code, wasClean]);
        }),
    );
    assert.deepEqual(closed, [1000, true]);
  },
  (problem) => problem.includes("404"),
);
