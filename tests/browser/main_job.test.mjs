// The main job by clicking: upload, create a network, train it, watch it, predict with it; and what goes wrong on the way, in the
// server's own words. Tests run in order, each goes on from where the one before it ended.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { startBrowser, startServer } from "./harness.mjs";

const digits = new URL("../../examples/data/digits.csv", import.meta.url).pathname;
const views = ["#/jobs", "#/jobs/new", "#/datasets", "#/networks", "#/networks/new", "#/models"];
const trainingMs = 120000;

let server;
let browser;
let page;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "backpropd-files-"));
  server = await startServer();
  browser = await startBrowser();
  page = await browser.context.newPage();
  page.setDefaultTimeout(30000);
  await page.goto(server.url);
});

after(async () => {
  await browser?.stop();
  const code = await server?.stop();
  rmSync(folder, { recursive: true, force: true });
  if (server) assert.equal(code, 0, "the server ends with 0");
});

const go = (hash) => page.goto(`${server.url}/${hash}`);
const fieldAt = (pointer) => page.locator(`[data-pointer="${pointer}"]`).last();
const errorAt = (pointer) => fieldAt(pointer).locator(".error:not([hidden])").first();
const heading = (text) => page.getByRole("heading", { level: 1, name: text, exact: true });
const button = (name) => page.getByRole("button", { name, exact: true });
const badge = (state) => page.locator(`.badge[data-state="${state}"]`);

async function expectText(locator, pattern) {
  await locator.waitFor();
  assert.match(await locator.innerText(), pattern);
}

// Waits until the text of an element matches.
async function waitForText(selector, pattern, timeout = 30000) {
  await page.waitForFunction(([where, source]) => new RegExp(source).test(document.querySelector(where)?.textContent ?? ""), [selector, pattern.source], { timeout });
}

// Drops a file on the page as a person does, with a DataTransfer that holds it.
async function drop(name, text) {
  const transfer = await page.evaluateHandle(([fileName, content]) => {
    const data = new DataTransfer();
    data.items.add(new File([content], fileName, { type: "text/csv" }));
    return data;
  }, [name, text]);
  for (const type of ["dragenter", "dragover", "drop"]) await page.dispatchEvent(".drop", type, { dataTransfer: transfer });
}

test("an empty server says what to do next", async () => {
  await heading("Jobs").waitFor();
  await expectText(page.locator(".empty"), /No jobs yet/);
  for (const [hash, text] of [["#/datasets", /No datasets yet/], ["#/networks", /No networks yet/], ["#/models", /No models yet/], ["#/jobs/new", /Upload a dataset/]]) {
    await go(hash);
    await expectText(page.locator(".empty"), text);
  }
});

test("a file that can't be read is refused in the server's words", async () => {
  const path = join(folder, "empty.csv");
  writeFileSync(path, "a,b\n");
  await go("#/datasets");
  await page.setInputFiles("#file", path);
  await expectText(page.locator(".problem"), /row/);
});

test("a dataset is uploaded by drag and drop, its columns are shown and a kind is corrected", async () => {
  await drop("digits.csv", readFileSync(digits, "utf8"));
  await heading("digits").waitFor();
  await expectText(page.locator(".lead"), /1,797 rows × 65 columns/);
  const kind = page.getByLabel("Kind of digit", { exact: true });
  await kind.selectOption("categorical");
  await waitForText("#announcer", /digit is categorical now/);
  await page.reload();
  await heading("digits").waitFor();
  assert.equal(await kind.inputValue(), "categorical");
  await waitForText("main", /rows 1 to 20 of 1,797/);
  await button("Forward").click();
  await waitForText("main", /rows 21 to 40 of 1,797/);
});

