// Models: what finished jobs leave, each with how good it is.

import { getAll } from "../api.js";
import { h, replace } from "../dom.js";
import { formatAgo, formatMetric, formatName, formatTime } from "../format.js";
import { emptyState, isMeasured, pageHead } from "../parts.js";

export async function modelsView({ root, signal, setTitle }) {
  setTitle("Models");
  const models = await getAll("/v1/models", signal);
  replace(root, pageHead("Models", "Trained networks, ready to predict."),
    models.length === 0
      ? emptyState("No models yet", "Each job that finishes leaves a model here.", h("a", { class: "button primary", href: "#/jobs/new" }, "Start a job"))
      : h("ul", { class: "rows" }, models.map((model) => h("li", { class: "row" },
        h("a", { class: "row-name", href: `#/models/${encodeURIComponent(model.id)}` }, model.name),
        h("span", { class: "row-wide number" }, describeTest(model.metrics?.test)),
        h("time", { class: "quiet row-time", datetime: model.created_at, title: formatTime(model.created_at) }, formatAgo(model.created_at))))));
}

function describeTest(test) {
  if (!isMeasured(test)) return "not tested";
  return ["accuracy", "f1", "rmse", "r2", "loss"].filter((name) => Number.isFinite(test[name])).slice(0, 2)
    .map((name) => `${formatName(name)} ${formatMetric(name, test[name])}`).join(" · ");
}
