// Starting a job: dataset, target and network first, then what is changed most, the rest folded away; and the same as JSON.

import { createKey, get, getAll, getSchema, post } from "../api.js";
import { definitionList, h, replace } from "../dom.js";
import { dryRun } from "../dry_run.js";
import { field, jsonEditor, parameterForm, showErrors } from "../form.js";
import { formatBytes, formatInteger, formatName, plural } from "../format.js";
import { layerStack } from "../layers.js";
import { copyBlock, emptyState, pageHead } from "../parts.js";
import { guessTarget } from "../rows.js";
import { submitForm } from "../submit_form.js";

const firstFields = ["dataset", "target", "network", "epochs", "batch_size", "loss", "optimizer"];

export async function newJobView({ root, query, signal, setTitle, navigate }) {
  setTitle("New job");
  const [schema, datasets, networks] = await Promise.all([getSchema(), getAll("/v1/datasets", signal), getAll("/v1/networks", signal)]);
  if (datasets.length === 0 || networks.length === 0) {
    replace(root, pageHead("New job"), emptyState("Something is missing", "A job trains a network on a dataset.",
      datasets.length === 0 ? h("a", { class: "button primary", href: "#/datasets" }, "Upload a dataset") : null,
      networks.length === 0 ? h("a", { class: "button primary", href: "#/networks/new" }, "Create a network") : null));
    return;
  }

  const pick = (items, wanted) => (items.find(({ id, name }) => id === wanted || name === wanted) ?? items[0]).name;
  let spec = { dataset: pick(datasets, query.get("dataset")), network: pick(networks, query.get("network")) };
  let columns = [];
  let key = createKey();
  const formNode = h("div");
  const summary = h("div", { class: "problem", hidden: true, tabindex: "-1" });
  const curl = h("div");

  const preview = h("aside", { class: "preview", "aria-label": "What the server makes of it", "aria-live": "polite" });
  const trial = dryRun({
    signal,
    attempt: () => post("/v1/jobs?dry_run=true", spec, { signal }),
    onResult(result) {
      showErrors(formNode, summary, null);
      replace(preview, describePlan(result));
    },
    onProblem(problem) {
      showErrors(formNode, summary, problem);
      replace(preview, h("h2", null, "Not valid yet"), h("p", { class: "quiet" }, "The fields say what is missing."));
    },
  });

  const changed = () => {
    key = createKey();
    json.refresh();
    trial.schedule();
    replace(curl, copyBlock("The same from a terminal", curlLine(spec)));
  };
  let likelyTarget;
  const loadColumns = async () => {
    const dataset = datasets.find(({ id, name }) => id === spec.dataset || name === spec.dataset);
    const whole = dataset ? await get(`/v1/datasets/${encodeURIComponent(dataset.id)}`, signal) : { columns: [] };
    columns = whole.columns;
    likelyTarget = guessTarget(whole);
  };
  const custom = {
    "/dataset": (param, context) => resourceField(param, context, datasets, (dataset) => plural(dataset.rows, "row"), async () => {
      await loadColumns();
      delete spec.features;
      spec.target = likelyTarget;
      renderForm();
      changed();
    }),
    "/network": (param, context) => resourceField(param, context, networks, () => ""),
    "/test_dataset": (param, context) => resourceField(param, context, datasets, (dataset) => plural(dataset.rows, "row")),
    "/target": (param, context) => targetField(param, context, columns),
    "/features": (param, context) => featuresField(param, context, columns),
    "/split/column": (param, context) => columnField(param, context, columns),
    "/window/time": (param, context) => columnField(param, context, columns),
  };
  const renderForm = () => replace(formNode,
    parameterForm(schema.job.parameters, { schema, value: spec, pointer: "", onChange: changed, first: firstFields, custom }));
  const json = jsonEditor("Specification as JSON", () => spec, async (value) => {
    const isOtherDataset = value.dataset !== spec.dataset;
    spec = value;
    if (isOtherDataset) await loadColumns();
    renderForm();
    changed();
  });

  await loadColumns();
  const wanted = query.get("target");
  spec.target = columns.some(({ name }) => name === wanted) ? wanted : likelyTarget;
  const form = submitForm({
    fields: formNode, summary, label: "Start job", trial, navigate,
    send: () => post("/v1/jobs", spec, { headers: { "Idempotency-Key": key } }),
    done: ({ id, name }) => ({ said: `${name} is queued.`, hash: `#/jobs/${encodeURIComponent(id)}` }),
  });
  renderForm();
  changed();
  replace(root, h("p", { class: "crumbs" }, h("a", { href: "#/jobs" }, "Jobs")),
    pageHead("New job", "Trains a network on a dataset. Everything but the first three has a default that is a good beginning."),
    h("div", { class: "two-columns" },
      h("div", null, form, json.element, h("details", { class: "panel" }, h("summary", null, "With curl"), curl)), preview));
  await trial.run();
}

