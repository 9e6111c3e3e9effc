// Datasets: upload one by drag and drop or by choosing a file, and the list of those that are there.

import { get, getAll, upload } from "../api.js";
import { announce, h, replace, show } from "../dom.js";
import { formatAgo, formatBytes, formatTime, plural } from "../format.js";
import { emptyState, pageHead, problemPanel } from "../parts.js";

export async function datasetsView({ root, signal, setTitle, navigate }) {
  setTitle("Datasets");
  const datasets = await getAll("/v1/datasets", signal);
  replace(root,
    pageHead("Datasets", "Tables, images and texts to learn from."),
    uploadsUnderWay({ signal, onEnd: () => datasetsView({ root, signal, setTitle, navigate }) }),
    createUploader({ signal, onDone: (dataset) => navigate(`#/datasets/${encodeURIComponent(dataset.id)}`) }),
    datasets.length === 0
      ? emptyState("No datasets yet", "Upload a CSV file with one row per example and one column per feature, one of them what the network shall predict; or images in folders, one for each class, as ZIP.")
      : h("ul", { class: "rows" }, datasets.map(datasetRow)));
}

// What others are uploading right now, with how far each is; asked for again while there is something to see.
function uploadsUnderWay({ signal, onEnd }) {
  const list = h("ul", { class: "rows", "aria-label": "Uploads under way" });
  let shown = 0;
  const update = async () => {
    if (signal.aborted || document.querySelector(".upload-status progress")) return;
    const { items } = await get("/v1/uploads", signal);
    replace(list, items.map((item) => h("li", { class: "row" },
      h("span", { class: "row-name" }, item.name ?? "Unnamed"),
      h("progress", { max: "1", ...(item.fraction === null ? {} : { value: item.fraction }), "aria-label": `Upload of ${item.name ?? "a dataset"}` }),
      h("span", { class: "number" }, item.bytes_total === null ? formatBytes(item.bytes_received) : `${formatBytes(item.bytes_received)} of ${formatBytes(item.bytes_total)}`),
      h("span", { class: "number quiet" }, item.phase === "reading" ? "being read …" : plural(item.rows, "row")))));
    show(list, items.length > 0);
    if (items.length < shown) return void onEnd();
    shown = items.length;
    if (shown > 0) setTimeout(() => update().catch(() => {}), 1000);
  };
  update().catch(() => {});
  return list;
}

function datasetRow(dataset) {
  return h("li", { class: "row" },
    h("a", { class: "row-name", href: `#/datasets/${encodeURIComponent(dataset.id)}` }, dataset.name),
    h("span", { class: "number" }, `${plural(dataset.rows, "row")} × ${plural(dataset.columns.length, "column")}`),
    h("span", { class: "number quiet" }, formatBytes(dataset.bytes)),
    h("time", { class: "quiet row-time", datetime: dataset.created_at, title: formatTime(dataset.created_at) }, formatAgo(dataset.created_at)));
}

// "Digits (copy).csv" → "Digits (copy)"
function nameOf(file) {
  return file.name.replace(/\.[^.]*$/, "").slice(0, 64);
}

// What tells itself by its first bytes says nothing here; everything else is a table.
function typeOf(file) {
  const name = file.name.toLowerCase().replace(/\.gz$/, "");
  if (name.endsWith(".tsv")) return "text/tab-separated-values";
  if (/\.(ndjson|jsonl)$/.test(name)) return "application/x-ndjson";
  return /(\.(idx|npy|npz|zip)|-ubyte)$/.test(name) ? "application/octet-stream" : "text/csv";
}

// Each file is the part that its name says: train-images-idx3-ubyte.gz, x_test.npy; of a table, the word alone: penguins_test.csv.
function partOf(file) {
  const name = file.name.toLowerCase();
  const word = /\.(csv|txt|tsv|tab|ndjson|jsonl)(\.gz)?$/.test(name) && name.match(/(?<![a-z])(train|training|val|valid|validation|test|testing)(?![a-z])/);
  return word ? word[1] : file.name;
}

function formOf(files) {
  const form = new FormData();
  for (const file of files) form.append(partOf(file), file);
  return form;
}