test("an upload shows its progress and can be cancelled; nothing of it stays", async () => {
  await go("#/datasets");
  const session = await browser.context.newCDPSession(page);
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: 20000 });
  await page.setInputFiles("#file", digits);
  await waitForText(".upload-status", /of 259 KiB/);
  await button("Cancel upload").click();
  await expectText(page.locator(".uploader .problem"), /cancelled/);
  await session.send("Network.emulateNetworkConditions", { offline: false, latency: 0, downloadThroughput: -1, uploadThroughput: -1 });
  await session.detach();
  await page.reload();
  await page.locator(".row-name").first().waitFor();
  assert.deepEqual(await page.locator(".row-name").allInnerTexts(), ["digits"]);
});

test("a dataset is uploaded by choosing a file, its bad rows are listed, and it is deleted", async () => {
  const path = join(folder, "flowers.csv");
  writeFileSync(path, "petal,kind\n1.5,small\n2,small,too many\n4.5,large\n5.5,large\n");
  await go("#/datasets");
  await page.setInputFiles("#file", path);
  await heading("flowers").waitFor();
  await expectText(page.locator(".note"), /1 row left out[^]*line 3/);
  await button("Delete").click();
  await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
  await heading("Datasets").waitFor();
  await page.locator(".row-name").first().waitFor();
  assert.deepEqual(await page.locator(".row-name").allInnerTexts(), ["digits"]);
});

test("files of images and labels are one dataset when they are chosen together, and their rows are drawn", async () => {
  const idx = (sizes, bytes) => Buffer.concat([Buffer.from([0, 0, 8, sizes.length]), ...sizes.map((size) => Buffer.from([0, 0, 0, size])), Buffer.from(bytes)]);
  const files = [["train-images-idx3-ubyte", idx([4, 3, 5], Array(60).fill(200))], ["train-labels-idx1-ubyte", idx([4], [0, 1, 0, 1])],
    ["t10k-images-idx3-ubyte", idx([2, 3, 5], Array(30).fill(9))], ["t10k-labels-idx1-ubyte", idx([2], [1, 0])]];
  await go("#/datasets");
  await page.setInputFiles("#file", files.map(([name, buffer]) => ({ name, mimeType: "application/octet-stream", buffer })));
  await waitForText(".lead", /6 rows × 3 columns/);
  await expectText(page.locator("main"), /1 × 3 × 5/);
  assert.equal(await page.locator("canvas.pixels").count(), 6);
  const pixel = await page.locator("canvas.pixels").first().evaluate((canvas) => [...canvas.getContext("2d").getImageData(0, 0, 1, 1).data]);
  assert.deepEqual(pixel, [200, 200, 200, 255]);
  await button("Delete").click();
  await page.locator("dialog").getByRole("button", { name: "Delete", exact: true }).click();
  await waitForText("#announcer", /is deleted/);
});

test("a network is created through the form; an error stands at its field as the server words it", async () => {
  await go("#/networks/new");
  await fieldAt("/name").getByRole("textbox").fill("digits-mlp");
  await fieldAt("/layers/0/units").getByRole("textbox").fill("lots");
  await expectText(errorAt("/layers/0/units"), /must be/);
  await fieldAt("/layers/0/units").getByRole("textbox").fill("64");
  await waitForText(".preview h2", /^Valid$/);
  await page.getByLabel("Type of the layer to add").selectOption("dropout");
  await button("Add layer").click();
  assert.equal(await page.locator(".card").count(), 3);
  await fieldAt("/layers/1/rate").getByRole("textbox").fill("0.2");
  await waitForText(".card-result", /\[64\] · 4,160 parameters/);
  await button("Move layer 2 up").click();
  assert.equal(await page.getByLabel("Type of layer 1", { exact: true }).inputValue(), "dropout");
  await button("Move layer 1 down").click();

  // The same spec as JSON, edited there, shows in the form.
  await page.getByText("Specification as JSON").click();
  const area = page.getByRole("textbox", { name: "Specification as JSON" });
  const spec = JSON.parse(await area.inputValue());
  assert.deepEqual(spec.layers.map(({ type }) => type), ["dense", "dropout", "dense"]);
  spec.layers[0].units = 96;
  await area.fill(JSON.stringify(spec));
  assert.equal(await fieldAt("/layers/0/units").getByRole("textbox").inputValue(), "96");

  await button("Create network").click();
  await heading("digits-mlp").waitFor();
  assert.equal(await page.locator("tbody tr").count(), 3);
});

