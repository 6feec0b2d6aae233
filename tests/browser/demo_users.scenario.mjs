/** The to-do list with two users: who they are is changed by a click, and what they may not do is refused, with the reason. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { scenario, until } from "./support.mjs";

const { SHAREDSTATE_COMMAND: command, SHAREDSTATE_LOOP: loop } = process.env;
const demo = spawn(command, ["--demo-users", "--port", "0", "--loop", loop], {
  stdio: ["ignore", "pipe", "inherit"],
});
try {
  let url;
  for await (const line of createInterface(demo.stdout))
    if ((url = line.match(/Open (\S+)/)?.[1])) break;
  await scenario(async ({ open }) => {
    const { page } = await open(url);
    const origin = await page.evaluate(() => performance.timeOrigin);
    const become = async (name, words) => {
      await page.getByRole("button", { name, exact: true }).click();
      await page.getByText(words, { exact: true }).waitFor();
    };
    const add = async (text) => {
      await page.getByLabel("New task").fill(text);
      await page.getByRole("button", { name: "Add", exact: true }).click();
    };
    const texts = () =>
      page.locator("#tasks input[type=text]").evaluateAll((all) => all.map(({ value }) => value));
    const shows = (...expected) =>
      until(async () => (await texts()).join() === expected.join(), `${expected} to show`);
    const refused = async (pattern) => {
      await page.getByRole("alert").getByText(pattern).waitFor();
    };

    await page.getByText("You are ann, editor.", { exact: true }).waitFor();
    await add("Buy milk");
    await shows("Buy milk");
    if (process.env.PICTURES) await page.screenshot({ path: "demo_users.png" });

    await become("bob", "You are bob, helper.");
    await shows("Buy milk");
    const box = page.getByRole("checkbox");
    await box.check();
    await page.getByText("0 tasks left", { exact: true }).waitFor();
    await add("Sleep");
    await refused(/you may not insert .*editor/);
    await page.getByRole("button", { name: "Delete Buy milk" }).click();
    await refused(/you may not remove .*editor/);
    await page.getByLabel("Text of Buy milk").fill("Buy beer");
    await page.getByLabel("Text of Buy milk").press("Enter");
    await refused(/you may not update .*ticks_off/);
    await page.getByLabel("New task").focus();
    await shows("Buy milk");

    await become("nobody", "You are nobody.");
    await shows();
    await become("ann", "You are ann, editor.");
    await shows("Buy milk");
    await page.getByRole("button", { name: "Delete Buy milk" }).click();
    await shows();
    assert.equal(await page.evaluate(() => performance.timeOrigin), origin, "no reload");
  });
} finally {
  demo.kill();
}
