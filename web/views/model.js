// One model: how good it is on the test part, a form to try a prediction, files to take away.

import { get, getAll, post, remove } from "../api.js";
import { announce, confirmDialog, definitionList, h, replace } from "../dom.js";
import { showErrors } from "../form.js";
import { formatInteger, formatNumber, formatPercent, formatTime } from "../format.js";
import { attempt, copyBlock, downloadLink, isMeasured, testResults } from "../parts.js";
import { layerTable } from "../layers.js";
import { forecaster } from "../forecast.js";
import { getRowImage, imagePredictor, isImage } from "../image.js";
import { drawPixels } from "../pixels.js";
import { getRows } from "../rows.js";

export async function modelView({ root, id, signal, setTitle, navigate }) {
  const model = await get(`/v1/models/${encodeURIComponent(id)}`, signal);
  const path = `/v1/models/${encodeURIComponent(model.id)}`;
  setTitle(model.name);
  const errorSlot = h("div");
  const deleter = h("button", {
    class: "button danger", type: "button",
    onclick: async () => {
      if (!await confirmDialog(`Delete ${model.name}?`, "Its weights go with it. The job that trained it stays.", "Delete")) return;
      await attempt(errorSlot, async () => {
        await remove(path);
        announce(`${model.name} is deleted.`);
        navigate("#/models");
      });
    },
  }, "Delete");
  const test = model.metrics?.test;
  const exports = [["safetensors", "safetensors"], ["json", "json"]];
  replace(root,
    h("p", { class: "crumbs" }, h("a", { href: "#/models" }, "Models")),
    h("div", { class: "page-head" }, h("h1", null, model.name), h("div", { class: "actions" },
      model.preprocessing?.window ? null : h("a", { class: "button", href: `#/models/${encodeURIComponent(model.id)}/see` }, "See it learn"),
      exports.map(([format, extension]) => downloadLink(`${path}/export?format=${format}`, `${model.name}.${extension}`, `Export ${format}`, errorSlot)), deleter)),
    errorSlot,
    await predictor(model, path, signal),
    isMeasured(test) ? h("section", { class: "block" }, h("h2", null, "On the test part"), h("p", { class: "quiet" }, "Rows that training never saw."), testResults(test)) : null,
    h("details", { class: "panel" }, h("summary", null, "Network"), layerTable({ spec: model.network })),
    definitionList([["Id", h("code", null, model.id)],
      ["Dataset", model.job_spec?.dataset], ["Task", model.task],
      ["Job", model.job ? h("a", { href: `#/jobs/${encodeURIComponent(model.job)}` }, model.job) : null],
      ["Parameters", formatInteger(model.parameters)],
      ["Weights SHA-256", h("code", { class: "break" }, model.weights_sha256)], ["Created", formatTime(model.created_at)]]));
}

// A model of images is tried with an image: a row's, a file, a drawing.
async function pictured(model, path, signal) {
  const [feature] = model.inputs;
  const isGivenBack = Boolean(model.preprocessing?.reconstruction);
  const summary = h("div", { class: "problem", hidden: true, tabindex: "-1" });
  const result = h("div", { class: "prediction", role: "status", "aria-live": "polite" });
  const form = h("div");
  let truth = null;
  const mean = model.preprocessing?.features?.[0]?.image?.centers?.[0];
  const { element, predict } = imagePredictor({
    feature, path, signal, inkIsLight: !(mean > 127),
    onPrediction: (prediction, fromRow) => {
      showErrors(form, summary, null);
      replace(result, describePrediction(prediction, fromRow ? truth : null));
    },
    onError: (error) => {
      replace(result);
      showErrors(form, summary, error);
    },
  });
  const chooser = await rowChooser(model, signal, async (row, targets, dataset, index) => {
    truth = targets;
    await predict(await getRowImage(dataset, index, feature.name, signal), true);
  });
  replace(form, chooser, element, summary);
  return h("section", { class: "block predictor" }, h("h2", null, "Try a prediction"), h("div", { class: "two-columns" }, form, result),
    h("details", { class: "panel" }, h("summary", null, "With curl"), copyBlock("The same from a terminal",
      `curl ${location.origin}${path}/predict -H 'Content-Type: image/png' --data-binary @image.png${isGivenBack ? " -H 'Accept: image/png' -o back.png" : ""}`)));
}