test("a job is started through the form, errors at their fields", async () => {
  await page.getByRole("link", { name: "Train it" }).click();
  await heading("New job").waitFor();
  await fieldAt("/target").getByRole("combobox").selectOption("digit");
  await fieldAt("/optimizer/learning_rate").getByRole("textbox").fill("-1");
  await expectText(errorAt("/optimizer/learning_rate"), /./);
  await button("Start job").click();
  await expectText(errorAt("/optimizer/learning_rate"), /./);
  await fieldAt("/optimizer/learning_rate").getByRole("textbox").fill("0.002");
  await fieldAt("/epochs").getByRole("textbox").fill("40");
  await waitForText(".preview h2", /^Ready to start$/);
  await expectText(page.locator(".preview"), /Training rows\s+1,2\d\d/);
  await button("Start job").click();
  await page.locator(".title-line .badge").waitFor();
});

test("the job is watched until it is done: curves, metrics, confusion matrix", async () => {
  await page.locator("#chart-batch_loss canvas").waitFor();
  await badge("succeeded").waitFor({ timeout: trainingMs });
  await page.locator("#test-results").waitFor();
  await page.locator("#doctor").waitFor();
  await waitForText("#chart-accuracy .u-legend", /Validation:?\s*9\d\.\d\d/);
  assert.match(await page.locator("#chart-accuracy .plot").getAttribute("aria-label"), /Training \d+\.\d\d/);
  const accuracy = parseFloat(await page.locator('#test-results [data-metric="accuracy"] .tile-value').innerText());
  assert.ok(accuracy >= 93, `test accuracy ${accuracy} %`);
  assert.equal(await page.locator(".matrix tbody tr").count(), 10);
  assert.equal(await page.locator(".matrix tbody td").count(), 100);
  const counts = (await page.locator(".matrix tbody td").allInnerTexts()).map(Number);
  const total = counts.reduce((sum, count) => sum + count, 0);
  assert.ok(total >= 260 && total <= 280, `the matrix counts ${total} test rows`);

  await page.reload();
  await waitForText("#chart-accuracy .u-legend", /Validation:?\s*9\d\.\d\d/);
  await page.locator("#test-results").waitFor();
  await page.getByLabel("Logarithmic loss").check();
  await page.getByLabel("Along").selectOption("step");
  await waitForText("#chart-batch_loss .u-legend", /Step/);
  await page.getByText("Learning rate and gradient").click();
  await page.locator("#chart-learning_rate canvas").waitFor();
  await page.locator("summary", { hasText: "Log" }).click();
  assert.ok((await page.locator(".log").innerText()).length > 0);
  const csv = await page.evaluate(async () => (await fetch(document.querySelector('a[href*="format=csv"]').href)).text());
  assert.match(csv.split("\n")[0], /step/);
  assert.ok(csv.split("\n").length > 40);
});

test("the model predicts a row of the dataset, and says what is wrong with one", async () => {
  await page.getByRole("link", { name: "Open the model" }).click();
  await page.locator(".prediction-head strong").waitFor();
  assert.equal(await page.locator(".pixels input").count(), 64);
  let right = 0;
  for (const row of [1, 2, 3, 11, 1501]) {
    await page.getByLabel("Row of digits").fill(String(row));
    await page.getByLabel("Row of digits").press("Enter");
    const digit = readFileSync(digits, "utf8").split("\n")[row].trim().split(",").at(-1);
    await waitForText(".prediction", new RegExp(`digit ${digit}`));
    if (await page.locator(".prediction-head strong").innerText() === digit) right += 1;
  }
  assert.ok(right >= 4, `${right} of 5 rows predicted right`);
  assert.equal(await page.locator(".bars tbody tr").count(), 10);
  await page.getByLabel("pixel_0_0", { exact: true }).fill("black");
  await button("Predict").click();
  await expectText(page.locator(".predictor .problem"), /pixel_0_0/);
  await page.getByLabel("pixel_0_0", { exact: true }).fill("0");
  await button("Predict").click();
  await page.locator(".prediction-head strong").waitFor();
  for (const format of ["safetensors", "json"]) {
    const bytes = await page.evaluate(async (name) => (await (await fetch(document.querySelector(`a[href*="format=${name}"]`).href)).arrayBuffer()).byteLength, format);
    assert.ok(bytes > 1000, `${format} has ${bytes} bytes`);
  }
});

