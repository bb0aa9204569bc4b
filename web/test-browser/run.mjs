/**
 * Runs one scenario in the browser that `serve.mjs` started, and prints what it returns as JSON.
 *
 *     node test-browser/run.mjs ENDPOINT SCENARIO '{"page": "/path/to/explore.html", ...}'
 *
 * SCENARIO is a module beside this one, whose default export is called with a context (below) and the options. In the
 * output, `problems` lists errors of the page and of its console, `requests` all URLs that the browser asked for.
 */

import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [endpoint, name, json] = process.argv.slice(2);
const options = JSON.parse(json ?? "{}");
const { default: scenario } = await import(new URL(`${name}.mjs`, import.meta.url));
const browser = await chromium.connect(endpoint);
const folder = await mkdtemp(join(tmpdir(), "explorer-"));
const problems = [];
const requests = [];

/** A fresh browser window, without storage; `settings` are playwright's, such as viewport and colorScheme. */
async function fresh(settings = {}) {
  const context = await browser.newContext({
    viewport: { width: 1280, height: 860 },
    acceptDownloads: true,
    ...settings,
  });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && problems.push(message.text()));
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => requests.push(request.url()));
  return page;
}

/** The explorer's page, once all of it is there; `fragment` is put behind its address. */
async function open(settings = {}, fragment = "") {
  const page = await fresh(settings);
  await page.goto(pathToFileURL(options.page).href + fragment);
  await page.waitForSelector("#explorer[aria-busy=false]");
  await page.waitForSelector("#map[data-ready]");
  return page;
}

/** What a click on `selector` saves, as base64. */
async function download(page, selector) {
  const [file] = await Promise.all([page.waitForEvent("download"), page.click(selector)]);
  const path = join(folder, file.suggestedFilename());
  await file.saveAs(path);
  return (await readFile(path)).toString("base64");
}

/** The fields of the page's address, once it has settled. */
async function fragment(page) {
  // The page writes its address 200 ms after the last change. A timer of the page's own that is set later fires later,
  // however busy the machine is.
  await page.evaluate(() => new Promise((resolve) => setTimeout(resolve, 250)));
  return Object.fromEntries(new URLSearchParams(new URL(page.url()).hash.slice(1)));
}

/** Moves the mouse along `places`, given as shares of an element's width and height, with its button held down. */
async function drag(page, selector, places, each = async () => undefined) {
  const box = await page.locator(selector).boundingBox();
  const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
  await page.mouse.move(...at(places[0]));
  await page.mouse.down();
  for (const place of places.slice(1)) {
    await page.mouse.move(...at(place), { steps: 6 });
    await each();
  }
  await page.mouse.up();
}

try {
  const result = await scenario({ fresh, open, download, fragment, drag }, options);
  console.log(JSON.stringify({ ...result, problems, requests }));
} catch (error) {
  console.error(problems.join("\n"), error);
  process.exitCode = 1;
} finally {
  await browser.close();
  await rm(folder, { recursive: true });
}
