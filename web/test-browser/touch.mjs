/** Draws with a finger on a narrow screen, and scrolls beside the pad. */

export default async function touch({ open, fragment }) {
  const page = await open({ viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
  const cdp = await page.context().newCDPSession(page);
  const finger = async (selector, places) => {
    await page.locator(selector).scrollIntoViewIfNeeded();
    const box = await page.locator(selector).boundingBox();
    const points = ([x, y]) => [{ x: box.x + box.width * x, y: box.y + box.height * y }];
    await cdp.send("Input.dispatchTouchEvent", { type: "touchStart", touchPoints: points(places[0]) });
    for (const place of places.slice(1)) {
      await cdp.send("Input.dispatchTouchEvent", { type: "touchMove", touchPoints: points(place) });
    }
    await cdp.send("Input.dispatchTouchEvent", { type: "touchEnd", touchPoints: [] });
  };
  await finger("#pad", [
    [0.3, 0.3],
    [0.5, 0.25],
    [0.6, 0.5],
    [0.4, 0.75],
  ]);
  const drawn = await fragment(page);
  await finger("#map", [
    [0.4, 0.6],
    [0.5, 0.5],
    [0.6, 0.4],
  ]);
  const box = await page.locator(".heads").boundingBox();
  return {
    drawn,
    moved: await fragment(page),
    headsInView: box.y >= -1 && box.y < 740,
    loupe: await page.isVisible("#loupe"),
    overflow: await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth),
  };
}
