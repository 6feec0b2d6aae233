/**
 * Draw the README's picture from the real demo: two windows on one list.
 *
 * Usage: node scripts/picture.js http://127.0.0.1:9000/ ../docs/two-windows.png
 * with a running server whose demo list may be changed, and Chromium installed.
 */
import { chromium } from "playwright-core";

const [url, file] = process.argv.slice(2);
if (!file) {
  console.error("usage: node scripts/picture.js URL FILE.png");
  process.exit(2);
}
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"],
});

async function open_demo() {
  const page = await browser.newPage({
    viewport: { width: 640, height: 700 },
    deviceScaleFactor: 1.5,
  });
  await page.goto(url);
  return page;
}

/**
 * Make these items the demo's list, from the page itself.
 *
 * @param {import("playwright-core").Page} page
 * @param {object[]} items
 */
async function fill(page, items) {
  const path = await page.locator("body").getAttribute("data-path");
  await page.addScriptTag({ url: "/libs/sharedstate.iife.js" });
  await page.evaluate(
    async ({ address, path, items }) => {
      const client = new (Reflect.get(globalThis, "SHAREDSTATE").SharedStateClient)(address);
      await client.update(path, { reset: true, insert: items });
      client.close();
    },
    { address: url.replace("http", "ws"), path, items },
  );
}

try {
  const [left, right] = [await open_demo(), await open_demo()];
  await fill(left, [
    { id: "1", text: "Bread", done: true },
    { id: "2", text: "Coffee beans", done: false },
    { id: "3", text: "Lamp oil", done: false },
  ]);
  const shots = [];
  for (const page of [left, right]) {
    await page.waitForFunction(() =>
      [...document.querySelectorAll("input")].some((input) => input.value === "Lamp oil"),
    );
    shots.push((await page.screenshot()).toString("base64"));
  }
  const sheet = await browser.newPage({ viewport: { width: 1360, height: 780 } });
  const frames = shots.map(
    (shot) =>
      `<div class="window"><div class="bar">● ● ●</div><img src="data:image/png;base64,${shot}"></div>`,
  );
  await sheet.setContent(`<style>
      body { margin: 0; padding: 24px; display: flex; gap: 24px; background: #e8ebef; }
      .window { border-radius: 10px; overflow: hidden; box-shadow: 0 6px 24px #0003; background: #fff; }
      .bar { font: 12px sans-serif; color: #98a2ad; padding: 8px 12px; background: #f4f6f8; }
      img { display: block; width: 632px; }
    </style>${frames.join("")}`);
  await sheet.screenshot({ path: file });
} finally {
  await browser.close();
}