async function predictor(model, path, signal) {
  const features = model.inputs;
  if (features.length === 1 && isImage(features[0])) return pictured(model, path, signal);
  if (model.preprocessing?.window) return forecaster({ model, path, signal, describe: (prediction) => describePrediction(prediction, null) });
  const values = new Map();
  const columns = countImageColumns(features);
  const inputs = features.map((feature) => featureField(feature, values, columns > 0));
  const formNode = h("div", { class: columns > 0 ? "pixels" : features.length > 12 ? "feature-grid is-dense" : "feature-grid" }, inputs.map(({ element }) => element));
  if (columns > 0) formNode.style.setProperty("--columns", String(columns));
  const shade = () => { if (columns > 0) shadePixels(inputs); };
  const summary = h("div", { class: "problem", hidden: true, tabindex: "-1" });
  const result = h("div", { class: "prediction", role: "status", "aria-live": "polite" });
  const setRow = (row) => {
    inputs.forEach((input) => input.set(row[input.name] ?? null));
    shade();
  };
  const currentRow = () => Object.fromEntries(inputs.map(({ name }) => [name, values.get(name) ?? null]));
  let truth = null;
  let sequence = 0;

  const predict = async () => {
    sequence += 1;
    const mine = sequence;
    try {
      const { predictions } = await post(`${path}/predict`, { rows: [currentRow()] }, { signal });
      if (mine !== sequence) return;
      showErrors(formNode, summary, null);
      replace(result, describePrediction(predictions[0], truth));
    } catch (error) {
      if (signal.aborted || mine !== sequence) return;
      replace(result);
      showErrors(formNode, summary, error);
    }
  };
  const chooser = await rowChooser(model, signal, (row, targets) => {
    truth = targets;
    setRow(row);
    return predict();
  });
  formNode.addEventListener("input", () => {
    truth = null;
    shade();
  });
  const form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); predict(); } },
    chooser, formNode, summary, h("div", { class: "actions" }, h("button", { class: "button primary", type: "submit" }, "Predict")));
  const example = () => JSON.stringify({ rows: [currentRow()] }).replaceAll("'", "'\\''");
  const curl = h("div");
  return h("section", { class: "block predictor" }, h("h2", null, "Try a prediction"),
    h("div", { class: "two-columns" }, form, result),
    h("details", {
      class: "panel",
      ontoggle: () => replace(curl, copyBlock("The same from a terminal",
        `curl ${location.origin}${path}/predict -H 'Content-Type: application/json' \\\n  -d '${example()}'`)),
    }, h("summary", null, "With curl"), curl));
}

// Features called "pixel_0_0", "pixel_0_1" … that fill a rectangle are shown as one. Returns its columns, 0 if there is none.
function countImageColumns(features) {
  const places = features.map(({ name }) => /^(.*)_(\d+)_(\d+)$/.exec(name));
  if (features.length < 4 || places.some((place) => place === null || place[1] !== places[0][1])) return 0;
  const columns = new Set(places.map((place) => place[3])).size;
  const isRectangle = places.every((place, index) => place[2] - places[0][2] === Math.floor(index / columns) && place[3] - places[0][3] === index % columns);
  return isRectangle && columns <= 16 ? columns : 0;
}

function shadePixels(inputs) {
  const numbers = inputs.map(({ control }) => Number(control.value));
  const most = Math.max(...numbers.filter(Number.isFinite), 1e-9);
  inputs.forEach(({ control }, index) => control.style.setProperty("--share", String(Math.max(0, Math.round((numbers[index] / most) * 100)) || 0)));
}

const placeholders = { datetime: "2024-03-01T13:45:00Z", text: "free text", sequence: "0.1 0.2 0.3" };

function featureField(feature, values, isPixel) {
  const id = `feature-${feature.name}`;
  const isNumeric = feature.kind === "numeric";
  const control = feature.kind === "text"
    ? h("textarea", { id, rows: "3", placeholder: placeholders.text, "aria-describedby": `${id}-error` })
    : feature.kind !== "categorical"
    ? h("input", { type: "text", inputmode: isNumeric ? "decimal" : null, placeholder: placeholders[feature.kind] ?? null, autocomplete: "off", id, title: isPixel ? feature.name : null, "aria-describedby": isPixel ? null : `${id}-error` })
    : h("select", { id, "aria-describedby": `${id}-error` }, h("option", { value: "" }, "missing"),
      (feature.categories ?? []).map((category) => h("option", { value: category }, category)));
  control.addEventListener("input", () => {
    const text = control.value.trim();
    const number = Number(text);
    if (text === "") values.delete(feature.name);
    else values.set(feature.name, isNumeric && Number.isFinite(number) ? number : text);
  });
  return {
    name: feature.name,
    control,
    element: isPixel
      ? h("div", { class: "pixel" }, h("label", { for: id, class: "visually-hidden" }, feature.name), control)
      : h("div", { class: "field", data: { pointer: `/rows/0/${feature.name}` } },
        h("label", { for: id }, feature.name), control, h("p", { class: "error", id: `${id}-error`, hidden: true })),
    set(value) {
      if (value === null) values.delete(feature.name);
      else values.set(feature.name, isNumeric ? value : String(value));
      control.value = value === null ? "" : String(value);
    },
  };
}