test("a longer job is paused, resumed and cancelled; the list follows it", async () => {
  await go("#/jobs/new?dataset=digits&network=digits-mlp&target=digit");
  await fieldAt("/epochs").getByRole("textbox").fill("100000");
  await page.locator("details.more > summary").filter({ hasText: "test dataset" }).click();
  await fieldAt("/name").getByRole("textbox").fill("long-one");
  await button("Start job").click();
  await heading("long-one").waitFor();
  await badge("running").waitFor();
  await waitForText(".progress-text", /samples\/s/);
  const curve = page.locator("#chart-batch_loss .plot");
  await curve.waitFor();
  const before = await curve.getAttribute("aria-label");
  await page.waitForFunction((label) => document.querySelector("#chart-batch_loss .plot").getAttribute("aria-label") !== label, before);
  assert.equal(await button("Resume").isDisabled(), true);
  assert.equal(await button("Delete").isDisabled(), true);

  await button("Pause").click();
  await badge("paused").waitFor();
  assert.equal(await button("Pause").isDisabled(), true);
  await page.waitForTimeout(1000);
  const pausedAt = await page.locator(".progress-text").innerText();
  await page.waitForTimeout(1500);
  assert.equal(await page.locator(".progress-text").innerText(), pausedAt);

  await go("#/jobs");
  await expectText(page.locator(".job-row", { hasText: "long-one" }), /paused/);
  await page.getByRole("link", { name: "long-one" }).click();
  await button("Resume").click();
  await badge("running").waitFor();
  await page.waitForFunction((text) => document.querySelector(".progress-text").innerText !== text, pausedAt);

  const second = await browser.context.newPage();
  await second.goto(`${server.url}/#/jobs`);
  const row = second.locator(".job-row", { hasText: "long-one" });
  await row.locator('.badge[data-state="running"]').waitFor();
  await button("Cancel").click();
  await badge("cancelled").waitFor();
  await row.locator('.badge[data-state="cancelled"]').waitFor();
  await second.close();
  await button("Delete").click();
  await page.locator("dialog").getByRole("button", { name: "Keep" }).click();
  await button("Delete").click();
  await page.locator("dialog").getByRole("button", { name: "Delete" }).click();
  await heading("Jobs").waitFor();
  await page.locator(".job-row").first().waitFor();
  assert.equal(await page.locator(".job-row", { hasText: "long-one" }).count(), 0);
});

test("a job that diverges says where", async () => {
  await go("#/jobs/new?dataset=digits&network=digits-mlp&target=digit");
  await page.getByText("Specification as JSON").click();
  const area = page.getByRole("textbox", { name: "Specification as JSON" });
  const spec = JSON.parse(await area.inputValue());
  await area.fill(JSON.stringify({ ...spec, name: "wild", optimizer: { type: "sgd", learning_rate: 1e30 } }));
  await waitForText(".preview h2", /^Ready to start$/);
  await button("Start job").click();
  await badge("failed").waitFor();
  await expectText(page.locator(".problem-detail").first(), /finite|diverged/);
});

