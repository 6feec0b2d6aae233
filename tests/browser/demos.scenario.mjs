/** The small demos of the server: a switch, a to-do list, cursors of all visitors, and its clock. */

import assert from "node:assert/strict";
import { scenario, until } from "./support.mjs";

/** While the server is away; the page with cursors writes all the time. */
const expected = (problem) =>
  problem.includes("WebSocket connection to") || problem.includes("already in CLOSING or CLOSED");

await scenario(async ({ server, open }) => {
  const home = `http://127.0.0.1:${server.port}`;
  const index = await open(home);
  // What a visitor left behind is cleared away before anything is counted, not by the timer alone.
  await index.page.evaluate(async () => {
    const { SharedStateClient } = await import("/libs/sharedstate.es.js");
    const client = new SharedStateClient(`ws://${location.host}`);
    const left = { id: "left", hue: 0, x: 0, y: 0, at: client.clock.now() - 60 };
    await client.update("/demo/mitems/cursors", { insert: [left] });
    client.close();
  });
  await index.page.addInitScript(() => (globalThis.setInterval = () => 0));
  await index.page.getByRole("link", { name: "the cursors of all visitors" }).click();
  await index.page.getByText("1 visitor", { exact: true }).waitFor();
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

  // The switch.
  const switches = [await open(home)];
  await switches[0].page.getByRole("link", { name: "A switch" }).click();
  await switches[0].page.getByText("not set").waitFor();
  switches.push(await open(switches[0].page.url()));
  for (const [button, shown] of [
    ["Update", "on"],
    ["Update", "off"],
    ["Reset", "not set"],
  ]) {
    await switches[1].page.getByRole("button", { name: button }).click();
    for (const { page } of switches)
      await page
        .getByRole("status", { name: "The switch is" })
        .getByText(shown, { exact: true })
        .waitFor();
  }
  if (process.env.PICTURES) await switches[0].page.screenshot({ path: "switch.png" });

  // The list: added to, ticked, reworded and cleared, from two pages.
  const lists = [await open(home)];
  await lists[0].page.getByRole("link", { name: "a shared to-do list" }).click();
  lists.push(await open(lists[0].page.url()));
  const [one, two] = lists.map(({ page }) => page);
  const rows = (page) => page.locator("#tasks li");
  const texts = (page) =>
    page.locator("#tasks input[type=text]").evaluateAll((all) => all.map(({ value }) => value));
  const shows = (page, ...expected) =>
    until(
      async () => JSON.stringify(await texts(page)) === JSON.stringify(expected),
      `${expected} to show`,
    );
  for (const task of ["Buy milk", "<b>Call</b> the bank", "Sleep"]) {
    await one.getByLabel("New task").fill(task);
    await one.getByRole("button", { name: "Add", exact: true }).click();
  }
  await shows(two, "Buy milk", "<b>Call</b> the bank", "Sleep");
  await two.getByText("3 tasks left", { exact: true }).waitFor();
  await rows(two).first().getByRole("checkbox").check();
  await one.getByText("2 tasks left", { exact: true }).waitFor();
  await one.getByLabel("Text of Sleep").fill("Sleep well");
  await one.getByLabel("Text of Sleep").press("Enter");
  await shows(two, "Buy milk", "<b>Call</b> the bank", "Sleep well");
  if (process.env.PICTURES) await two.screenshot({ path: "todo.png" });
  await two.getByRole("button", { name: "Delete <b>Call</b> the bank" }).click();
  await shows(one, "Buy milk", "Sleep well");
  await one.getByRole("button", { name: "Clear what is done" }).click();
  await shows(two, "Sleep well");
  await two.getByText("1 task left", { exact: true }).waitFor();
  assert.equal(await two.getByRole("button", { name: "Clear what is done" }).isVisible(), false);

  // Edited at once by two who do not see one another's edit: both edits stay. Offline, the page says what waits.
  await Promise.all([
    rows(one).first().getByRole("checkbox").evaluate((box) => box.click()),
    rows(two).first().getByLabel("Text of Sleep well").evaluate((field) => {
      field.value = "Dream";
      field.dispatchEvent(new Event("change"));
    }),
  ]);
  for (const page of [one, two]) {
    await shows(page, "Dream");
    await until(() => rows(page).first().getByRole("checkbox").isChecked(), "both edits");
  }
  assert.equal(await server.stop(), 0);
  await one.getByText("not connected", { exact: false }).waitFor();
  await one.getByLabel("New task").fill("Wait");
  await one.getByRole("button", { name: "Add", exact: true }).click();
  await one.getByText("0 tasks left – not connected, 1 change waits", { exact: true }).waitFor();
  await server.start();
  await shows(one, "Wait"); // what was in memory is gone
  await one.getByText("1 task left", { exact: true }).waitFor();

  // A service that there is not is told, in the page and nowhere else; each demo leads back.
  for (const name of ["minimal", "todo", "cursors"]) {
    await two.goto(`${home}/pages/${name}.html?service=nosuch`);
    await two.getByRole("alert").getByText("no service 'nosuch'").waitFor();
  }
  for (const { page } of [lists[1], switches[0], clock]) {
    await page.getByRole("link", { name: "The server's page" }).click();
    await page.waitForURL(`${home}/pages/`);
  }
}, expected);