function describePlan({ spec, network_spec: network, summary, rows, steps, memory_bytes: memory, disk_bytes: disk }) {
  return [h("h2", null, "Ready to start"),
    definitionList([
      ["Task", spec.task], ["Loss", spec.loss?.type ?? spec.loss], ["Training rows", formatInteger(rows.training)],
      ["Validation rows", formatInteger(rows.validation)], ["Test rows", formatInteger(rows.test)], ["Steps", formatInteger(steps)],
      ["Memory", formatBytes(memory)], ...(disk > 0 ? [["Disk, while it runs", formatBytes(disk)]] : []), ["Parameters", formatInteger(summary.parameters)],
    ]),
    layerStack(network, summary)];
}

function curlLine(spec) {
  return `curl ${location.origin}/v1/jobs -H 'Content-Type: application/json' \\\n  -d '${JSON.stringify(spec).replaceAll("'", "'\\''")}'`;
}

function write(param, context, value) {
  if (value === undefined || value === "") delete context.value[param.name];
  else context.value[param.name] = value;
  context.onChange();
}

// Names one of the resources that are there.
function resourceField(param, context, items, describe, onPicked) {
  const select = h("select", {
    onchange: () => {
      write(param, context, select.value);
      onPicked?.();
    },
  }, param.required ? null : h("option", { value: "" }, "none"),
  items.map((item) => h("option", { value: item.name }, [item.name, describe(item)].filter(Boolean).join(" · "))));
  const value = context.value[param.name] ?? "";
  if (value && !items.some(({ name }) => name === value)) select.append(h("option", { value }, value));
  select.value = value;
  return field({ label: formatName(param.name), control: select, help: param.help, pointer: context.pointer });
}

function columnField(param, context, columns) {
  const select = h("select", { onchange: () => write(param, context, select.value) },
    h("option", { value: "" }, "none"), columns.map(({ name }) => h("option", { value: name }, name)));
  select.value = context.value[param.name] ?? "";
  return field({ label: formatName(param.name), control: select, help: param.help, pointer: context.pointer });
}

// One column to predict, or several; none for a reconstruction, whose target are the features.
function targetField(param, context, columns) {
  const container = h("div", { class: "field-group", data: { pointer: context.pointer } });
  const current = () => [context.value[param.name] ?? []].flat();
  const set = (names) => write(param, context, names.length === 0 ? undefined : names.length === 1 ? names[0] : names);
  const picker = (name, index, names) => {
    const select = h("select", {
      onchange: () => set(current().map((old, position) => (position === index ? select.value : old))),
    }, names.includes(name) && !columns.some((column) => column.name === name) ? h("option", { value: name }, name) : null,
    columns.map((column) => h("option", { value: column.name }, `${column.name} · ${column.kind}`)));
    select.value = name;
    const node = field({
      label: index === 0 ? "Target" : `Target ${index + 1}`, control: select, help: index === 0 ? param.help : null,
      pointer: index === 0 && names.length === 1 ? context.pointer : `${context.pointer}/${index}`,
    });
    node.append(h("button", {
      type: "button", class: "button small", "aria-label": `Remove target ${index + 1}`,
      onclick: () => {
        set(current().filter((_, position) => position !== index));
        render();
      },
    }, "Remove"));
    return node;
  };
  const render = () => {
    const names = current();
    replace(container, names.map((name, index) => picker(name, index, names)),
      h("button", {
        type: "button", class: "button small",
        onclick: () => {
          const free = columns.find(({ name }) => !current().includes(name));
          if (!free) return;
          set([...current(), free.name]);
          render();
          [...container.querySelectorAll("select")].at(-1).focus();
        },
      }, current().length === 0 ? "Add a target" : "Add another target"),
      h("p", { class: "error", hidden: true }));
  };
  render();
  return container;
}

// All columns but the target, unless some are left out.
function featuresField(param, context, columns) {
  const targets = () => [context.value.target ?? []].flat();
  const chosen = context.value[param.name];
  const boxes = columns.map(({ name }) => {
    const id = `feature-${name}`;
    const box = h("input", { type: "checkbox", id, value: name, checked: chosen ? [chosen].flat().includes(name) : true, onchange: () => changed() });
    return h("li", null, box, h("label", { for: id }, name));
  });
  const inputs = boxes.map((item) => item.querySelector("input"));
  const status = h("span", { class: "quiet", role: "status" });
  const describe = () => {
    const count = inputs.filter(({ checked, value }) => checked && !targets().includes(value)).length;
    status.textContent = count === inputs.length - targets().length ? "all columns but the target" : `${count} of ${inputs.length - targets().length} columns`;
  };
  const changed = () => {
    const isAll = inputs.every(({ checked, value }) => checked || targets().includes(value));
    write(param, context, isAll ? undefined : inputs.filter(({ checked, value }) => checked && !targets().includes(value)).map(({ value }) => value));
    describe();
  };
  const setAll = (isChecked) => {
    for (const input of inputs) input.checked = isChecked;
    changed();
  };
  describe();
  return h("fieldset", { class: "field-group is-wide", data: { pointer: context.pointer } }, h("legend", null, "Features"),
    h("p", { class: "help" }, param.help), h("p", { class: "error", hidden: true }),
    h("div", { class: "actions" }, status,
      h("button", { type: "button", class: "button small", onclick: () => setAll(true) }, "All"),
      h("button", { type: "button", class: "button small", onclick: () => setAll(false) }, "None")),
    h("ul", { class: "checks" }, boxes));
}
