// Images on the page: a dataset's, with their labels; and a model that is tried with a row's image, a file and a drawing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startBrowser, startServer } from "./harness.mjs";

const side = 12;
const rows = 80;
let server;
let browser;
let page;

// Bright above or below, by turns, as IDX files of images and labels in a form.
function makeForm() {
  const size = side * side;
  const images = new Uint8Array(16 + rows * size);
  const labels = new Uint8Array(8 + rows);
  images.set([0, 0, 8, 3, 0, 0, 0, rows, 0, 0, 0, side, 0, 0, 0, side]);
  labels.set([0, 0, 8, 1, 0, 0, 0, rows]);
  for (let row = 0; row < rows; row++) {
    labels[8 + row] = row % 2;
    for (let i = 0; i < size; i++) images[16 + row * size + i] = (i < size / 2) === (row % 2 === 0) ? 200 + (i * 7 + row) % 50 : (i + row * 3) % 30;
  }
  return { images: [...images], labels: [...labels] };
}

before(async () => {
  server = await startServer();
  browser = await startBrowser();
  page = await browser.context.newPage();
  page.setDefaultTimeout(30000);
  await page.goto(server.url);
  await page.evaluate(async ({ images, labels }) => {
    const form = new FormData();
    form.append("images", new Blob([new Uint8Array(images)]), "images");
    form.append("labels", new Blob([new Uint8Array(labels)]), "labels");
    await fetch("/v1/datasets?name=halves", { method: "POST", body: form });
    await fetch("/v1/jobs", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "eye", dataset: "halves", target: "label", epochs: 20, seed: 1,
        network: { layers: [{ type: "dense", units: 8, activation: "relu" }, { type: "dense", units: "auto", activation: "auto" }] } }),
    });
    for (;;) {
      const job = await (await fetch("/v1/jobs/eye")).json();
      if (job.state === "succeeded") return;
      if (job.state === "failed") throw new Error(job.error?.detail);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }, makeForm());
});

after(async () => {
  await browser?.stop();
  const code = await server?.stop();
  if (server) assert.equal(code, 0, "the server ends with 0");
});

test("a dataset shows its images with their labels", async () => {
  await page.goto(`${server.url}/#/datasets/halves`);
  await page.getByRole("heading", { level: 2, name: "Images" }).waitFor();
  await page.waitForFunction((size) => document.querySelectorAll(`.gallery canvas[width="${size}"]`).length === 24, side);
  const bright = await page.locator(".gallery figure").first().evaluate((figure) => {
    const { data, width } = figure.querySelector("canvas").getContext("2d").getImageData(0, 0, 12, 12);
    return [data[4 * (2 * width + 3)], data[4 * (9 * width + 3)]];
  });
  assert.equal(await page.locator(".gallery figcaption").first().innerText(), "0");
  assert.ok(bright[0] > 150 && bright[1] < 100, `row 1 is bright above: ${bright}`);
  await page.waitForFunction((size) => document.querySelectorAll(`tbody canvas[width="${size}"]`).length === 20, side);
});

test("what is likely to be predicted is the label", async () => {
  assert.equal(await page.getByLabel("to predict").inputValue(), "label");
});

test("a model is tried with an image of a row, of a file, and a drawn one", async () => {
  await page.goto(`${server.url}/#/models/eye`);
  const answer = page.locator(".prediction-head strong");
  const expectClass = (name) => page.waitForFunction((wanted) => document.querySelector(".prediction-head strong")?.textContent === wanted, name);
  await answer.waitFor();
  await expectClass("0");
  await page.getByLabel("Row of halves").fill("2");
  await page.getByLabel("Row of halves").press("Enter");
  await expectClass("1");
  assert.match(await page.locator(".prediction").innerText(), /In the dataset: label 1/);
  const png = await page.evaluate(async () => [...new Uint8Array(await (await fetch("/v1/datasets/halves/rows/4/image")).arrayBuffer())]);
  await page.locator("#image-file").setInputFiles({ name: "half.png", mimeType: "image/png", buffer: Buffer.from(png) });
  await expectClass("0");
  await page.locator("#image-file").setInputFiles({ name: "half.png", mimeType: "image/png", buffer: Buffer.from("no image") });
  await page.getByText("is no image").waitFor();
  await page.getByText("Draw one").click();
  const box = await page.locator(".drawing").boundingBox();
  await page.mouse.move(box.x + 10, box.y + box.height * 0.6);
  await page.mouse.down();
  for (let i = 0; i < 12; i++) await page.mouse.move(box.x + (i % 2 ? box.width - 10 : 10), box.y + box.height * (0.6 + i * 0.03));
  await page.mouse.up();
  await expectClass("1");
  assert.deepEqual(browser.complaints, []);
});

test("an autoencoder shows what it makes of an image", async () => {
  await page.evaluate(async () => {
    await fetch("/v1/jobs", {
      method: "POST", headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "copy", dataset: "halves", task: "reconstruction", epochs: 40, seed: 1,
        network: { layers: [{ type: "dense", units: 8, activation: "relu" }, { type: "dense", units: "auto", activation: "sigmoid" }] } }),
    });
    for (;;) {
      const job = await (await fetch("/v1/jobs/copy")).json();
      if (job.state === "succeeded") return;
      if (job.state === "failed") throw new Error(job.error?.detail);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  });
  await page.goto(`${server.url}/#/models/copy`);
  await page.getByText("Reconstruction error").waitFor();
  const canvas = page.locator(".prediction canvas");
  await canvas.waitFor();
  const [above, below] = await canvas.evaluate((node) => {
    const { data, width } = node.getContext("2d").getImageData(0, 0, node.width, node.height);
    return [data[4 * (2 * width + 3)], data[4 * (9 * width + 3)]];
  });
  assert.ok(above > 150 && below < 100, `what comes back is bright above: ${above}, ${below}`);
  assert.doesNotMatch(await page.locator(".prediction").innerText(), /In the dataset/);
  assert.deepEqual(browser.complaints, []);
});
