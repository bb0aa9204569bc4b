/** Types a seed and a start, chooses a label, a temperature and heads, and saves the new images. */

export default async function images({ open, download, fragment }, { seed, start, label, cooler = 0 }) {
  const page = await open();
  await page.fill("#seed", seed);
  await page.fill("#start", start);
  if (label !== undefined) await page.check(`input[name=label][value="${label}"]`);
  await page.focus("#temperature");
  for (let i = 0; i < cooler; i++) await page.keyboard.press("ArrowLeft"); // 0.05 a step
  const saved = {};
  for (const head of ["sample", "mean", "mode"]) {
    await page.check(`input[name=head][value=${head}]`);
    await page.waitForTimeout(100);
    saved[head] = await download(page, "#sheet-npy");
  }
  const png = await download(page, "#sheet-png");
  const command = await page.textContent("#command");
  await page.click("#images button:nth-child(3)");
  await page.waitForTimeout(100);
  const heads = await download(page, "#heads-npy");
  const source = await page.textContent("#source");
  const marked = page.locator("#images [aria-current=true]");
  const current = await marked.evaluateAll((buttons) => buttons.map((button) => button.ariaLabel));
  await page.fill("#seed", "18446744073709551616");
  const refusal = await page.textContent("#seed-error");
  return { saved, png, command, heads, source, current, refusal, fragment: await fragment(page) };
}
