// A tensor of a trace as a small picture: few values as cells with their numbers, more as coloured pixels, and of those too many to be told
// whole a histogram. Blue is above zero, orange below; the colour's strength is the share of the largest.

import { h, replace } from "./dom.js";
import { formatInteger, formatNumber, formatShape } from "./format.js";

const cellsMax = 64;       // with numbers in them
const cellColumnsMax = 8;
const widthMax = 320;      // pixels of a picture
const eachMax = 10000;     // values that can be asked for at once

function describe(tensor, symbol) {
  const flaw = tensor.non_finite > 0 ? `, ${formatInteger(tensor.non_finite)} not finite` : "";
  if (tensor.count === 1) return `${symbol}: ${formatNumber(tensor.values?.[0])}${flaw}`;
  return `${symbol}: ${formatInteger(tensor.count)} values from ${formatNumber(tensor.min)} to ${formatNumber(tensor.max)}, norm ${formatNumber(tensor.norm)}${flaw}`;
}

// The shape without the samples' axis, where there is one sample. A layer's own tensors have none.
function sampleShape(tensor, isOfSamples) {
  return isOfSamples && tensor.shape.length > 1 && tensor.shape[0] === 1 ? tensor.shape.slice(1) : tensor.shape;
}

// {blocks, rows, columns} of a row-major array. Vectors are wrapped, squares as squares.
function layOut(tensor, isOfSamples) {
  const shape = sampleShape(tensor, isOfSamples);
  if (shape.length >= 2) {
    const [rows, columns] = shape.slice(-2);
    return { blocks: tensor.count / (rows * columns), rows, columns };
  }
  const side = Math.sqrt(tensor.count);
  const columns = tensor.count >= 16 && Number.isInteger(side) ? side : tensor.count <= cellColumnsMax ? tensor.count : tensor.count <= cellsMax ? cellColumnsMax : 32;
  return { blocks: 1, rows: Math.ceil(tensor.count / columns), columns };
}

function largestOf(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value ?? 0)), 0) || 1;
}

function cells(values, columns, label) {
  const most = largestOf(values);
  const rows = Array.from({ length: Math.ceil(values.length / columns) }, (_, row) => values.slice(row * columns, (row + 1) * columns));
  return h("table", { class: "heat", "aria-label": label }, h("tbody", null, rows.map((row) => h("tr", null, row.map((value) => {
    const cell = h("td", { class: value === null ? "is-flaw" : value < 0 ? "is-below" : null, title: value === null ? "not finite" : String(value) }, formatShort(value));
    cell.style.setProperty("--share", String(Math.round((Math.abs(value ?? 0) / most) * 100)));
    return cell;
  })))));
}

// Three digits: enough to follow by eye, the title has them all.
function formatShort(value) {
  if (value === null) return "∅";
  const size = Math.abs(value);
  const text = size !== 0 && (size < 0.001 || size >= 10000) ? value.toExponential(0).replace("e+", "e") : String(Number(value.toPrecision(size < 1 ? 2 : 3)));
  return text.replace(/^-/, "−");
}

function parseColour(name) {
  const probe = h("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const channels = getComputedStyle(probe).color.match(/[\d.]+/g).slice(0, 3).map(Number);
  probe.remove();
  return channels;
}

function pixels(values, { blocks, rows, columns }, label) {
  const size = Math.max(1, Math.min(14, Math.floor(widthMax / columns)));
  const perLine = Math.max(1, Math.min(blocks, Math.floor(widthMax / (columns * size + 4))));
  const lines = Math.ceil(blocks / perLine);
  const canvas = h("canvas", { class: "heat-pixels", role: "img", "aria-label": label });
  canvas.width = perLine * (columns * size + 4) - 4;
  canvas.height = lines * (rows * size + 4) - 4;
  const context = canvas.getContext("2d");
  const [ground, above, below] = ["--sunken", "--chart-train", "--chart-validation"].map(parseColour);
  const most = largestOf(values);
  values.forEach((value, index) => {
    const block = Math.floor(index / (rows * columns));
    const inside = index % (rows * columns);
    const x = (block % perLine) * (columns * size + 4) + (inside % columns) * size;
    const y = Math.floor(block / perLine) * (rows * size + 4) + Math.floor(inside / columns) * size;
    const share = Math.abs(value ?? 0) / most;
    const tone = value < 0 ? below : above;
    context.fillStyle = `rgb(${ground.map((channel, i) => Math.round(channel + (tone[i] - channel) * share)).join(" ")})`;
    context.fillRect(x, y, size, size);
  });
  return canvas;
}

function histogram(tensor, label) {
  const { edges, counts } = tensor.histogram;
  const most = Math.max(...counts);
  return h("div", { class: "histogram", role: "img", "aria-label": `${label}; how they are spread` }, counts.map((count, index) => {
    const bar = h("span", { title: `${formatNumber(edges[index])} to ${formatNumber(edges[index + 1])}: ${formatInteger(count)}` });
    bar.style.height = `${Math.max(count > 0 ? 3 : 0, (count / most) * 100)}%`;
    return bar;
  }));
}

function picture(tensor, values, label, isOfSamples) {
  const layout = layOut(tensor, isOfSamples);
  const isSmall = values.length <= cellsMax && layout.columns <= cellColumnsMax && layout.blocks === 1;
  return isSmall ? cells(values, layout.columns, label) : pixels(values, layout, label);
}

/* A figure: symbol, words, picture, shape and range.
 *   isOfSamples   its first axis is that of the samples
 *   getWindow     (name, limit) → values of a tensor that is only summarized */
export function tensorFigure(tensor, { symbol, words, className, isOfSamples = false, getWindow }) {
  const label = describe(tensor, symbol);
  const place = h("div", { class: "heat-place" });
  const facts = tensor.count > 1 ? `${formatShape(sampleShape(tensor, isOfSamples))} · ${formatNumber(tensor.min)} to ${formatNumber(tensor.max)} · norm ${formatNumber(tensor.norm)}` : "";
  if (tensor.values) {
    replace(place, picture(tensor, tensor.values, label, isOfSamples));
  } else if (tensor.histogram) {
    replace(place, histogram(tensor, label), tensor.count <= eachMax ? h("button", {
      type: "button", class: "button small",
      onclick: async (event) => {
        event.target.disabled = true;
        const values = await getWindow(tensor.tensor, tensor.count);
        if (values) replace(place, picture(tensor, values, label, isOfSamples));
        else event.target.disabled = false;
      },
    }, `Show all ${formatInteger(tensor.count)}`) : null);
  } else {
    replace(place, h("p", { class: "quiet" }, "No value is finite."));
  }
  return h("figure", { class: `tensor ${className ?? ""}`, data: { tensor: tensor.tensor } },
    h("figcaption", null, h("span", { class: "symbol" }, symbol), " ", h("span", { class: "quiet" }, words)),
    place, facts ? h("p", { class: "tensor-facts" }, facts) : null,
    tensor.non_finite > 0 ? h("p", { class: "error" }, `${formatInteger(tensor.non_finite)} not finite`) : null);
}
