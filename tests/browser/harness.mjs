// What the browser tests stand on: a server of their own on a free port with a temporary data directory, and a Chromium with a new
// profile that notes everything that goes wrong in the page. Both end, and their folders go, whatever happens.

import { spawn } from "node:child_process";
import { accessSync, constants, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { chromium } from "playwright-core";

const startMs = 30000;
const stopMs = 15000;

function findChromium() {
  const names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
  const paths = [process.env.CHROMIUM, ...(process.env.PATH ?? "").split(delimiter).flatMap((folder) => names.map((name) => join(folder, name)))];
  for (const path of paths.filter(Boolean)) {
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch { /* the next one */ }
  }
  throw new Error("no Chromium on PATH; install one or set CHROMIUM");
}

export async function startServer(...options) {
  const folder = mkdtempSync(join(tmpdir(), "backpropd-browser-"));
  return runServer(folder, "127.0.0.1:0", options);
}

async function runServer(folder, listen, options) {
  const child = spawn(process.env.BACKPROPD, ["--listen", listen, "--data-dir", join(folder, "data"), ...options], { stdio: ["ignore", "pipe", "pipe"] });
  let log = "";
  child.stderr.on("data", (chunk) => { log += chunk; });
  const ended = new Promise((resolve) => { child.on("exit", resolve); });
  const url = await new Promise((resolve, reject) => {
    let out = "";
    const timer = setTimeout(() => reject(new Error(`the server was not ready in time\n${log}`)), startMs);
    child.on("error", reject);
    child.on("exit", (code) => reject(new Error(`the server ended with ${code}\n${log}`)));
    child.stdout.on("data", (chunk) => {
      out += chunk;
      const match = /listening on (http:\S+)/.exec(out);
      if (match) {
        clearTimeout(timer);
        resolve(match[1]);
      }
    });
  }).catch((error) => {
    child.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  return {
    url,
    // As after a power cut: ended by SIGKILL, started again at the same address with the same data.
    async restart() {
      child.kill("SIGKILL");
      await ended;
      return runServer(folder, new URL(url).host, options);
    },
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopMs);
      const code = await ended;
      clearTimeout(timer);
      rmSync(folder, { recursive: true, force: true });
      return code;
    },
  };
}

// An error answer that a test provokes is logged by Chromium itself as a failed resource; those statuses are expected.
// While a test keeps the server away (browser.isServerAway), so are broken connections.
const expectedFailure = /^Failed to load resource: the server responded with a status of (400|401|404|409|422) /;
const expectedWhileAway = /^Failed to load resource: net::ERR_/;

export async function startBrowser() {
  const profile = mkdtempSync(join(tmpdir(), "backpropd-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: findChromium(), headless: true, viewport: { width: 1280, height: 900 },
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
  });
  const browser = { context, complaints: [], foreignRequests: [], isServerAway: false };
  const { complaints, foreignRequests } = browser;
  const isExpected = (text) => expectedFailure.test(text) || (browser.isServerAway && expectedWhileAway.test(text));
  context.on("page", (page) => {
    page.on("console", (message) => {
      if (["error", "warning"].includes(message.type()) && !isExpected(message.text())) complaints.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => complaints.push(`uncaught: ${error.stack ?? error.message}`));
    page.on("request", (request) => {
      if (!/^(http:\/\/127\.0\.0\.1:|blob:|data:)/.test(request.url())) foreignRequests.push(request.url());
    });
  });
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
  });
  browser.stop = async () => {
    await context.close();
    rmSync(profile, { recursive: true, force: true });
  };
  return browser;
}
