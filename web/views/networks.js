// Networks: the descriptions that are there, each in a line.

import { getAll } from "../api.js";
import { h, replace } from "../dom.js";
import { formatAgo, formatTime } from "../format.js";
import { emptyState, pageHead } from "../parts.js";

export async function networksView({ root, signal, setTitle }) {
  setTitle("Networks");
  const networks = await getAll("/v1/networks", signal);
  const create = () => h("a", { class: "button primary", href: "#/networks/new" }, "Create a network");
  replace(root, pageHead("Networks", "Descriptions of layers, to be trained by jobs.", networks.length ? create() : null),
    networks.length === 0
      ? emptyState("No networks yet", "A network is a list of layers. A hidden layer and an output layer are a good beginning.", create())
      : h("ul", { class: "rows" }, networks.map((network) => h("li", { class: "row" },
        h("a", { class: "row-name", href: `#/networks/${encodeURIComponent(network.id)}` }, network.name),
        h("span", { class: "row-wide quiet" }, describeLayers(network.spec)),
        h("time", { class: "quiet row-time", datetime: network.created_at, title: formatTime(network.created_at) }, formatAgo(network.created_at))))));
}

// "dense 64 relu → dropout 0.2 → dense auto"
export function describeLayers(spec) {
  return (spec?.layers ?? []).map((layer) => {
    const activation = typeof layer.activation === "object" ? layer.activation?.type : layer.activation;
    const words = [layer.type, layer.units ?? layer.rate, layer.type === "activation" ? layer.function : activation === "linear" ? null : activation];
    return words.filter((word) => word !== undefined && word !== null).filter((word, index, all) => index === 0 || word !== all[index - 1]).join(" ");
  }).join(" → ");
}
