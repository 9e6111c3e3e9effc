// Images on the page: those of a dataset's rows, shown as they are; one to try a model with, from a file, a drop or a drawing.

import { getBlob, postBlob } from "./api.js";
import { h, replace } from "./dom.js";
import { attempt } from "./parts.js";
import { searchRows } from "./rows.js";

const galleryImages = 24;
const drawingSide = 280;

export const isImage = ({ kind, shape }) => kind === "image" && Array.isArray(shape);

// A canvas that shows a PNG or JPEG once it is there: an <img> could not send a token.
function canvasOf(label, className) {
  const canvas = h("canvas", { class: className, width: "1", height: "1", role: "img", "aria-label": label });
  canvas.showImage = async (blob) => {
    const bitmap = await createImageBitmap(blob);
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
  };
  return canvas;
}

export function getRowImage(dataset, row, column, signal) {
  return getBlob(`/v1/datasets/${encodeURIComponent(dataset.id)}/rows/${row}/image?column=${encodeURIComponent(column)}`, signal);
}

// The image of one row, which comes by itself.
export function rowImage(dataset, row, column, signal) {
  const canvas = canvasOf(`${column} of row ${row + 1}`, "thumbnail");
  getRowImage(dataset, row, column, signal).then(canvas.showImage).catch(() => { canvas.classList.add("is-missing"); });
  return canvas;
}

// Some rows' images with their labels; others at a click.
export function gallery(dataset, signal) {
  const column = dataset.columns.find(isImage);
  if (!column) return null;
  const others = dataset.columns.filter(({ name, kind }) => kind === "categorical" || name === "label").slice(0, 2);
  const grid = h("div", { class: "gallery" });
  const errorSlot = h("div");
  const count = Math.min(galleryImages, dataset.rows);
  const fill = (choose) => attempt(errorSlot, async () => {
    const numbers = Array.from({ length: count }, (_, index) => choose(index));
    const found = await Promise.all(numbers.map((row) => searchRows(dataset, "", row, 1, signal)));
    replace(grid, numbers.map((row, index) => {
      const cells = found[index].rows[0];
      const words = others.map(({ name }) => cells[dataset.columns.findIndex((other) => other.name === name)] ?? "missing");
      return h("figure", { title: `row ${row + 1}` }, rowImage(dataset, row, column.name, signal), h("figcaption", null, words.join(" · ") || `row ${row + 1}`));
    }));
  });
  fill((index) => Math.floor((index * dataset.rows) / count));
  const [channels, height, width] = column.shape;
  return h("section", { class: "block" },
    h("div", { class: "block-head" }, h("h2", null, "Images"),
      h("div", { class: "actions" }, h("span", { class: "quiet" }, `${width} × ${height}, ${channels === 1 ? "grey" : channels === 3 ? "in colour" : "colour and opacity"}`),
        h("button", { class: "button small", type: "button", onclick: () => fill(() => Math.floor(Math.random() * dataset.rows)) }, "Others"))),
    errorSlot, grid);
}

// A canvas to draw on, ink on paper; onDrawn(blob) after each stroke.
function drawing(inkIsLight, onDrawn) {
  const canvas = h("canvas", { class: "drawing", width: String(drawingSide), height: String(drawingSide), "aria-label": "Draw here", role: "img" });
  const context = canvas.getContext("2d");
  const isLight = h("input", { type: "checkbox", id: "light-ink", checked: inkIsLight });
  const clear = () => {
    context.fillStyle = isLight.checked ? "black" : "white";
    context.fillRect(0, 0, drawingSide, drawingSide);
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * drawingSide, ((event.clientY - box.top) / box.height) * drawingSide];
  };
  const draw = (event) => {
    context.lineTo(...place(event));
    context.stroke();
  };
  canvas.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    canvas.setPointerCapture(event.pointerId);
    Object.assign(context, { strokeStyle: isLight.checked ? "white" : "black", lineWidth: drawingSide / 12, lineCap: "round", lineJoin: "round" });
    context.beginPath();
    context.moveTo(...place(event));
    draw(event);
  });
  canvas.addEventListener("pointermove", (event) => { if (canvas.hasPointerCapture(event.pointerId)) draw(event); });
  canvas.addEventListener("pointerup", () => canvas.toBlob(onDrawn, "image/png"));
  isLight.addEventListener("change", clear);
  clear();
  return h("div", { class: "draw" }, canvas,
    h("div", { class: "actions" }, h("button", { class: "button small", type: "button", onclick: clear }, "Clear"),
      h("label", { for: "light-ink" }, isLight, " light ink on dark paper")));
}

// Tries a model whose only input is an image. onPrediction(prediction, fromRow) gets what came back; fromRow tells whether
// the image is one of the dataset.
export function imagePredictor({ feature, path, signal, inkIsLight, onPrediction, onError }) {
  const [channels, height, width] = feature.shape;
  const preview = canvasOf("The image to predict", "image-preview");
  let sequence = 0;
  const predict = async (blob, fromRow) => {
    sequence += 1;
    const mine = sequence;
    try {
      const type = blob.type === "image/jpeg" ? "image/jpeg" : "image/png";
      const [answer] = await Promise.all([postBlob(`${path}/predict`, blob, type, signal), preview.showImage(blob).catch(() => {})]);
      if (mine === sequence) onPrediction(answer.predictions[0], fromRow);
    } catch (error) {
      if (!signal.aborted && mine === sequence) onError(error);
    }
  };
  const chooser = h("input", { type: "file", id: "image-file", class: "visually-hidden", accept: "image/png,image/jpeg", onchange: () => chooser.files[0] && predict(chooser.files[0], false) });
  const zone = h("div", { class: "image-drop" }, preview, h("p", null, "Drop a PNG or JPEG here, or ", chooser, h("label", { for: "image-file", class: "button small" }, "choose a file")),
    h("p", { class: "quiet" }, `It is brought to ${width} × ${height}, ${channels === 1 ? "grey" : "in colour"}.`));
  const over = (isOver) => (event) => {
    event.preventDefault();
    zone.classList.toggle("is-over", isOver);
  };
  zone.addEventListener("dragover", over(true));
  zone.addEventListener("dragleave", over(false));
  zone.addEventListener("drop", (event) => {
    over(false)(event);
    const file = event.dataTransfer?.files[0];
    if (file) predict(file, false);
  });
  const pad = channels === 1 ? h("details", { class: "more" }, h("summary", null, "Draw one"), drawing(inkIsLight, (blob) => predict(blob, false))) : null;
  return { element: h("div", { class: "image-predictor" }, zone, pad), predict };
}
