// Pieces that several views show alike.

import { download, hasToken } from "./api.js";
import { announce, h, scrollRegion, setText } from "./dom.js";
import { formatMetric, formatName, formatNumber, isShare } from "./format.js";

export function problemPanel(error, retry) {
  return h("div", { class: "problem", role: "alert" },
    h("p", { class: "problem-detail" }, error.message),
    error.errors?.length ? h("ul", null, error.errors.map(({ pointer, detail }) => h("li", null, pointer ? `${pointer}: ${detail}` : detail))) : null,
    error.requestId ? h("p", { class: "help" }, `Request ${error.requestId}`) : null,
    retry ? h("button", { class: "button", onclick: retry }, "Try again") : null);
}

// Runs what a button does; an error appears in `slot`, as the server words it.
export async function attempt(slot, action) {
  slot.replaceChildren();
  try {
    return await action();
  } catch (error) {
    if (error.name !== "AbortError") slot.append(problemPanel(error));
    return undefined;
  }
}

export function pageHead(title, lead, ...actions) {
  return h("div", { class: "page-head" },
    h("div", null, h("h1", null, title), lead ? h("p", { class: "lead" }, lead) : null),
    h("div", { class: "actions" }, actions));
}

export function emptyState(title, text, ...actions) {
  return h("div", { class: "empty" }, h("h2", null, title), h("p", null, text), h("div", { class: "actions" }, actions));
}

// A badge that shows a job's state; `set` changes it in place.
export function stateBadge() {
  const node = h("span", { class: "badge" });
  return {
    element: node,
    set(state) {
      node.dataset.state = state;
      setText(node, state);
    },
  };
}

// A progress bar; a share of null is "not known yet".
export function progressBar(label) {
  const node = h("progress", { max: "1", "aria-label": label });
  return {
    element: node,
    set(share, state) {
      node.dataset.state = state;
      if (share === null || share === undefined) node.removeAttribute("value");
      else node.value = share;
    },
  };
}

// A metrics object's numbers as tiles.
function metricTiles(metrics) {
  return h("ul", { class: "tiles is-compact" }, Object.entries(metrics)
    .filter(([name, value]) => name !== "epoch" && (typeof value === "number" || value === null))
    .map(([name, value]) => h("li", { class: "tile", data: { metric: name } },
      h("span", { class: "tile-name" }, formatName(name)), h("span", { class: "tile-value" }, formatMetric(name, value)))));
}

export function confusionMatrix(metrics) {
  const { confusion_matrix: rows, classes } = metrics;
  if (!Array.isArray(rows)) return null;
  const names = rows.map((row, index) => String(classes?.[index] ?? index));
  return h("section", { class: "block" },
    h("h3", null, "Confusion matrix"),
    scrollRegion("Confusion matrix", "is-tall matrix-scroll",
      h("table", { class: "matrix" },
        h("caption", null, "Rows: the true class. Columns: the class predicted."),
        h("thead", null, h("tr", null, h("td", null), names.map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", null, rows.map((row, index) => {
          const total = row.reduce((sum, count) => sum + count, 0) || 1;
          return h("tr", null, h("th", { scope: "row" }, names[index]), row.map((count, column) => {
            const cell = h("td", { class: count === 0 ? "is-zero" : column === index ? "is-right" : "is-wrong", title: `${names[index]} predicted as ${names[column]}: ${count}` }, count);
            cell.style.setProperty("--share", String(Math.round((count / total) * 100)));
            return cell;
          }));
        })))));
}

export function perClassTable(metrics) {
  const rows = Object.entries(metrics.per_class ?? {});
  if (rows.length === 0) return null;
  const columns = Object.keys(rows[0][1]);
  return h("section", { class: "block" }, h("h3", null, "Each class"),
    scrollRegion("Metrics per class", "is-tall", h("table", { class: "table" },
      h("thead", null, h("tr", null, h("th", { scope: "col" }, "Class"), columns.map((name) => h("th", { scope: "col", class: "number" }, formatName(name))))),
      h("tbody", null, rows.map(([name, values]) => h("tr", null, h("th", { scope: "row" }, name),
        columns.map((column) => h("td", { class: "number" }, isShare(column) ? formatMetric(column, values[column]) : formatNumber(values[column])))))))));
}

// The server answers {} where nothing was measured.
export function isMeasured(metrics) {
  return Boolean(metrics) && Object.keys(metrics).length > 0;
}

export function testResults(metrics) {
  return [metricTiles(metrics), baselineTable(metrics), h("div", { class: "side-by-side" }, confusionMatrix(metrics), perClassTable(metrics))];
}

// What a forecast must be better than.
const baselineWords = { naive: "all stays as in the last row", seasonal_naive: "the window comes again" };
function baselineTable({ mae, rmse, baselines }) {
  if (!baselines) return null;
  const row = (name, values) => h("tr", null, h("th", { scope: "row" }, name), h("td", { class: "number" }, formatNumber(values.mae)), h("td", { class: "number" }, formatNumber(values.rmse)));
  return h("table", { class: "table" }, h("caption", null, "Beside forecasts without learning"),
    h("thead", null, h("tr", null, h("td", null), ["MAE", "RMSE"].map((name) => h("th", { scope: "col", class: "number" }, name)))),
    h("tbody", null, row("This model", { mae, rmse }), Object.entries(baselines).map(([name, values]) => row(baselineWords[name] ?? name, values))));
}

export function downloadLink(path, fileName, label, errorSlot) {
  return h("a", {
    href: path, download: fileName, class: "button",
    onclick: (event) => {
      if (!hasToken()) return;
      event.preventDefault();
      attempt(errorSlot, () => download(path, fileName));
    },
  }, label);
}

export function copyBlock(label, text) {
  const button = h("button", {
    class: "button small", type: "button",
    onclick: async () => {
      await navigator.clipboard?.writeText(text);
      announce("Copied.");
    },
  }, "Copy");
  return h("div", { class: "copy-block" }, h("div", { class: "copy-head" }, h("span", { class: "quiet" }, label), button), h("pre", { tabindex: "0" }, text));
}