// Rows of the dataset that the model was trained on (if it is still there) fill the form.
export async function rowChooser(model, signal, onRow) {
  const name = model.job_spec?.dataset;
  const datasets = await getAll("/v1/datasets", signal);
  const known = datasets.find((candidate) => candidate.id === name || candidate.name === name);
  if (!known) return null;
  const dataset = await get(`/v1/datasets/${encodeURIComponent(known.id)}`, signal);
  const targets = model.outputs.map((output) => output.name);
  const input = h("input", { type: "number", min: "1", max: String(dataset.rows), id: "row-number", value: "1", class: "small" });
  const errorSlot = h("div");
  const load = () => attempt(errorSlot, async () => {
    const index = Math.min(Math.max(1, Math.round(Number(input.value)) || 1), dataset.rows);
    input.value = String(index);
    const [cells] = await getRows(dataset, index - 1, 1, signal);
    const row = Object.fromEntries(dataset.columns.map((column, position) => [column.name, cells[position]]));
    await onRow(row, Object.fromEntries(targets.map((target) => [target, row[target]])), dataset, index - 1);
  });
  input.addEventListener("change", load);
  await load();
  return h("div", { class: "row-chooser" },
    h("label", { for: "row-number" }, `Row of ${dataset.name}`), input,
    h("button", {
      type: "button", class: "button small",
      onclick: () => {
        input.value = String(1 + Math.floor(Math.random() * dataset.rows));
        load();
      },
    }, "Any other row"), errorSlot);
}

function describePrediction(prediction, truth) {
  const known = Object.entries(truth ?? {}).filter(([, value]) => value !== undefined && value !== null && !Array.isArray(value));
  const truthNote = known.length ? h("p", { class: "quiet" }, `In the dataset: ${known.map(([name, value]) => `${name} ${value}`).join(", ")}`) : null;
  const head = (label, text) => h("p", { class: "prediction-head" }, h("span", { class: "quiet" }, label), h("strong", null, text));
  if (prediction.class !== undefined) {
    return [head("Predicted class", prediction.class ?? "none: the outputs are not finite"), truthNote,
      probabilityBars(prediction.probabilities, (name) => name === prediction.class)];
  }
  if (prediction.classes !== undefined) { // of each step of a sequence; null where it is padding
    const steps = Object.entries(prediction.classes).filter(([, name]) => name !== null);
    return [head("Predicted classes", steps.map(([, name]) => name).join(" ") || "none"), truthNote,
      definitionList(steps.map(([step, name]) => [step, `${name} (${formatNumber(prediction.probabilities[step][name])})`]))];
  }
  if (prediction.labels !== undefined) {
    const names = Object.keys(prediction.labels).filter((name) => prediction.labels[name]);
    return [head("Predicted labels", names.join(", ") || "none"), truthNote, probabilityBars(prediction.probabilities, (name) => prediction.labels[name])];
  }
  if (prediction.value !== undefined) return [head("Predicted value", formatNumber(prediction.value)), truthNote];
  if (prediction.reconstruction_error !== undefined) return [head("Reconstruction error", formatNumber(prediction.reconstruction_error)), truthNote, givenBack(prediction)];
  return [truthNote, definitionList(Object.entries(prediction.values).map(([name, value]) => [name, formatNumber(value)]))];
}

// What an autoencoder makes of its input: numbers, categories with their probabilities, an image.
function givenBack({ values, probabilities }) {
  return definitionList(Object.entries(values).map(([name, value]) => {
    if (Array.isArray(value)) return [name, drawPixels(Array.isArray(value[0][0]) ? value : [value])];
    const share = probabilities?.[name]?.[value];
    return [name, share === undefined ? formatNumber(value) : `${value} (${formatPercent(share)})`];
  }));
}

function probabilityBars(probabilities, isWinner) {
  return h("table", { class: "bars" }, h("caption", { class: "visually-hidden" }, "Probabilities"),
    h("tbody", null, Object.entries(probabilities).map(([name, share]) => {
      const bar = h("span", { class: isWinner(name) ? "bar is-winner" : "bar" });
      bar.style.width = `${Math.max(0.5, share * 100)}%`;
      return h("tr", null, h("th", { scope: "row", title: name }, name), h("td", { class: "bar-cell" }, bar), h("td", { class: "number" }, formatPercent(share)));
    })));
}
