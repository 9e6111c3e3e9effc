// A model of windows is tried with rows of its series, one behind the other: what comes behind the last of them.

import { get, getAll, post } from "./api.js";
import { h, replace } from "./dom.js";
import { showErrors } from "./form.js";
import { formatInteger, plural } from "./format.js";
import { copyBlock } from "./parts.js";
import { getRows } from "./rows.js";

const portion = 500; // rows of one request

// The last rows of the dataset that the model was trained on, if it is still there.
async function getLastRows(model, count, signal) {
  const name = model.job_spec?.dataset;
  const known = (await getAll("/v1/datasets", signal)).find((candidate) => candidate.id === name || candidate.name === name);
  if (!known) return [];
  const dataset = await get(`/v1/datasets/${encodeURIComponent(known.id)}`, signal);
  const names = new Set(model.inputs.map((input) => input.name));
  const rows = [];
  for (let first = Math.max(0, dataset.rows - count); first < dataset.rows; first += portion) {
    rows.push(...await getRows(dataset, first, Math.min(portion, dataset.rows - first), signal));
  }
  return rows.map((cells) => Object.fromEntries(dataset.columns.map((column, position) => [column.name, cells[position]]).filter(([column]) => names.has(column))));
}

function readRows(text) {
  return text.split("\n").map((line) => line.trim()).filter(Boolean).map((line, index) => {
    try {
      return JSON.parse(line);
    } catch {
      throw new SyntaxError(`Row ${index + 1} is no JSON: ${line.slice(0, 80)}`);
    }
  });
}

export async function forecaster({ model, path, signal, describe }) {
  const { length, horizon } = model.preprocessing.window;
  const summary = h("div", { class: "problem", hidden: true, tabindex: "-1" });
  const result = h("div", { class: "prediction", role: "status", "aria-live": "polite" });
  const rows = await getLastRows(model, length, signal);
  const text = h("textarea", { class: "json", id: "forecast-rows", spellcheck: "false", "aria-describedby": "forecast-help", value: rows.map((row) => JSON.stringify(row)).join("\n") });
  const predict = async () => {
    try {
      const { predictions } = await post(`${path}/predict`, { rows: readRows(text.value) }, { signal });
      showErrors(form, summary, null);
      replace(result, describe(predictions[0]));
    } catch (error) {
      if (signal.aborted) return;
      replace(result);
      showErrors(form, summary, error);
    }
  };
  const form = h("form", { novalidate: true, onsubmit: (event) => { event.preventDefault(); predict(); } },
    h("div", { class: "field", data: { pointer: "/rows" } },
      h("label", { for: "forecast-rows" }, "Rows, in order of time"), text,
      h("p", { class: "help", id: "forecast-help" }, `A JSON object a line, at least ${formatInteger(length)}. What comes in the ${plural(horizon, "row")} behind the last is forecast.`),
      h("p", { class: "error", hidden: true })),
    summary, h("div", { class: "actions" }, h("button", { class: "button primary", type: "submit" }, "Forecast")));
  const curl = h("div");
  if (rows.length >= length) await predict();
  return h("section", { class: "block predictor" }, h("h2", null, "Try a forecast"), h("div", { class: "two-columns" }, form, result),
    h("details", {
      class: "panel",
      ontoggle: () => replace(curl, copyBlock("The same from a terminal, the rows being lines of a CSV file",
        `curl ${location.origin}${path}/predict -H 'Content-Type: text/csv' --data-binary @rows.csv`)),
    }, h("summary", null, "With curl"), curl));
}
