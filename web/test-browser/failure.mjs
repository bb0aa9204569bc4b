/** Opens a page whose bundle is damaged, and gives what it says. */

import { pathToFileURL } from "node:url";

export default async function failure({ fresh }, { page: path }) {
  const page = await fresh();
  await page.goto(pathToFileURL(path).href);
  await page.waitForSelector("#failure:not([hidden])");
  return { text: await page.textContent("#failure"), hidden: await page.isHidden("#explorer") };
}