test("every view fits 360 pixels, in light and dark, and every control has a name", async () => {
  const resources = {};
  for (const collection of ["jobs", "models", "datasets", "networks"]) {
    const { items } = await page.evaluate(async (name) => (await fetch(`/v1/${name}?limit=10`)).json(), collection);
    resources[collection] = `#/${collection}/${items.at(-1).id}`;
  }
  await page.setViewportSize({ width: 360, height: 780 });
  for (const hash of [...views, ...Object.values(resources)]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await go(hash);
      await page.locator("h1").first().waitFor();
      await page.waitForTimeout(300);
      const { width, nameless } = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth,
        nameless: [...document.querySelectorAll("input, select, textarea, button, a[href], progress, [role=region]")].filter((node) => {
          const text = node.getAttribute("aria-label") || node.textContent.trim() || [...node.labels ?? []].map((label) => label.textContent).join("");
          return node.tagName === "SELECT" ? !(node.getAttribute("aria-label") || node.labels.length) : !text;
        }).map((node) => node.outerHTML.slice(0, 120)),
      }));
      assert.ok(width <= 360, `${hash} is ${width} pixels wide`);
      assert.deepEqual(nameless, [], hash);
    }
  }
  await page.setViewportSize({ width: 1280, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
});

test("the page goes on with a job by itself after the server was killed and started again", async () => {
  await go("#/jobs/new?dataset=digits&network=digits-mlp&target=digit");
  await fieldAt("/epochs").getByRole("textbox").fill("100000");
  await button("Start job").click();
  await badge("running").waitFor();
  const curve = page.locator("#chart-batch_loss .plot");
  await curve.waitFor();
  browser.isServerAway = true;
  server = await server.restart();
  const last = await curve.getAttribute("aria-label");
  await page.waitForFunction((label) => document.querySelector("#chart-batch_loss .plot").getAttribute("aria-label") !== label, last);
  await badge("running").waitFor();
  browser.isServerAway = false;
  await page.waitForFunction(() => document.querySelectorAll(".problem").length === 0); // that the server was away may stand there a moment longer
  await button("Cancel").click();
  await badge("cancelled").waitFor();
});

test("what does not exist is said so", async () => {
  await go("#/jobs/nothing");
  await expectText(page.locator(".problem"), /nothing/);
});

test("a server with a token asks for it, once, and the event stream carries it", async () => {
  const token = "0123456789abcdef".repeat(4);
  const file = join(folder, "token");
  writeFileSync(file, `${token}\n`, { mode: 0o600 });
  const guarded = await startServer("--token-file", file);
  try {
    const tab = await browser.context.newPage();
    await tab.goto(guarded.url);
    await tab.locator("#token").fill("wrong");
    await tab.getByRole("button", { name: "Use this token" }).click();
    await tab.getByRole("heading", { name: "That token was not accepted" }).waitFor();
    await tab.locator("#token").fill(token);
    await tab.getByRole("button", { name: "Use this token" }).click();
    await tab.getByText("No jobs yet").waitFor();
    await tab.goto(`${guarded.url}/#/datasets`);
    await tab.setInputFiles("#file", digits);
    await tab.getByRole("heading", { name: "digits", exact: true }).waitFor();
    await tab.goto(`${guarded.url}/#/networks/new`);
    await tab.getByRole("button", { name: "Create network" }).click();
    await tab.getByRole("link", { name: "Train it" }).click();
    await tab.getByRole("button", { name: "Start job" }).click();
    await tab.locator('.badge[data-state="succeeded"]').waitFor({ timeout: trainingMs });
    await tab.locator("#chart-accuracy canvas").waitFor();
    const [file1] = await Promise.all([tab.waitForEvent("download"), tab.getByRole("link", { name: "Metrics as CSV" }).click()]);
    assert.match(file1.suggestedFilename(), /metrics\.csv$/);
    await tab.close();
  } finally {
    await guarded.stop();
  }
});

test("nothing was loaded from elsewhere, no error in the console, no breach of the content security policy", () => {
  assert.deepEqual(browser.foreignRequests, []);
  assert.deepEqual(browser.complaints, []);
});
