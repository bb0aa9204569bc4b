/** Serves a folder with a strict policy, opens its index.html, and gives what the canvas shows. */

import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";

const TYPES = { ".html": "text/html", ".js": "text/javascript", ".json": "application/json" };
const POLICY = "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; connect-src 'self'";

export default async function app({ fresh }, { folder }) {
  const server = createServer(async ({ url }, response) => {
    const data = await readFile(join(folder, url)).catch(() => null);
    response.writeHead(data === null ? 404 : 200, {
      "content-security-policy": POLICY,
      "content-type": TYPES[extname(url)] ?? "application/octet-stream",
    });
    response.end(data ?? "");
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const page = await fresh();
    await page.route("**/favicon.ico", (route) => route.fulfill({ status: 204 }));
    await page.goto(`http://127.0.0.1:${server.address().port}/index.html`);
    await page.waitForFunction(() => document.title === "drawn");
    return {
      pixels: await page.evaluate(() => {
        const { data } = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 28, 28);
        return Array.from({ length: 28 * 28 }, (_, i) => data[i * 4] / 255);
      }),
    };
  } finally {
    server.close();
  }
}
