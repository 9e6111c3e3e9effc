// A network's layers with shapes and parameter counts, from a network, a model or a dry run.

import { definitionList, h, scrollRegion } from "./dom.js";
import { formatBytes, formatInteger, formatNumber, formatShape } from "./format.js";

// [{name, type, units, activation, shape, parameters}]: the spec's layers, with what the server computed for
// them once their sizes are known.
export function resultLayers({ spec, summary }) {
  const computed = new Map((summary?.layers ?? []).map((layer) => [layer.name, layer]));
  return (spec?.layers ?? []).map((layer) => {
    const activation = layer.activation ?? layer.function;
    const { output_shape: shape, parameters } = computed.get(layer.name) ?? {};
    return { name: layer.name, type: layer.type, units: layer.units, activation: activation?.type ?? activation, shape, parameters };
  });
}

export function describeTotals(summary) {
  if (!summary) return null;
  const { bytes } = summary;
  return definitionList([
    ["Input", formatShape(summary.input_shape)],
    ["Output", formatShape(summary.output_shape)],
    ["Parameters", formatInteger(summary.parameters)],
    ["FLOPs per sample", formatNumber(summary.flops_per_sample)],
    ["Weights", formatBytes(bytes.weights)],
    [`Training, batch of ${bytes.batch_size}`, formatBytes(bytes.training)],
  ]);
}

export function layerTable(network) {
  const layers = resultLayers(network);
  const isSized = layers.some((layer) => layer.shape);
  return [describeTotals(network.summary), scrollRegion("Layers", "", h("table", { class: "table" },
    h("thead", null, h("tr", null, ["Name", "Type", "Units", "Activation"].map((name) => h("th", { scope: "col" }, name)),
      isSized ? [h("th", { scope: "col" }, "Output shape"), h("th", { scope: "col", class: "number" }, "Parameters")] : null)),
    h("tbody", null, layers.map((layer) => h("tr", null, h("th", { scope: "row" }, layer.name), h("td", null, layer.type),
      h("td", null, layer.units ?? ""), h("td", null, layer.activation ?? ""),
      isSized ? [h("td", null, formatShape(layer.shape)), h("td", { class: "number" }, formatInteger(layer.parameters))] : null)))))];
}

// The same in short: one line a layer.
export function layerStack(spec, summary) {
  return h("ol", { class: "layer-stack" }, resultLayers({ spec, summary }).map((layer) => h("li", null,
    h("span", { class: "layer-name" }, layer.name), h("span", { class: "quiet" }, [layer.type, layer.activation].filter(Boolean).join(" ")),
    h("span", { class: "number" }, layer.shape ? formatShape(layer.shape) : ""))));
}
