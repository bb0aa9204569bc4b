/** Starts Debian's Chromium for many scenarios, prints the address of its server, and ends it when stdin ends. */

import { chromium } from "playwright-core";

const server = await chromium.launchServer({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"], // root in a container has none
  host: "127.0.0.1",
});
console.log(server.wsEndpoint());
process.stdin.resume();
process.stdin.on("end", () => void server.close());
