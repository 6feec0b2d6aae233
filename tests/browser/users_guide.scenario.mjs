/** The chat of docs/users-and-rights.md in two windows: each sees all messages, and changes only its own. */

import assert from "node:assert/strict";
import { scenario, until } from "./support.mjs";

const { ANN, BOB } = process.env;

await scenario(async ({ server, open }) => {
  const url = `http://127.0.0.1:${server.port}/`;
  const [ann, bob] = [await open(`${url}#${ANN}`), await open(`${url}#${BOB}`)];
  const say = async (tab, text) => {
    await tab.page.getByRole("textbox").fill(text);
    await tab.page.getByRole("button").click();
  };
  const shows = (expected) =>
    until(async () => {
      const lines = ({ page }) => page.getByRole("listitem").allTextContents();
      const shown = await Promise.all([ann, bob].map(lines));
      return shown.every((each) => each.join() === expected.join());
    }, `two windows that show ${expected}`);
  const told = (tab) => tab.page.locator("output").textContent();
  for (const { page } of [ann, bob]) page.on("dialog", (dialog) => dialog.accept("changed"));

  await say(ann, "one");
  await shows(["ann: one"]);
  await say(bob, "two");
  await shows(["ann: one", "bob: two"]);
  await bob.page.getByText("two").click();
  await shows(["ann: one", "bob: changed"]);
  await bob.page.getByText("one").click();
  await until(async () => (await told(bob)).startsWith("you may not update "), "the refusal");
  await shows(["ann: one", "bob: changed"]);
  await ann.page.getByText("one").click();
  await shows(["ann: changed", "bob: changed"]);

  const nobody = await open(url);
  await until(async () => (await told(nobody)) !== "", "a word to who has no token");
  assert.deepEqual(await nobody.page.getByRole("listitem").allTextContents(), []);
}, (problem) => problem.includes("404")); // there is no /favicon.ico
