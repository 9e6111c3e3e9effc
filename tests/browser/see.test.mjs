// "See it": a step of training looked at from within, by clicking. Every number on the page is the server's; stepping on is training.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { startBrowser, startServer } from "./harness.mjs";

let server;
let browser;
let page;

const send = (path, body, type = "application/json") => page.evaluate(async ([where, text, contentType]) => {
  const response = await fetch(where, { method: "POST", headers: { "Content-Type": contentType }, body: text });
  return response.json();
}, [path, typeof body === "string" ? body : JSON.stringify(body), type]);

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  page = await browser.context.newPage();
  page.setDefaultTimeout(30000);
  await page.goto(server.url);
  await send("/v1/networks", { name: "small", input: { shape: [2] }, layers: [
    { type: "dense", units: 4, activation: "sigmoid", name: "hidden" }, { type: "dense", units: 3, activation: "softmax", name: "out" }] });
  await send("/v1/networks", { name: "open", layers: [{ type: "dense", units: "auto", activation: "auto" }] });
  await send("/v1/datasets?name=digits", readFileSync(new URL("../../examples/data/digits.csv", import.meta.url), "utf8"), "text/csv");
  await send("/v1/jobs", { name: "reader", dataset: "digits", target: "digit", epochs: 5, network: { layers: [
    { type: "dense", units: 32, activation: "relu", name: "hidden" }, { type: "dense", units: "auto", activation: "auto", name: "out" }] } });
  await page.waitForFunction(async () => (await (await fetch("/v1/jobs/reader")).json()).state === "succeeded", null, { polling: 300 });
});

after(async () => {
  await browser?.stop();
  const code = await server?.stop();
  if (server) assert.equal(code, 0, "the server ends with 0");
});

const go = async (hash) => {
  await page.goto(`${server.url}/${hash}`);
  await page.locator(".see-layer").first().waitFor();
};
const button = (name) => page.getByRole("button", { name, exact: true });
const figure = (tensor) => page.locator(`[data-tensor="${tensor}"]`);
const now = () => page.locator(".see-now").innerText();
const waitForNow = (pattern) => page.waitForFunction((source) => new RegExp(source).test(document.querySelector(".see-now").textContent), pattern.source);
// The numbers of a small tensor as the page has them in full.
const numbers = (tensor) => figure(tensor).locator("td").evaluateAll((cells) => cells.map((cell) => Number(cell.title)));

test("a network's page leads to its steps; forward shows what each layer takes and gives, and nothing else", async () => {
  await page.goto(`${server.url}/#/networks/small`);
  await page.getByRole("link", { name: "See it learn" }).click();
  await page.getByRole("heading", { level: 1, name: "small, step by step" }).waitFor();
  await page.getByLabel("Input").fill("0.5, -1");
  await page.getByLabel("Input").press("Enter");
  await page.getByLabel("Target class").fill("2");
  await page.getByLabel("Target class").press("Enter");
  await page.waitForFunction(() => document.querySelector('[data-tensor="input"] td')?.title === "0.5");
  assert.equal(await page.locator(".see-layer").count(), 2);
  for (const tensor of ["hidden.z", "hidden.a", "out.a", "hidden.weight", "out.bias"]) assert.ok(await figure(tensor).isVisible(), tensor);
  for (const tensor of ["hidden.delta", "hidden.weight_gradient", "out.bias_step"]) assert.ok(!await figure(tensor).isVisible(), tensor);
  const a = await numbers("out.a");
  assert.ok(Math.abs(a.reduce((sum, value) => sum + value, 0) - 1) < 1e-6, "probabilities sum to 1");
  await waitForNow(/^Step 1 · Loss/);
  assert.ok(Math.abs(parseFloat((await now()).match(/Loss ([\d.]+)/)[1]) + Math.log(a[2])) < 1e-3, "the loss is −log of the right output");
});

test("backward shows δ, slopes, gradients and their norms; update what the optimizer adds", async () => {
  await button("Next: backward").click();
  await waitForNow(/Gradient’s norm/);
  const [a, delta] = [await numbers("out.a"), await numbers("out.delta")];
  delta.forEach((value, index) => assert.ok(Math.abs(value - (a[index] - (index === 2 ? 1 : 0))) < 1e-6, "δ = a − y"));
  const [hidden, slope] = [await numbers("hidden.a"), await numbers("hidden.activation_derivative")];
  slope.forEach((value, index) => assert.ok(Math.abs(value - hidden[index] * (1 - hidden[index])) < 1e-6, "σ′ = a (1 − a)"));
  assert.equal(await page.locator(".see-norms .bars").count(), 2);
  assert.equal(await page.locator(".see-norms .bars").first().locator("tbody tr").count(), 2);
  assert.ok(await figure("out.activation_jacobian").isVisible());
  assert.ok(!await figure("out.bias_step").isVisible());
  await button("Next: update").click();
  await waitForNow(/Loss [\d.]+ → [\d.]+/);
  const [gradient, step] = [await numbers("out.bias_gradient"), await numbers("out.bias_step")];
  step.forEach((value, index) => assert.ok(Math.abs(value + 0.5 * gradient[index]) < 1e-6, "Δb = −η ∂C/∂b"));
});

