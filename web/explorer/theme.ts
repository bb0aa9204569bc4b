/** Dark and light: the system's choice, until the button says another. */

import { byId } from "./dom.js";
import { readInk } from "./pixels.js";

const KEY = "vae-edge-theme";

/** Sets the theme, and calls `changed` after each change of it. */
export function followTheme(changed: () => void): void {
  const button = byId("theme");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = (): void => {
    const isDark = remembered() === null ? dark.matches : remembered() === "dark";
    document.documentElement.dataset.theme = isDark ? "dark" : "light";
    button.textContent = isDark ? "Light" : "Dark";
    readInk();
    changed();
  };
  dark.addEventListener("change", apply);
  button.addEventListener("click", () => {
    remember(document.documentElement.dataset.theme === "dark" ? "light" : "dark");
    apply();
  });
  apply();
}

// A browser may refuse a file's page its storage; then the choice holds as long as the page.
let choice: string | null = null;

function remembered(): string | null {
  try {
    return choice ?? localStorage.getItem(KEY);
  } catch {
    return choice;
  }
}

function remember(theme: string): void {
  choice = theme;
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // kept in `choice` alone
  }
}
