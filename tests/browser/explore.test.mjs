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