test("forward, backward, update, and again: each step begins where the one before it led", async () => {
  const promised = (await now()).match(/→ ([\d.]+)/)[1];
  await button("Next step: forward again").click();
  await waitForNow(/^Step 2 · Loss/);
  assert.ok((await now()).endsWith(`Loss ${promised}`), `${await now()}, promised ${promised}`);
  await button("10 steps").click();
  await waitForNow(/^Step 12 ·/);
  assert.equal(await page.locator(".loss-bars span").count(), 13);
  assert.ok(parseFloat((await now()).match(/Loss ([\d.]+)/)[1]) < parseFloat(promised), "the loss falls");
  await button("Start over").click();
  await waitForNow(/^Step 1 ·/);
  const before = await numbers("hidden.weight");
  await button("Other weights").click();
  await page.waitForFunction((first) => Number(document.querySelector('[data-tensor="hidden.weight"] td').title) !== first, before[0]);
});

test("the keyboard alone steps on", async () => {
  await button("Next: backward").focus();
  await page.keyboard.press("Enter");
  await waitForNow(/Gradient’s norm/);
  await page.keyboard.press("Enter");
  await waitForNow(/→/);
  await page.keyboard.press("Space");
  await waitForNow(/^Step 2 · Loss/);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.press("Enter");
  assert.equal(await button("3 Update").getAttribute("aria-pressed"), "true");
});

test("the gradient is checked, tensor by tensor", async () => {
  await button("Check the gradient").click();
  const table = page.getByRole("region", { name: "Gradient check by tensor" });
  await table.waitFor();
  assert.equal(await table.locator("tbody tr").count(), 4);
  assert.equal(await table.locator('.badge[data-state="succeeded"]').count(), 4);
  assert.match(await page.locator(".stack p").first().innerText(), /right[^]*one pass[^]*evaluations of the loss/);
});

test("what is wrong is said in the server's words", async () => {
  await page.getByLabel("Input").fill("1, 2, 3");
  await page.getByLabel("Input").press("Enter");
  await page.waitForFunction(() => /\/rows\/0: has 3 values, not 2/.test(document.querySelector(".problem")?.textContent ?? ""));
  await page.getByLabel("Input").fill("1, 2");
  await page.getByLabel("Input").press("Enter");
  await page.waitForFunction(() => !document.querySelector(".problem"));
  await page.getByLabel("Learning rate").fill("-1");
  await page.getByLabel("Learning rate").press("Enter");
  await page.waitForFunction(() => /learning_rate/.test(document.querySelector(".problem")?.textContent ?? ""));
});

test("a network that waits for a dataset says what to do", async () => {
  await page.goto(`${server.url}/#/networks/open/see`);
  await page.locator(".empty").waitFor();
  assert.match(await page.locator(".empty").innerText(), /waits for a dataset/);
});

test("a model is looked into on rows of its dataset; what is large is a histogram until it is asked for", async () => {
  await page.goto(`${server.url}/#/models/reader`);
  await page.getByRole("link", { name: "See it learn" }).click();
  await page.locator(".see-layer").first().waitFor();
  await waitForNow(/^Step 1 · Loss/);
  const first = await now();
  await page.getByLabel("Row of digits").fill("9");
  await page.getByLabel("Row of digits").press("Enter");
  await page.waitForFunction((text) => document.querySelector(".see-now").textContent !== text, first);
  assert.equal(await page.getByLabel("Optimizer").inputValue(), "adam");
  assert.equal(await figure("input").locator("td").count(), 64);
  const weight = figure("hidden.weight");
  assert.equal(await weight.locator(".histogram span").count(), 20);
  await weight.getByRole("button", { name: "Show all 2,048" }).click();
  await weight.locator("canvas").waitFor();
  assert.match(await weight.locator("canvas").getAttribute("aria-label"), /2,048 values from/);
});

test("the steps fit 360 pixels, in light and dark, and every control has a name", async () => {
  await page.setViewportSize({ width: 360, height: 780 });
  for (const hash of ["#/networks/small/see", "#/models/reader/see"]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.emulateMedia({ colorScheme });
      await go(hash);
      await button("3 Update").click();
      const { width, nameless } = await page.evaluate(() => ({
        width: document.documentElement.scrollWidth,
        nameless: [...document.querySelectorAll("input, select, textarea, button, a[href], canvas, [role=img], [role=region]")].filter((node) => {
          const text = node.getAttribute("aria-label") || node.textContent.trim() || [...node.labels ?? []].map((label) => label.textContent).join("");
          return node.tagName === "SELECT" ? !node.labels.length : !text;
        }).map((node) => node.outerHTML.slice(0, 120)),
      }));
      assert.ok(width <= 360, `${hash} is ${width} pixels wide`);
      assert.deepEqual(nameless, [], hash);
    }
  }
});

test("nothing went wrong in the page, and nothing was fetched from elsewhere", () => {
  assert.deepEqual(browser.complaints, []);
  assert.deepEqual(browser.foreignRequests, []);
});
