// Creating a network: a form of layers beside what the server makes of it, tried after every change (a dry run), and the same as JSON.

import { createKey, get, getAll, getSchema, post } from "../api.js";
import { h, replace } from "../dom.js";
import { dryRun } from "../dry_run.js";
import { jsonEditor, parameterForm, showErrors } from "../form.js";
import { formatInteger, formatShape } from "../format.js";
import { describeTotals, layerStack } from "../layers.js";
import { pageHead } from "../parts.js";
import { submitForm } from "../submit_form.js";

function startingSpec() {
  return { layers: [{ type: "dense", units: 64, activation: "relu", name: "hidden" }, { type: "dense", units: "auto", activation: "auto" }] };
}

export async function newNetworkView({ root, query, signal, setTitle, navigate }) {
  setTitle("New network");
  const [schema, datasets, origin] = await Promise.all([getSchema(), getAll("/v1/datasets", signal),
    query.has("from") ? get(`/v1/networks/${encodeURIComponent(query.get("from"))}`, signal) : null]);
  let spec = origin ? { ...origin.spec, name: undefined } : startingSpec();
  let key = createKey();

  const formNode = h("div");
  const summary = h("div", { class: "problem", hidden: true, tabindex: "-1" });
  const preview = createPreview(datasets, formNode, () => trial.run());

  const trial = dryRun({
    signal,
    async attempt() {
      const network = await post("/v1/networks?dry_run=true", spec, { signal });
      return network.complete ? { network, sized: network } : { network, sized: await preview.size(spec, signal) };
    },
    onResult({ network, sized }) {
      showErrors(formNode, summary, null);
      preview.show(network, sized);
    },
    onProblem(problem) {
      showErrors(formNode, summary, problem);
      preview.show(null);
    },
  });
  const changed = () => {
    key = createKey();
    json.refresh();
    trial.schedule();
  };
  const renderForm = () => replace(formNode,
    parameterForm(schema.network.parameters, { schema, value: spec, pointer: "", onChange: changed, first: ["name", "input", "layers"] }));
  const json = jsonEditor("Specification as JSON", () => spec, (value) => {
    spec = value;
    renderForm();
    changed();
  });

  const form = submitForm({
    fields: formNode, summary, label: "Create network", trial, navigate,
    send: () => post("/v1/networks", spec, { headers: { "Idempotency-Key": key } }),
    done: ({ id, name }) => ({ said: `${name} is created.`, hash: `#/networks/${encodeURIComponent(id)}` }),
  });

  renderForm();
  replace(root, h("p", { class: "crumbs" }, h("a", { href: "#/networks" }, "Networks")),
    pageHead("New network", "Layers follow one another from the input to the output."),
    h("div", { class: "two-columns" }, h("div", null, form, json.element), preview.element));
  await trial.run();
}

// What is "auto" has no size until a dataset is there. So the preview asks how a job with one of the datasets would size it.
function createPreview(datasets, formNode, onPicked) {
  const select = h("select", { id: "sized-for", class: "small", onchange: onPicked },
    h("option", { value: "" }, "no dataset"), datasets.map(({ name }) => h("option", { value: name }, name)));
  if (datasets.length > 0) select.value = datasets[0].name;
  const body = h("div", { class: "stack" });
  const element = h("aside", { class: "preview", "aria-label": "What the server makes of it", "aria-live": "polite" }, body,
    datasets.length ? h("p", { class: "sized-for" }, h("label", { for: "sized-for", class: "quiet" }, "Sized for"), select) : null);
  return {
    element,
    // The dry run of a job, or a text that says why there is none.
    async size(spec, signal) {
      const dataset = datasets.find(({ name }) => name === select.value);
      if (!dataset) return "Shapes and sizes follow once a dataset is there: they depend on its columns.";
      try {
        return await post("/v1/jobs?dry_run=true", { network: spec, dataset: dataset.name, target: dataset.columns.at(-1).name }, { signal });
      } catch (problem) {
        if (signal.aborted) throw problem;
        return `As a network for ${dataset.name}: ${problem.errors?.[0]?.detail ?? problem.message}`;
      }
    },
    show(network, sized) {
      const isSized = sized !== undefined && typeof sized !== "string";
      const sizes = new Map((isSized ? sized.summary?.layers ?? [] : []).map((layer) => [layer.name, layer]));
      for (const slot of formNode.querySelectorAll(".card-result")) {
        const layer = sizes.get(network?.spec.layers[Number(slot.dataset.layer)]?.name);
        slot.textContent = layer ? [formatShape(layer.output_shape), layer.parameters > 0 ? `${formatInteger(layer.parameters)} parameters` : ""].filter(Boolean).join(" · ") : "";
      }
      if (!network) replace(body, h("h2", null, "Not valid yet"), h("p", { class: "quiet" }, "The fields say what is missing."));
      else if (isSized) replace(body, h("h2", null, "Valid"), describeTotals(sized.summary), layerStack(sized.network_spec ?? sized.spec, sized.summary));
      else replace(body, h("h2", null, "Valid"), layerStack(network.spec, null), h("p", { class: "quiet" }, sized));
    },
  };
}
