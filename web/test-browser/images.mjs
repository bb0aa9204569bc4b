/** Types a seed and a start, chooses heads and a label, and saves the new images. */

export default async function images({ open, download, fragment }, { seed, start, label }) {
  const page = await open();
  await page.fill("#seed", seed);
  await page.fill("#start", start);
  if (label !== undefined) await page.check(`input[name=label][value="${label}"]`);
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
  await page.fill("#seed", "18446744073709551616");
  return { saved, png, command, heads, refusal: await page.textContent("#seed-error"), fragment: await fragment(page) };
}
