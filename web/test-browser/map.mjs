/** Points at the map, presses, draws a path, joins two points, and plays the morph. */

export default async function map({ open, download, fragment, drag }) {
  const page = await open();
  const source = () => page.textContent("#source");
  const mean = () => page.evaluate(() => document.querySelector("#head-mean").toDataURL());
  const press = async (x, y) => {
    const box = await page.locator("#map").boundingBox();
    await page.mouse.click(box.x + box.width * x, box.y + box.height * y);
  };
  const before = await mean();
  const box = await page.locator("#map").boundingBox();
  await page.mouse.move(box.x + box.width * 0.3, box.y + box.height * 0.4);
  await page.waitForTimeout(60);
  const hover = { source: await source(), changed: (await mean()) !== before, loupe: await page.isVisible("#loupe") };
  await page.mouse.move(box.x - 20, box.y + 20);
  await page.waitForTimeout(60);
  const left = { source: await source(), same: (await mean()) === before, loupe: await page.isVisible("#loupe") };
  await press(0.3, 0.4);
  const pressed = { source: await source(), fragment: await fragment(page) };

  await page.check("input[name=tool][value=path]");
  await drag(page, "#map", [
    [0.2, 0.7],
    [0.4, 0.3],
    [0.7, 0.6],
  ]);
  const path = { npy: await download(page, "#path-npy"), fragment: await fragment(page) };
  await page.click("#play");
  await page.waitForTimeout(500);
  const playing = await source();
  await page.click("#play");

  // three points by keys, whose codes are known
  await page.focus("#map");
  await page.keyboard.press("Escape");
  const corner = { codes: [] };
  for (const keys of [["ArrowRight"], Array(4).fill("Shift+ArrowRight"), Array(3).fill("Shift+ArrowUp")]) {
    for (const key of keys) await page.keyboard.press(key);
    await page.keyboard.press("Enter");
    corner.codes.push(await fragment(page));
  }
  corner.npy = await download(page, "#path-npy");

  await page.check("input[name=tool][value=line]");
  await press(0.25, 0.5);
  const first = await fragment(page);
  await press(0.75, 0.5);
  const second = await fragment(page);
  const line = { npy: await download(page, "#path-npy"), first, second };
  const grounds = {};
  for (const ground of ["dots", "slice"]) {
    await page.check(`input[name=ground][value=${ground}]`);
    await page.waitForSelector(`#map[data-ready=${ground}]`);
    grounds[ground] = await page.textContent("#map-text");
  }
  await page.selectOption("#plane", "active");
  await page.waitForTimeout(200);
  grounds.active = await page.textContent("#map-text");
  return { hover, left, pressed, path, playing, corner, line, grounds };
}
