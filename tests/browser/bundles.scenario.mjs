/** Every bundle, from a page of another origin; datasets acquired before and after connecting. */

import { page_for, scenario, serve_pages } from "./support.mjs";

await scenario(async ({ server, open }) => {
  const template = await page_for("bundle.html", server);
  const libs = `http://127.0.0.1:${server.port}/libs`;
  const script = (name) => `<script src="${libs}/${name}"></script>`;
  const module = (name) =>
    `<script type="module">
      import * as all from "${libs}/${name}";
      globalThis.SHAREDSTATE = all;
    </script>`;
  const site = await serve_pages({
    "/iife": template.replace("BUNDLE", script("sharedstate.iife.js")),
    "/iife.min": template.replace("BUNDLE", script("sharedstate.iife.min.js")),
    "/es": template.replace("BUNDLE", module("sharedstate.es.js")),
    "/es.min": template.replace("BUNDLE", module("sharedstate.es.min.js")),
  });
  const tabs = [];
  for (const name of ["iife", "iife.min", "es", "es.min"]) {
    tabs.push(await open(`${site.url}/${name}`));
  }
  const shows = ({ page }, id, text) =>
    page.locator(`#${id}`).getByText(text, { exact: true }).waitFor();
  for (const tab of tabs) {
    await shows(tab, "status", "connected");
    await shows(tab, "early", "[]");
    await shows(tab, "late", "[]");
  }
  await tabs[0].page.getByRole("button", { name: "Write" }).click();
  for (const tab of tabs) {
    await shows(tab, "early", '[{"id":"a","place":"early"}]');
    await shows(tab, "late", '[{"id":"a","place":"late"}]');
  }
  site.close();
});
