/** Uses the page without a pointer. */

export default async function keyboard({ open, fragment }) {
  const page = await open();
  const keys = async (...names) => {
    for (const name of names) await page.keyboard.press(name);
  };
  await page.focus("#pad");
  await keys("Space", "ArrowRight", "Space", "Shift+ArrowDown", "Shift+ArrowDown");
  const drawn = await fragment(page);
  await keys("Delete");
  const cleared = await fragment(page);
  await page.focus("#sliders input");
  const slider = await page.evaluate(() => document.activeElement.id);
  const before = await page.inputValue(`#${slider}`);
  await keys("ArrowRight", "ArrowRight");
  const moved = { slider, before, after: await page.inputValue(`#${slider}`), fragment: await fragment(page) };
  await page.focus("input[name=tool][value=move]");
  await keys("ArrowRight", "ArrowRight");
  const tool = await page.locator("input[name=tool]:checked").inputValue();
  await page.focus("#map");
  await keys("Enter", "Shift+ArrowRight", "Shift+ArrowRight", "ArrowUp", "Enter");
  const line = await fragment(page);
  await page.waitForTimeout(450);
  const told = await page.textContent("#live");
  await keys("Escape");
  const escaped = await fragment(page);
  await page.focus("body");
  const stops = [];
  await page.evaluate(() => document.activeElement.blur());
  for (let i = 0; i < 12; i++) {
    await page.keyboard.press("Tab");
    stops.push(await page.evaluate(() => document.activeElement.id || document.activeElement.className));
  }
  return { drawn, cleared, moved, tool, line, told, escaped, stops };
}
