/** How long the page takes: from the disk to its first pixels, and from a slider's move to pixels. Milliseconds. */

import { pathToFileURL } from "node:url";

export default async function times({ fresh }, { page: path, repeats = 15 }) {
  const first = [];
  const complete = [];
  for (let i = 0; i < repeats; i++) {
    const page = await fresh();
    await page.goto(pathToFileURL(path).href);
    await page.waitForSelector("#map[data-ready]");
    const at = (name) => page.evaluate((name) => performance.getEntriesByName(name)[0].startTime, name);
    first.push(await at("vae-edge-first"));
    complete.push(await at("vae-edge-complete"));
    await page.context().close();
  }
  const page = await fresh();
  await page.goto(pathToFileURL(path).href);
  await page.waitForSelector("#map[data-ready]");
  await page.waitForTimeout(500);
  const moves = await page.evaluate(async () => {
    const put = CanvasRenderingContext2D.prototype.putImageData;
    let painted = null;
    CanvasRenderingContext2D.prototype.putImageData = function (...values) {
      put.apply(this, values);
      if (this.canvas.id === "head-mode") painted?.(performance.now()); // the last of the three
    };
    const slider = document.querySelector("#sliders input");
    const taken = [];
    for (let i = 0; i < 220; i++) {
      const done = new Promise((resolve) => (painted = resolve));
      slider.value = String(Math.sin(i));
      const start = performance.now();
      slider.dispatchEvent(new Event("input", { bubbles: true }));
      taken.push((await done) - start);
      await new Promise((resolve) => requestAnimationFrame(resolve));
    }
    return taken.slice(20);
  });
  return { first, complete, moves };
}
