/** Opens the bundle that lies in the page. */

import { byId } from "./dom.js";
import { explore } from "./explorer.js";
import { openEngine } from "./open.js";

try {
  await explore(await openEngine());
} catch (error) {
  const failure = byId("failure");
  failure.hidden = false;
  failure.textContent = `This page cannot run its bundle. ${error instanceof Error ? error.message : String(error)}`;
  byId("facts").textContent = "";
  byId("explorer").hidden = true;
  throw error;
}
