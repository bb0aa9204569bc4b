/** The address: it follows the state, and the state follows an address that somebody pastes. */

import { announce, byId } from "./dom.js";
import type { Engine } from "./engine.js";
import { fromFragment, toFragment, type State } from "./state.js";
import type { Store } from "./store.js";

/** Keeps both in step, and binds the button that copies the link. An address without a fragment says `initial`. */
export function keepAddress(engine: Engine, store: Store, initial: State): void {
  let timer = 0;
  const write = (): void => {
    const fragment = toFragment(store.state, initial, engine);
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
  };
  store.listen(() => {
    window.clearTimeout(timer);
    timer = window.setTimeout(write, 200);
  });
  window.addEventListener("hashchange", () => store.set(fromFragment(location.hash, initial, engine)));
  byId("share").addEventListener("click", async () => {
    write();
    try {
      await navigator.clipboard.writeText(location.href);
      byId("share").textContent = "Copied";
      setTimeout(() => (byId("share").textContent = "Copy link"), 1500);
      announce("the link is copied");
    } catch {
      announce("the browser does not let this page copy: the link is in the address bar");
    }
  });
}
