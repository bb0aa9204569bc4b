/**
 * The picture of the explorer in the README: a drawn three, its place on the map, and a path from A to B.
 *
 *     node test-browser/run.mjs ENDPOINT picture '{"page": "/path/to/explore.html", "out": "../docs/explorer.png"}'
 */

const THREE = [
  [0.36, 0.3],
  [0.5, 0.22],
  [0.63, 0.3],
  [0.59, 0.43],
  [0.47, 0.48],
  [0.61, 0.54],
  [0.66, 0.66],
  [0.5, 0.78],
  [0.35, 0.7],
];

export default async function picture({ open, drag }, { out, colorScheme = "light" }) {
  const page = await open({ viewport: { width: 1280, height: 900 }, colorScheme });
  await page.check("input[name=tool][value=line]");
  await drag(page, "#map", [
    [0.2, 0.72],
    [0.8, 0.28],
  ]);
  await drag(page, "#pad", THREE);
  await page.waitForTimeout(500);
  await page.screenshot({ path: out });
  return { out };
}
