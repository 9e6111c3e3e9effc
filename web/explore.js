// A look at a dataset before training: what its report warns of, how the target's classes are shared out, what goes with the target, and
// how the values of one column are spread.

import { get } from "./api.js";
import { append, h, replace, scrollRegion } from "./dom.js";
import { formatInteger, formatNumber, formatPercent, plural } from "./format.js";
import { attempt } from "./parts.js";
import { guessTarget } from "./rows.js";

const barsShown = 30;
const measureNames = { pearson: "r", correlation_ratio: "η", cramers_v: "V" };

export function exploreSection(dataset, path, signal) {
  const slot = h("div", { class: "block" });
  const errorSlot = h("div");
  const targets = dataset.columns.filter(({ kind, categories }) => kind === "numeric" || (kind === "categorical" && categories));
  const target = h("select", { id: "explore-target", class: "small", onchange: () => look() }, targets.map(({ name }) => h("option", { value: name }, name)));
  const look = () => attempt(errorSlot, async () => {
    replace(slot, h("p", { class: "quiet" }, "Reading …"));
    try {
      const report = await get(`${path}/report?${new URLSearchParams({ target: target.value })}`, signal);
      replace(slot, warningList(report), h("div", { class: "two-columns" }, correlationTable(report), balance(report)));
    } catch (error) {
      replace(slot);
      throw error;
    }
  });
  if (targets.length === 0) return null;
  const likely = guessTarget(dataset);
  target.value = targets.some(({ name }) => name === likely) ? likely : targets[0].name;
  return h("section", { class: "block", id: "explore" },
    h("div", { class: "block-head" }, h("h2", null, "Before you train"),
      h("div", { class: "actions" }, h("label", { for: "explore-target" }, "to predict"), target, h("button", { class: "button small", type: "button", onclick: look }, "Look"))),
    h("p", { class: "quiet" }, "What goes with the column that you want to predict, and what would make a model look better than it is."), errorSlot, slot);
}

function warningList({ warnings, rows }) {
  if (warnings.length === 0) return h("p", null, `Nothing to warn of in ${plural(rows, "row")}.`);
  return h("div", { class: "note", id: "warnings" }, h("ul", null, warnings.map(({ detail }) => h("li", null, detail))));
}

// A row of a table of bars; `share` is that of the bar's full length.
function barRow(name, share, text, isStrong) {
  const bar = h("span", { class: isStrong ? "bar is-winner" : "bar" });
  bar.style.width = `${100 * Math.max(0, Math.min(1, share))}%`;
  return h("tr", null, h("th", { scope: "row", title: name }, name), h("td", { class: "bar-cell" }, bar), h("td", { class: "number" }, text));
}

function barTable(caption, rows, more) {
  return h("div", { class: "block" }, h("h3", null, caption), scrollRegion(caption, "is-tall bars-place", h("table", { class: "bars" }, h("tbody", null, rows))),
    more > 0 ? h("p", { class: "quiet" }, `and ${formatInteger(more)} more`) : null);
}

function correlationTable({ correlations, correlation_rows: rowsRead, rows, warnings }) {
  const leaks = new Set(warnings.filter(({ code }) => code === "leakage" || code === "row_number").map(({ column }) => column));
  const table = barTable("What goes with it", correlations.slice(0, barsShown).map(({ column, measure, correlation }) =>
    barRow(column, Math.abs(correlation), `${measureNames[measure]} ${correlation.toFixed(2)}`, leaks.has(column))), correlations.length - barsShown);
  append(table, h("p", { class: "quiet" }, "r: correlation; η: correlation ratio; V: Cramér's V.", rowsRead < rows ? ` Of ${plural(rowsRead, "row")}.` : ""));
  return table;
}

function balance({ target }) {
  if (!target.classes) return h("div", null, h("h3", null, "Its numbers"), h("p", null, `${formatNumber(target.mean)} on average, ± ${formatNumber(target.std)}`));
  const sorted = target.classes.toSorted((a, b) => b.count - a.count);
  return barTable("Its classes", sorted.slice(0, barsShown).map((item) => barRow(item.class, item.count / sorted[0].count,
    `${formatInteger(item.count)} (${formatPercent(item.share)})`)), sorted.length - barsShown);
}

// A column in a path: by its name, as a position may be another column's name; but browsers take dots for steps up.
function locate(columns, position) {
  const { name } = columns[position];
  return name === "." || name === ".." ? position : encodeURIComponent(name);
}

// How the values of a column are spread: chosen from a list, drawn as bars.
export function spreadSection(dataset, path, signal) {
  const columns = dataset.columns.map((column, position) => ({ ...column, position })).filter(({ kind }) => kind !== "image" && kind !== "sequence");
  const slot = h("div");
  const errorSlot = h("div");
  if (columns.length === 0) return null;
  const chooser = h("select", { id: "spread-column", class: "small", onchange: () => draw() }, columns.map(({ name, position }) => h("option", { value: String(position) }, name)));
  const draw = () => attempt(errorSlot, async () => {
    const histogram = await get(`${path}/columns/${locate(dataset.columns, Number(chooser.value))}/histogram`, signal);
    replace(slot, histogram.categories ? categoryBars(histogram) : binBars(histogram));
  });
  draw();
  return h("section", { class: "block", id: "spread" },
    h("div", { class: "block-head" }, h("h2", null, "Spread"), h("div", { class: "actions" }, h("label", { for: "spread-column" }, "of"), chooser)), errorSlot, slot);
}

function missingNote({ missing }) {
  return missing > 0 ? h("p", { class: "quiet" }, `missing in ${plural(missing, "row")}`) : null;
}

function categoryBars(histogram) {
  const { categories, counts } = histogram;
  return [barTable(`By value of ${histogram.column}`, categories.slice(0, barsShown).map((category, index) => barRow(category, counts[index] / counts[0], formatInteger(counts[index]))),
    categories.length - barsShown), missingNote(histogram)];
}

function formatEdge(edge) {
  return typeof edge === "string" ? edge.replace("T00:00:00Z", "").replace("T", " ") : formatNumber(edge);
}

function binBars(histogram) {
  const { edges, counts, of } = histogram;
  const highest = Math.max(...counts, 1);
  const bars = counts.map((count, index) => {
    const bar = h("span", { title: `${formatEdge(edges[index])} to ${formatEdge(edges[index + 1])}: ${formatInteger(count)}` });
    bar.style.height = `${Math.max(count > 0 ? 2 : 0, 100 * count / highest)}%`;
    return bar;
  });
  const label = `${plural(counts.length, "bin")} from ${formatEdge(edges[0])} to ${formatEdge(edges.at(-1))}, the fullest with ${formatInteger(highest)}`;
  return [h("div", { class: "spread", role: "img", "aria-label": label }, bars),
    h("div", { class: "spread-ends" }, h("span", { class: "number" }, formatEdge(edges[0])), h("span", { class: "quiet" }, of === "characters" ? "characters" : histogram.column),
      h("span", { class: "number" }, formatEdge(edges.at(-1)))), missingNote(histogram)];
}
