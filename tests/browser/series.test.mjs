// Dates, lists and series on the page: how a dataset shows them, a job with a window from the form, and a forecast.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser, startServer } from "./harness.mjs";

let server;
let browser;
let page;

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  page = await browser.context.newPage();
  page.setDefaultTimeout(30000);
  await page.goto(server.url);
  await page.evaluate(async () => {
    const days = Array.from({ length: 120 }, (_, day) => {
      const date = new Date(Date.UTC(2024, 0, 1 + day)).toISOString().slice(0, 10);
      return `${date},${(50 + 20 * Math.sin((2 * Math.PI * day) / 7)).toFixed(2)},"[${day % 5}, ${day % 3}]"`;
    });
    const upload = await fetch("/v1/datasets?name=days", { method: "POST", headers: { "Content-Type": "text/csv" }, body: ["day,visits,list", ...days].join("\n") });
    if (!upload.ok) throw new Error(await upload.text());
    await fetch("/v1/networks", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ name: "linear", layers: [{ type: "dense", units: "auto" }] }),
    });
    const job = await fetch("/v1/jobs", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "week", dataset: "days", target: "visits", features: ["visits"], epochs: 40, seed: 1, window: { length: 7, horizon: 3, time: "day" },
        optimizer: { type: "adam", learning_rate: 0.02 }, network: { layers: [{ type: "dense", units: "auto" }] } }),
    });
    if (!job.ok) throw new Error(await job.text());
    for (;;) {
      const { state, error } = await (await fetch("/v1/jobs/week")).json();
      if (state === "succeeded") return;
      if (state === "failed") throw new Error(error?.detail);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  });
});

after(async () => {
  await browser?.stop();
  const code = await server?.stop();
  if (server) assert.equal(code, 0, "the server ends with 0");
});

test("a dataset shows dates as dates and lists by their length", async () => {
  await page.goto(`${server.url}/#/datasets/days`);
  const row = (name) => page.getByRole("region", { name: "Columns" }).locator("tr", { has: page.getByRole("rowheader", { name, exact: true }) });
  await row("day").waitFor();
  assert.match(await row("day").innerText(), /2024-01-01[^0-9].*2024-04-29/s);
  assert.equal(await page.getByLabel("Kind of day").inputValue(), "datetime");
  assert.match(await row("list").innerText(), /up to 2 steps/);
});

test("the form of a job offers the columns to order a window by", async () => {
  await page.goto(`${server.url}/#/jobs/new?dataset=days`);
  await page.getByRole("heading", { level: 1, name: "New job" }).waitFor();
  const use = page.getByLabel("Use window");
  await use.waitFor({ state: "attached" });
  await page.evaluate(() => document.querySelectorAll("details").forEach((details) => { details.open = true; }));
  await use.check();
  await page.locator('[data-pointer="/window/length"] input').fill("7");
  await page.locator('[data-pointer="/window/time"] select').selectOption("day");
  assert.match(await page.locator("details", { hasText: "With curl" }).first().innerText(), /curl/i);
});

test("a model of windows forecasts what comes behind the dataset's last rows", async () => {
  await page.goto(`${server.url}/#/models/week`);
  await page.getByRole("heading", { level: 2, name: "Try a forecast" }).waitFor();
  assert.equal((await page.getByLabel("Rows, in order of time").inputValue()).split("\n").length, 7);
  await page.locator(".prediction").getByText("visits+3").waitFor();
  await page.getByText("Beside forecasts without learning").waitFor();
  await page.getByLabel("Rows, in order of time").fill('{"visits": 50}\n{"visits": 60}');
  await page.getByRole("button", { name: "Forecast", exact: true }).click();
  await page.getByText("has 2 rows; a forecast is made from the last 7", { exact: false }).first().waitFor();
});
