/** Opens the page and says what is there. */

export default async function opens({ open }, { width = 1280, height = 860, colorScheme = "light" }) {
  const page = await open({ viewport: { width, height }, colorScheme });
  const cdp = await page.context().newCDPSession(page);
  const { nodes } = await cdp.send("Accessibility.getFullAXTree");
  const roles = ["button", "textbox", "slider", "radio", "combobox", "image", "application", "meter", "group"];
  const unnamed = nodes
    .filter(({ ignored, role, name }) => !ignored && roles.includes(role?.value) && !name?.value)
    .map(({ role, nodeId }) => `${role.value} ${nodeId}`);
  return page.evaluate(
    (unnamed) => ({
      unnamed,
      title: document.title,
      facts: document.querySelector("#facts").textContent,
      map: document.querySelector("#map-text").textContent,
      about: document.querySelector("#about").textContent,
      policy: document.querySelector("meta[http-equiv]").content,
      theme: document.documentElement.dataset.theme,
      overflow: document.documentElement.scrollWidth - window.innerWidth,
      sliders: document.querySelectorAll("#sliders input").length,
      hasSheet: !document.querySelector("#sheet").hidden,
      first: performance.getEntriesByName("vae-edge-first")[0].startTime,
      complete: performance.getEntriesByName("vae-edge-complete")[0].startTime,
    }),
    unnamed,
  );
}
