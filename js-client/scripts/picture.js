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

/** Width of a window, in pixels. */
const WIDTH = 640;

async function open_demo() {
  const page = await browser.newPage({
    viewport: { width: WIDTH, height: 800 },
    deviceScaleFactor: 1.5,
    bypassCSP: true, // for the style below
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

/**
 * Wait until the page's first client has an item with this text.
 *
 * @param {import("playwright-core").Page} page
 * @param {string} text
 */
async function shows(page, text) {
  await page.waitForFunction(
    (text) => [...document.querySelectorAll("input")].some((input) => input.value === text),
    text,
  );
}

try {
  const pages = [await open_demo(), await open_demo()];
  await fill(pages[0], [
    { id: "1", text: "Bread", done: false },
    { id: "2", text: "Coffee beans", done: false },
  ]);
  await shows(pages[0], "Coffee beans");
  await pages[0].getByRole("checkbox", { name: "Done: Bread" }).first().check();
  for (const page of pages) {
    await page.waitForFunction(() => document.querySelector("li.done"));
    // What is new is lit up for a moment: that moment shall last.
    await page.waitForFunction(() => document.getAnimations().length === 0);
    await page.addStyleTag({ content: ".fresh { animation-play-state: paused !important; }" });
  }
  await pages[0].getByRole("textbox", { name: "New item, Client A" }).fill("Lamp oil");
  await pages[0].keyboard.press("Enter");
  const shots = [];
  for (const page of pages) {
    await shows(page, "Lamp oil");
    const pane = page.locator(".pane").first();
    const bottom = await pane.evaluate((element) => element.getBoundingClientRect().bottom);
    const clip = { x: 0, y: 0, width: WIDTH, height: Math.round(bottom) + 12 };
    shots.push((await page.screenshot({ clip })).toString("base64"));
  }
  const sheet = await browser.newPage({ viewport: { width: 2 * WIDTH + 3 * 24, height: 800 } });
  const frames = shots.map(
    (shot) =>
      `<div class="window"><div class="bar">● ● ●</div><img src="data:image/png;base64,${shot}"></div>`,
  );
  await sheet.setContent(`<!doctype html><style>
      body { margin: 0; padding: 24px; display: flex; gap: 24px; background: #e8ebef; }
      .window { border-radius: 10px; overflow: hidden; box-shadow: 0 6px 24px #0003; background: #fff; }
      .bar { font: 12px sans-serif; color: #98a2ad; padding: 8px 12px; background: #f4f6f8; }
      img { display: block; width: ${WIDTH}px; }
    </style>${frames.join("")}`);
  await sheet.locator("body").screenshot({ path: file });
} finally {
  await browser.close();
}
