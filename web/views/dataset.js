// One dataset: its columns with their kinds and statistics, the rows that could not be read, and a look at the rows.

import { get, patch, remove } from "../api.js";
import { announce, append, confirmDialog, definitionList, h, replace, scrollRegion, setText } from "../dom.js";
import { formatBytes, formatInteger, formatNumber, formatTime, plural } from "../format.js";
import { exploreSection, spreadSection } from "../explore.js";
import { gallery, isImage, rowImage } from "../image.js";
import { attempt } from "../parts.js";
import { drawPixels } from "../pixels.js";
import { searchRows } from "../rows.js";

const pageRows = 20;
const kinds = ["numeric", "categorical", "text"];
const columnsAtFirst = 100;

export async function datasetView({ root, id, signal, setTitle, navigate }) {
  const dataset = await get(`/v1/datasets/${encodeURIComponent(id)}`, signal);
  const path = `/v1/datasets/${encodeURIComponent(dataset.id)}`;
  setTitle(dataset.name);
  const errorSlot = h("div");
  const deleter = h("button", {
    class: "button danger", type: "button",
    onclick: async () => {
      if (!await confirmDialog(`Delete ${dataset.name}?`, `${plural(dataset.rows, "row")} go with it. Models trained on it stay.`, "Delete")) return;
      await attempt(errorSlot, async () => {
        await remove(path);
        announce(`${dataset.name} is deleted.`);
        navigate("#/datasets");
      });
    },
  }, "Delete");

  replace(root,
    h("p", { class: "crumbs" }, h("a", { href: "#/datasets" }, "Datasets")),
    h("div", { class: "page-head" }, h("div", null, h("h1", null, dataset.name),
      h("p", { class: "lead" }, `${plural(dataset.rows, "row")} × ${plural(dataset.columns.length, "column")}, ${formatBytes(dataset.bytes)}`)),
    h("div", { class: "actions" }, h("a", { class: "button primary", href: `#/jobs/new?dataset=${encodeURIComponent(dataset.name)}` }, "Start a job with it"), deleter)),
    errorSlot, badRows(dataset), gallery(dataset, signal), columnTable(dataset, path, errorSlot), exploreSection(dataset, path, signal), spreadSection(dataset, path, signal), await preview(dataset, path, errorSlot, signal),
    definitionList([["Id", h("code", null, dataset.id)], ["SHA-256", h("code", { class: "break" }, dataset.sha256)], ["Uploaded", formatTime(dataset.created_at)]]));
}

// Of a table with thousands of columns the first, and a button for the rest: showAll() is called once if it is pressed.
function onlyFirstColumns({ columns }, showAll) {
  if (columns.length <= columnsAtFirst) return null;
  const note = h("p", { class: "quiet" }, `The first ${formatInteger(columnsAtFirst)} of ${plural(columns.length, "column")}. `,
    h("button", { class: "button small", type: "button", onclick: () => { note.remove(); showAll(); } }, "Show all"));
  return note;
}

function columnTable(dataset, path, errorSlot) {
  const body = h("tbody", null, dataset.columns.slice(0, columnsAtFirst).map((column) => columnRow(column, path, errorSlot)));
  return h("section", { class: "block" }, h("h2", null, "Columns"),
    h("p", { class: "quiet" }, "Kinds were inferred from the values. Change one where it is wrong, a number that stands for a category, say."),
    scrollRegion("Columns", "is-tall", h("table", { class: "table" },
      h("thead", null, h("tr", null, ["Column", "Kind"].map((name) => h("th", { scope: "col" }, name)),
        ["Missing", "Min", "Max", "Mean", "Std"].map((name) => h("th", { scope: "col", class: "number" }, name)), h("th", { scope: "col" }, "Categories"))),
      body)),
    onlyFirstColumns(dataset, () => append(body, dataset.columns.slice(columnsAtFirst).map((column) => columnRow(column, path, errorSlot)))));
}

function columnRow(column, path, errorSlot) {
  const select = h("select", {
    class: "small", "aria-label": `Kind of ${column.name}`,
    onchange: () => attempt(errorSlot, async () => {
      const before = column.kind;
      try {
        const changed = await patch(path, { columns: [{ name: column.name, kind: select.value }] });
        Object.assign(column, changed?.columns?.find(({ name }) => name === column.name) ?? { kind: select.value });
        announce(`${column.name} is ${select.value} now.`);
      } catch (error) {
        select.value = before;
        throw error;
      }
    }),
  }, [...new Set(column.shape ? [column.kind] : [...kinds, ...(typeof column.min === "string" ? ["datetime"] : []), ...(column.max_length ? ["sequence"] : []), column.kind])].map((kind) => h("option", { value: kind }, kind)));
  select.value = column.kind;
  return h("tr", null, h("th", { scope: "row" }, column.name, firstWord(column)), h("td", null, column.shape ? column.kind : select),
    h("td", { class: "number" }, formatInteger(column.missing)),
    ["min", "max", "mean", "std"].map((name) => h("td", { class: "number" }, describeStatistic(column, name))), h("td", null, describeCategories(column)));
}

