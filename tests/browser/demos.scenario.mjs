/** The small demos of the server: cursors of all visitors, and its clock. */

import assert from "node:assert/strict";
import { scenario, until } from "./support.mjs";

await scenario(async ({ server, open }) => {
  const home = `http://127.0.0.1:${server.port}`;
  const index = await open(home);
  await index.page.getByRole("link", { name: "The cursors of all visitors" }).click();
  const tabs = [index, await open(index.page.url())];
  const others = (tab) => tab.page.locator(".cursor:not(.me)");
  for (const tab of tabs) {
    await tab.page.getByText("2 visitors", { exact: true }).waitFor();
    await tab.page.locator(".cursor.me").waitFor();
  }
  await tabs[0].page.mouse.move(100, 200);
  await until(async () => {
    const { x, y, width, height } = await others(tabs[1]).boundingBox();
    return Math.round(x + width / 2) === 100 && Math.round(y + height / 2) === 200;
  }, "the other cursor to follow");
  if (process.env.PICTURES) await tabs[1].page.screenshot({ path: "cursors.png" });

  // Who leaves is gone.
  await tabs[1].page.goto("about:blank");
  await tabs[0].page.getByText("1 visitor", { exact: true }).waitFor();
  assert.equal(await others(tabs[0]).count(), 0);

  const clock = await open(home);
  await clock.page.getByRole("link", { name: "the server's clock" }).click();
  await clock.page.getByText(/^\d\d:\d\d:\d\d$/).waitFor();
  await clock.page.getByText("Wrong by at most").waitFor();
  const told = await clock.page.locator("dd").allTextContents();
  assert.ok(
    told.every((text) => /^-?\d+\.\d ms$/.test(text)),
    String(told),
  );
  if (process.env.PICTURES) await clock.page.screenshot({ path: "clock.png" });
});
