// The page's frame: which view the address shows, the navigation, the question for a token. Views are functions of a context
// ({root, id, query, signal, setTitle, navigate}); they draw into root and stop whatever they started when signal aborts.

import { get, onTokenNeeded, Problem } from "./api.js";
import { h, replace, setText } from "./dom.js";
import { problemPanel } from "./parts.js";
import { datasetView } from "./views/dataset.js";
import { datasetsView } from "./views/datasets.js";
import { jobView } from "./views/job.js";
import { newJobView } from "./views/job_new.js";
import { jobsView } from "./views/jobs.js";
import { modelView } from "./views/model.js";
import { modelsView } from "./views/models.js";
import { networkView } from "./views/network.js";
import { newNetworkView } from "./views/network_new.js";
import { networksView } from "./views/networks.js";
import { seeModelView, seeNetworkView } from "./views/see.js";

const views = {
  datasets: { list: datasetsView, one: datasetView },
  networks: { list: networksView, one: networkView, create: newNetworkView, see: seeNetworkView },
  jobs: { list: jobsView, one: jobView, create: newJobView },
  models: { list: modelsView, one: modelView, see: seeModelView },
};

const root = document.getElementById("main");
let leaving = null;

// "#/jobs/new?network=digits-mlp", "#/models/iris/see" → {section, view, id, query}
function parseAddress() {
  const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id, part] = path.split("/").map(decodeURIComponent);
  const section = views[name] ? name : "jobs";
  const { list, one, create, see } = views[section];
  const view = id === "new" && create ? create : id && part === "see" && see ? see : id ? one : list;
  return { section, view, id, query: new URLSearchParams(search) };
}

async function showAddress(isFirst) {
  leaving?.abort();
  leaving = new AbortController();
  const { signal } = leaving;
  const { section, view, id, query } = parseAddress();
  for (const link of document.querySelectorAll(".top nav a")) {
    if (link.getAttribute("href") === `#/${section}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const setTitle = (title) => { document.title = title ? `${title} · backpropd` : "backpropd"; };
  const page = h("div", { class: "view" }, h("p", { class: "quiet loading" }, "Loading …"));
  replace(root, page);
  try {
    await view({ root: page, id, query, signal, setTitle, navigate: (hash) => { location.hash = hash; } });
  } catch (error) {
    if (signal.aborted || error.name === "AbortError") return;
    replace(page, problemPanel(error, () => showAddress(false)));
    if (!(error instanceof Problem)) throw error;
  }
  // After a change of view the keyboard and screen readers go on at its heading.
  if (!isFirst && !signal.aborted && !root.contains(document.activeElement)) {
    const heading = root.querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  }
}

// Resolves to the token typed in; rejects if the question is closed without one.
function askForToken(isRefused) {
  return new Promise((resolve, reject) => {
    const input = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true, "aria-describedby": "token-help" });
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "token-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "token-title" }, isRefused ? "That token was not accepted" : "This server asks for a token"),
        h("div", { class: "field" }, h("label", { for: "token" }, "Token"), input,
          h("p", { class: "help", id: "token-help" }, "It is in the file that the server was started with (--token-file). This tab keeps it until it is closed.")),
        h("div", { class: "actions" }, h("button", { value: "use", class: "button primary" }, "Use this token"))));
    dialog.addEventListener("close", () => {
      const isGiven = dialog.returnValue === "use" && input.value.trim() !== "";
      dialog.remove();
      if (isGiven) resolve(input.value.trim());
      else reject(new Problem(401, { detail: "This server shows nothing without a token." }));
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

onTokenNeeded(askForToken);
window.addEventListener("hashchange", () => showAddress(false));
// A file that misses the drop zone must not replace the page.
for (const type of ["dragover", "drop"]) window.addEventListener(type, (event) => event.preventDefault());
showAddress(true);
get("/v1").then((about) => setText(document.getElementById("server"), about.version ? `version ${about.version}` : "")).catch(() => {});