// Of a column of dates, times; the deviation comes in seconds.
function describeStatistic(column, name) {
  const value = column[name];
  if (typeof value === "string") return value.replace("T", " ").replace(/( 00:00:00)?(\.\d+)?Z$/, "");
  if (column.kind === "datetime" && typeof value === "number") return `${formatNumber(value / 86400)} days`;
  return formatNumber(value);
}

// Nearly all of the column is numbers: its first word is probably a slip of the pen.
function firstWord({ first_word: word }) {
  if (!word) return null;
  return h("p", { class: "quiet" }, `Numbers, but for line ${formatInteger(word.line)}: “${word.value}”. Mend the file if that is a slip.`);
}

function describeCategories({ categories, category_counts: counts, kind, max_length: steps, shape, element }) {
  if (shape) return `${shape.join(" × ")} of ${element}`;
  if (kind === "sequence") return `up to ${plural(steps, "step")}`;
  if (!categories) return "";
  const names = categories.map((category, index) => (counts ? `${category} (${formatInteger(counts[index])})` : category));
  const shown = names.slice(0, 6).join(", ");
  return names.length > 6 ? h("span", { title: names.slice(0, 100).join(", ") }, `${formatInteger(names.length)}: ${shown} …`) : shown;
}

function badRows({ bad_rows: { count, first } }) {
  if (count === 0) return null;
  return h("details", { class: "note", open: count <= 5 }, h("summary", null, `${plural(count, "row")} left out, because they could not be read`),
    h("ul", null, first.map(({ line, reason }) => h("li", null, h("span", { class: "number" }, `line ${formatInteger(line)}`), `: ${reason}`))),
    first.length < count ? h("p", { class: "quiet" }, `The first ${formatInteger(first.length)} are shown.`) : null);
}

// Images are drawn; other arrays, and those that are too large to be shown, are told by their shape.
function showCell(cell) {
  if (cell === null) return h("span", { class: "quiet" }, "missing");
  if (Array.isArray(cell)) return drawPixels(cell) ?? `${cell.length} × ${cell[0]?.length ?? 1} numbers`;
  return typeof cell === "object" ? cell.shape.join(" × ") : cell;
}

// Conditions that this dataset would take.
function whereExample({ columns }) {
  const quote = (text) => (/^[\w.-]+$/.test(text) ? text : `"${text.replaceAll('"', '""')}"`);
  const category = columns.find(({ kind, categories }) => kind === "categorical" && categories?.length);
  const number = columns.find(({ kind }) => kind === "numeric");
  return [category && `${quote(category.name)} = ${quote(category.categories[0])}`, number && `${quote(number.name)} > ${number.mean?.toPrecision(2) * 1}`].filter(Boolean).join(" and ");
}

// Pixels that come with the row are drawn; of larger images only the shape does.
function cellOf(dataset, row, column, cell, signal) {
  const isPicture = isImage(column) && !Array.isArray(cell);
  return h("td", { class: column.kind === "numeric" ? "number" : null }, isPicture ? rowImage(dataset, row, column.name, signal) : showCell(cell));
}

async function preview(dataset, path, errorSlot, signal) {
  const body = h("tbody");
  const status = h("span", { class: "number" });
  const head = h("tr");
  let columnCount = columnsAtFirst;
  let first = 0;
  let total = dataset.rows;
  const where = h("input", { type: "text", id: "where", class: "where", autocomplete: "off", placeholder: whereExample(dataset) });
  const search = h("form", { class: "actions", onsubmit: (event) => { event.preventDefault(); total = dataset.rows; attempt(errorSlot, () => turn(-first)); } },
    h("label", { for: "where" }, "only"), where, h("button", { class: "button small" }, "Filter"));
  const button = (label, by) => h("button", { class: "button small", type: "button", onclick: () => attempt(errorSlot, () => turn(by)) }, label);
  const back = button("Back", -pageRows);
  const forward = button("Forward", pageRows);
  const turn = async (by) => {
    const wanted = Math.max(0, Math.min(first + by, total - 1));
    const answer = await searchRows(dataset, where.value.trim(), wanted, pageRows, signal);
    const { rows, indices } = answer;
    first = wanted;
    total = answer.total;
    replace(body, rows.map((row, index) => h("tr", null, h("th", { scope: "row", class: "number quiet" }, formatInteger(indices[index] + 1)),
      row.slice(0, columnCount).map((cell, column) => cellOf(dataset, indices[index], dataset.columns[column], cell, signal)))));
    setText(status, total === 0 ? "no such row" : `rows ${formatInteger(first + 1)} to ${formatInteger(first + rows.length)} of ${formatInteger(total)}`);
    back.disabled = first === 0;
    forward.disabled = first + rows.length >= total;
  };
  const drawHead = () => replace(head, h("td"), dataset.columns.slice(0, columnCount)
    .map(({ name, kind }) => h("th", { scope: "col", class: kind === "numeric" ? "number" : null }, name)));
  drawHead();
  await turn(0);
  return h("section", { class: "block" },
    h("div", { class: "block-head" }, h("h2", null, "Rows"), search, h("div", { class: "actions" }, status, back, forward)),
    scrollRegion("Rows", "is-tall", h("table", { class: "table" },
      h("thead", null, head), body)),
    onlyFirstColumns(dataset, () => {
      columnCount = dataset.columns.length;
      drawHead();
      attempt(errorSlot, () => turn(0));
    }));
}
