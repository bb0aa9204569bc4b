/** Draws a three with the mouse, and gives what the page shows while the hand moves. */

const THREE = [
  [0.35, 0.3],
  [0.5, 0.22],
  [0.64, 0.3],
  [0.48, 0.48],
  [0.66, 0.62],
  [0.5, 0.78],
  [0.34, 0.7],
];

export default async function drawing({ open, download, fragment, drag }) {
  const page = await open();
  const seen = new Set();
  const shown = () => page.evaluate(() => document.querySelector("#head-mean").toDataURL());
  await drag(page, "#pad", THREE, async () => {
    await page.waitForTimeout(30);
    seen.add(await shown());
  });
  const drawn = await fragment(page);
  const source = await page.textContent("#source");
  const heads = await download(page, "#heads-npy");
  await page.click("#redraw");
  const again = await download(page, "#heads-npy");
  await page.click("#erase");
  await drag(page, "#pad", [
    [0.2, 0.5],
    [0.8, 0.5],
  ]);
  const erased = (await fragment(page)).x;
  await page.click("#clear");
  const cleared = await fragment(page);
  await page.click("#examples button:nth-of-type(2)");
  return { seen: seen.size, drawn, source, heads, again, erased, cleared, example: await fragment(page) };
}