function createUploader({ signal, onDone }) {
  const chooser = h("input", { type: "file", id: "file", class: "visually-hidden", multiple: true, onchange: () => chooser.files[0] && choose([...chooser.files]) });
  const zone = h("div", { class: "drop" },
    h("p", { class: "drop-title" }, "Drop a file here"),
    h("p", null, "or ", chooser, h("label", { for: "file", class: "button" }, "choose a file")),
    h("p", { class: "quiet" }, "A table (CSV; or train.csv and test.csv), images (ZIP, IDX) or arrays (NPY, NPZ); files that belong together, images and labels, training and test, at once."));
  const delimiter = h("select", { id: "delimiter" }, h("option", { value: "" }, "found by itself"), h("option", { value: "," }, "comma"),
    h("option", { value: ";" }, "semicolon"), h("option", { value: "\t" }, "tab"), h("option", { value: "|" }, "bar |"));
  const header = h("select", { id: "header" }, h("option", { value: "" }, "found by itself"), h("option", { value: "true" }, "first row is a header"),
    h("option", { value: "false" }, "no header"));
  const name = h("input", { type: "text", id: "dataset-name", autocomplete: "off", placeholder: "the file's name" });
  const imageSize = h("input", { type: "text", id: "image-size", autocomplete: "off", placeholder: "28x28; that of most, up to 64" });
  const options = h("details", { class: "more" }, h("summary", null, "Options"),
    h("div", { class: "fields" },
      h("div", { class: "field" }, h("label", { for: "dataset-name" }, "Name"), name),
      h("div", { class: "field" }, h("label", { for: "delimiter" }, "Delimiter"), delimiter),
      h("div", { class: "field" }, h("label", { for: "header" }, "Header"), header),
      h("div", { class: "field" }, h("label", { for: "image-size" }, "Size of images"), imageSize)));
  const status = h("div", { class: "upload-status", role: "status" });
  const errorSlot = h("div");
  let cancel = null;

  const choose = async (files) => {
    if (cancel) return;
    const [file] = files;
    const isForm = files.length > 1;
    const title = isForm ? `${file.name} and ${plural(files.length - 1, "more file")}` : file.name;
    const bar = h("progress", { max: "1", value: 0, "aria-label": `Upload of ${title}` });
    const text = h("span", { class: "number" });
    const query = new URLSearchParams();
    if (name.value.trim() || !isForm) query.set("name", name.value.trim() || nameOf(file));
    if (delimiter.value) query.set("delimiter", delimiter.value);
    if (header.value) query.set("header", header.value);
    if (imageSize.value.trim()) query.set("size", imageSize.value.trim());
    const running = upload(`/v1/datasets?${query}`, isForm ? formOf(files) : file, isForm ? null : typeOf(file), (loaded, total) => {
      bar.value = total > 0 ? loaded / total : 0;
      text.textContent = loaded < total ? `${formatBytes(loaded)} of ${formatBytes(total)}` : "sent, being read …";
    });
    cancel = running.cancel;
    replace(errorSlot);
    replace(status, h("span", null, title), bar, text, h("button", { class: "button small", type: "button", onclick: running.cancel }, "Cancel upload"));
    show(zone, false);
    try {
      const dataset = await running.promise;
      announce(`${dataset.name} is uploaded.`);
      if (!signal.aborted) onDone(dataset);
    } catch (error) {
      replace(errorSlot, problemPanel(error));
    } finally {
      cancel = null;
      chooser.value = "";
      replace(status);
      show(zone, true);
    }
  };
  signal.addEventListener("abort", () => cancel?.());

  // The whole page takes the file; the zone shows where.
  let depth = 0;
  const isFile = (event) => [...event.dataTransfer?.types ?? []].includes("Files");
  window.addEventListener("dragenter", (event) => { if (isFile(event)) { depth += 1; zone.classList.add("is-over"); } }, { signal });
  window.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (depth === 0) zone.classList.remove("is-over"); }, { signal });
  window.addEventListener("drop", (event) => {
    depth = 0;
    zone.classList.remove("is-over");
    const files = [...event.dataTransfer?.files ?? []];
    if (files.length > 0) choose(files);
  }, { signal });
  return h("section", { class: "uploader", "aria-label": "Upload" }, zone, status, errorSlot, options);
}
