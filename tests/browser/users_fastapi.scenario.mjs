/** The application of docs/users-and-rights.md: people sign in and out, and two tabs of one browser go together. */

import assert from "node:assert/strict";
import { scenario, Tab, until } from "./support.mjs";

const url = process.env.APPLICATION;

await scenario(async ({ open }) => {
  const one = (await open(url)).page;
  const two = new Tab(await one.context().newPage()).page;
  await two.goto(url);
  const of = (page, name) => page.getByRole("button", { name });
  const shown = async (page) => {
    const visible = await Promise.all(["Sign in", "Sign out"].map((name) => of(page, name).isVisible()));
    const who = await page.locator("b").textContent();
    return [visible.join(), who, ...(await page.getByRole("listitem").allTextContents())].join(" ");
  };
  const both = (expected) =>
    until(async () => (await Promise.all([one, two].map(shown))).every((each) => each === expected), expected);
  const sign_in = async (page, name, password) => {
    await page.getByPlaceholder("Name").fill(name);
    await page.getByPlaceholder("Password").fill(password);
    await of(page, "Sign in").click();
  };
  const say = async (page, text) => {
    await page.getByPlaceholder("Say something").fill(text);
    await of(page, "Send").click();
  };

  await both("true,false ");
  for (const [name, password] of [["ann", "banana"], ["eve", ""], ["", ""]]) {
    await sign_in(one, name, password);
    await until(async () => (await one.locator("output").textContent()) === "Who are you?", "the refusal");
    await one.locator("output").evaluate((output) => (output.value = ""));
  }
  await sign_in(one, "ann", "apple");
  await both("false,true ann");
  await say(two, "one");
  await both("false,true ann ann: one");
  await of(two, "Sign out").click();
  await both("true,false ");
  await sign_in(two, "bob", "banana");
  await both("false,true bob ann: one");
  await say(one, "two");
  await both("false,true bob ann: one bob: two");
  await two.reload();
  await both("false,true bob ann: one bob: two");
  assert.equal(await one.locator("output").textContent(), "");
}, (problem) => /40[14]/.test(problem)); // nobody has signed in, and there is no /favicon.ico
