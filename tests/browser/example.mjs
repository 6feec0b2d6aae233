/** What two people do with the example page, each in a window of their own. */

import { until } from "./support.mjs";

/** Press one of the page's two buttons, `Update` or `Reset`. */
export function click(tab, name) {
  return tab.page.getByRole("button", { name }).click();
}

/** Wait until a page has been told what passes this test. */
export function told(tab, test) {
  return until(() => tab.received.some(({ data }) => test(data ?? {})));
}

/** Toggle the item from both windows, then reset, and begin again: both have shown the same four values. */
export async function toggle(one, two) {
  await click(one, "Update");
  await one.logs("true");
  await two.logs("true");
  await click(two, "Update");
  await one.logs("true", "false");
  await two.logs("true", "false");
  await click(one, "Update");
  await two.logs("true", "false", "true");
  await one.logs("true", "false", "true");

  for (const tab of [one, two]) tab.received.length = 0;
  await click(one, "Reset");
  await told(two, ({ reset }) => reset === true);
  await click(two, "Update");
  await two.logs("true", "false", "true", "true");
  await one.logs("true", "false", "true", "true");
}
