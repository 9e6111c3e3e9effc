// A dataset's page before training: what the report warns of, how a column is spread, and rows by conditions.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser, startServer } from "./harness.mjs";

let server;
let browser;
let page;

// 60 rows: numbers of the rows without a name, a size, a column that gives the class away.
const table = ['"","size in cm",twin,kind'];
for (let i = 0; i < 60; i++) table.push(`${i + 1},${10 + (i * 7) % 20},${i % 3 ? "n" : "y"},${i % 3 ? "tit" : "owl"}`);

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  page = await browser.context.newPage();
  page.setDefaultTimeout(30000);
  await page.goto(server.url);
  await page.evaluate((body) => fetch("/v1/datasets?name=birds", { method: "POST", headers: { "Content-Type": "text/csv" }, body }), table.join("\n"));
  await page.goto(`${server.url}/#/datasets/birds`);
  await page.getByRole("heading", { level: 1, name: "birds" }).waitFor();
});

after(async () => {
  await browser?.stop();
  const code = await server?.stop();
  if (server) assert.equal(code, 0, "the server ends with 0");
});

test("a look before training warns of row numbers and leaks and shows the classes", async () => {
  await page.getByLabel("to predict").selectOption("kind");
  await page.getByRole("button", { name: "Look" }).click();
  const warnings = page.locator("#warnings");
  await warnings.waitFor();
  assert.match(await warnings.innerText(), /"column_1" counts the rows/);
  assert.match(await warnings.innerText(), /"twin" alone predicts the target: accuracy 1 /);
  assert.match(await page.locator("#explore").innerText(), /tit\s+40 \(66\.67\s%\)/);
});

test("a column's values are drawn", async () => {
  await page.getByLabel("of", { exact: true }).selectOption("size in cm");
  await page.getByRole("img", { name: /^20 bins from 9.5 to 29.5/ }).waitFor();
});

test("rows are found by conditions, and a mistake is told", async () => {
  const where = page.getByLabel("only");
  await where.fill('"size in cm" >= 20 and kind = owl');
  await where.press("Enter");
  await page.getByText("rows 1 to 10 of 10").waitFor();
  await where.fill("size = 3");
  await where.press("Enter");
  await page.getByText('has no column "size"').waitFor();
  await where.fill("");
  await where.press("Enter");
  await page.getByText("rows 1 to 20 of 60").waitFor();
  // The refused condition is the one complaint that the browser may have.
  assert.deepEqual(browser.complaints.filter((text) => !text.includes("422")), []);
});

test("of very many columns the first are shown, and all when asked", async () => {
  const names = Array.from({ length: 150 }, (_, index) => (index === 0 ? "a_name_that_is_too_long_for_a_small_screen" : `c${index}`));
  const wide = [names.join(","), ...Array.from({ length: 3 }, () => names.map((_, index) => index + 0.5).join(","))].join("\n");
  await page.evaluate((body) => fetch("/v1/datasets?name=wide", { method: "POST", headers: { "Content-Type": "text/csv" }, body }), wide);
  await page.goto(`${server.url}/#/datasets/wide`);
  await page.getByRole("heading", { level: 1, name: "wide" }).waitFor();
  const columns = page.getByRole("region", { name: "Columns" });
  const rows = page.getByRole("region", { name: "Rows" });
  assert.equal(await columns.getByRole("rowheader").count(), 100);
  assert.equal(await rows.getByRole("columnheader").count(), 100);
  await page.getByText("The first 100 of 150 columns.").first().waitFor();
  await page.getByRole("img", { name: /bins? from/ }).waitFor();
  await page.setViewportSize({ width: 360, height: 800 });
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
  await page.setViewportSize({ width: 1280, height: 800 });
  await page.getByRole("button", { name: "Show all" }).first().click();
  await columns.getByRole("rowheader", { name: "c149" }).waitFor();
  await page.getByRole("button", { name: "Show all" }).click();
  await rows.getByRole("columnheader", { name: "c149" }).waitFor();
  assert.equal(await rows.getByRole("row").nth(1).getByRole("cell").count(), 150);
});
