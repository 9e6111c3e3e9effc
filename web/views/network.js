// One network: its layers, and its specification.

import { get, remove } from "../api.js";
import { announce, confirmDialog, definitionList, h, replace } from "../dom.js";
import { formatShape, formatTime } from "../format.js";
import { attempt, copyBlock } from "../parts.js";
import { layerTable } from "../layers.js";

export async function networkView({ root, id, signal, setTitle, navigate }) {
  const network = await get(`/v1/networks/${encodeURIComponent(id)}`, signal);
  setTitle(network.name);
  const errorSlot = h("div");
  const deleter = h("button", {
    class: "button danger", type: "button",
    onclick: async () => {
      if (!await confirmDialog(`Delete ${network.name}?`, "Jobs and models made with it keep their own copy.", "Delete")) return;
      await attempt(errorSlot, async () => {
        await remove(`/v1/networks/${encodeURIComponent(network.id)}`);
        announce(`${network.name} is deleted.`);
        navigate("#/networks");
      });
    },
  }, "Delete");
  replace(root,
    h("p", { class: "crumbs" }, h("a", { href: "#/networks" }, "Networks")),
    h("div", { class: "page-head" }, h("h1", null, network.name), h("div", { class: "actions" },
      h("a", { class: "button primary", href: `#/jobs/new?network=${encodeURIComponent(network.name)}` }, "Train it"),
      h("a", { class: "button", href: `#/networks/${encodeURIComponent(network.id)}/see` }, "See it learn"),
      h("a", { class: "button", href: `#/networks/new?from=${encodeURIComponent(network.id)}` }, "Change a copy"), deleter)),
    errorSlot,
    h("section", { class: "block" }, h("h2", null, "Layers"), layerTable(network)),
    h("details", { class: "panel" }, h("summary", null, "Specification"), copyBlock("JSON", JSON.stringify(network.spec, null, 2))),
    definitionList([["Id", h("code", null, network.id)],
      ["Input", network.spec?.input?.shape?.length ? formatShape(network.spec.input.shape) : "follows from the dataset"], ["Created", formatTime(network.created_at)]]));
}
