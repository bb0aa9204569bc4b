/** Changes what can be changed, opens the address in a second window, and gives what both have. */

export default async function state({ open, download, fragment, drag }) {
  const saved = async (page) => ({
    fragment: await fragment(page),
    heads: await download(page, "#heads-npy"),
    images: await download(page, "#sheet-npy"),
    pad: await page.evaluate(() => document.querySelector("#pad").toDataURL()),
    temperature: [await page.inputValue("#temperature"), await page.textContent("#temperature-value")],
    head: await page.locator("input[name=head]:checked").inputValue(),
    strip: await page.isVisible("#strip"),
  });
  const page = await open();
  await page.fill("#seed", "12345678901234567890");
  await page.fill("#start", "7");
  await page.fill("#temperature", "0.85");
  await page.check("input[name=head][value=sample]");
  await drag(page, "#pad", [
    [0.3, 0.3],
    [0.7, 0.3],
    [0.4, 0.8],
  ]);
  await page.check("input[name=tool][value=path]");
  await drag(page, "#map", [
    [0.3, 0.5],
    [0.5, 0.3],
    [0.7, 0.5],
  ]);
  await page.click("#redraw");
  await page.click("#redraw");
  const first = await saved(page);
  const { hash } = new URL(page.url());
  const second = await saved(await open({}, hash));
  const third = await open();
  await third.evaluate((hash) => (location.hash = hash), hash);
  await third.waitForTimeout(300);
  const nonsense = await open({}, "#seed=-1&temperature=9&z=AAAA&label=99&path=1_x~2&head=median&x=!!!");
  return { first, second, third: await saved(third), nonsense: await download(nonsense, "#sheet-npy") };
}
