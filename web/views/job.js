// One job: its progress and curves as they come, what can be asked of it, and in the end how good the model is on the test part.

import { get, getText, post, remove, streamEvents } from "../api.js";
import { createChart, Metrics } from "../chart.js";
import { createDoctor } from "../doctor.js";
import { announce, confirmDialog, definitionList, h, replace, setText, show } from "../dom.js";
import { formatDuration, formatInteger, formatMetric, formatName, formatNumber, formatTime } from "../format.js";
import { actions, deletableStates, isMoving, isUnfinished } from "../job_state.js";
import { attempt, copyBlock, downloadLink, isMeasured, problemPanel, progressBar, stateBadge, testResults } from "../parts.js";
import { every } from "../poll.js";

const refreshMs = 1000;
const pointsMax = 2000;
const liveEventsMax = 4000;   // then the points are fetched anew, thinned, so that a long job doesn't make the page slow
const logRefreshMs = 1000;
const seriesShown = ["batch_loss", "loss", "validation_loss", "accuracy", "validation_accuracy", "learning_rate", "gradient_norm"];

export async function jobView(context) {
  const { root, id, signal, setTitle, navigate } = context;
  let job = await get(`/v1/jobs/${encodeURIComponent(id)}`, signal);
  const path = `/v1/jobs/${encodeURIComponent(job.id)}`;
  setTitle(job.name);

  const metrics = new Metrics();
  const errorSlot = h("div");
  const head = createHead(job, { path, errorSlot, navigate, onChanged: (changed) => update(changed) });
  const tiles = createTiles();
  const charts = createCharts(metrics, signal);
  const doctor = createDoctor();
  const ending = h("div", { class: "stack" });
  const result = h("div");
  const log = createLog(`${path}/log`, signal);
  let resultKey = "";

  const update = (next) => {
    if (next) job = { ...job, ...next };
    head.update(job);
    tiles.update(job, metrics);
    charts.setProgress(job.progress);
    doctor.update(job);
    const key = JSON.stringify([job.metrics?.test, job.model, job.stop_reason, job.error]);
    if (key !== resultKey) {
      resultKey = key;
      replace(ending, describeEnding(job));
      replace(result, describeResult(job));
    }
  };

  replace(root, head.element, errorSlot, ending, tiles.element, charts.element, doctor.element, result,
    h("section", { class: "block" }, h("div", { class: "actions" },
      downloadLink(`${path}/metrics?format=csv`, `${job.name}-metrics.csv`, "Metrics as CSV", errorSlot)), log.element,
    h("details", { class: "panel" }, h("summary", null, "Specification"), copyBlock("As resolved by the server, every default filled in", JSON.stringify(job.spec, null, 2))),
    describeOrigin(job)));
  update(job);

  const refresh = async () => {
    try {
      update(await get(path, signal));
      replace(errorSlot);
    } catch (error) {
      if (!signal.aborted) replace(errorSlot, problemPanel(error));
    }
  };
  every(refreshMs, () => (isMoving(job) ? refresh() : undefined), signal);
  const isOver = async () => {
    await refresh();
    return !isUnfinished(job);
  };
  follow({ path, metrics, signal, log, charts, refresh, isOver, onStep: (progress) => update({ progress: { ...job.progress, ...progress } }) })
    .catch((error) => { if (!signal.aborted) replace(errorSlot, problemPanel(error)); });
}

// The points so far in one answer, thinned; then every event after them.
async function follow({ path, metrics, signal, log, charts, refresh, isOver, onStep }) {
  let liveEvents = 0;
  const load = async () => {
    liveEvents = 0;
    const { series, next } = await get(`${path}/metrics?max_points=${pointsMax}&names=${seriesShown.join()}`, signal);
    metrics.clear();
    for (const [name, { step, value }] of Object.entries(series)) step.forEach((at, index) => metrics.add(name, at, value[index]));
    charts.redraw();
    onStep({});
    return next;
  };
  const next = await load();
  log.refresh();

  const onEvent = ({ event, data }) => {
    if (event === "metrics") {
      const { step, epoch, values } = JSON.parse(data);
      for (const name of seriesShown) if (name in values) metrics.add(name, step, values[name]);
      charts.redraw();
      onStep({ step, epoch });
      liveEvents += 1;
      if (liveEvents === liveEventsMax) load().catch(() => {});
    } else {
      log.refresh();
      if (event !== "log") refresh();
    }
  };
  await streamEvents(`${path}/events`, { lastEventId: next, onEvent, isOver, signal });
  await refresh();
}

function createHead(job, { path, errorSlot, navigate, onChanged }) {
  const badge = stateBadge();
  const bar = progressBar("Training progress");
  const text = h("p", { class: "progress-text number" });
  const live = h("p", { class: "visually-hidden", role: "status", "aria-live": "polite" });
  const buttons = Object.entries(actions).map(([name, { label, from }]) => {
    const button = h("button", {
      class: "button", type: "button",
      onclick: () => attempt(errorSlot, async () => {
        const answer = await post(`${path}/${name}`);
        onChanged(answer?.state ? answer : await get(path));
      }),
    }, label);
    return { button, from };
  });
  const deleter = h("button", {
    class: "button danger", type: "button",
    onclick: async () => {
      if (!await confirmDialog(`Delete ${job.name}?`, "Its metrics and log go with it. Its model stays.", "Delete")) return;
      await attempt(errorSlot, async () => {
        await remove(path);
        announce(`${job.name} is deleted.`);
        navigate("#/jobs");
      });
    },
  }, "Delete");
  const element = h("div", null,
    h("p", { class: "crumbs" }, h("a", { href: "#/jobs" }, "Jobs")),
    h("div", { class: "page-head" },
      h("div", { class: "title-line" }, h("h1", null, job.name), badge.element),
      h("div", { class: "actions" }, buttons.map(({ button }) => button), deleter)),
    h("div", { class: "big-progress" }, bar.element, text), live);
  return {
    element,
    update(next) {
      badge.set(next.state);
      const progress = next.progress ?? {};
      bar.set(next.state === "succeeded" ? 1 : progressShare(progress), next.state);
      setText(text, describeProgress(next));
      setText(live, `Job ${next.name} is ${next.state}`);
      for (const { button, from } of buttons) button.disabled = !from.has(next.state);
      deleter.disabled = !deletableStates.has(next.state);
    },
  };
}

function progressShare({ step, steps, fraction }) {
  return steps > 0 ? Math.min(1, step / steps) : fraction ?? 0;
}

function describeProgress(job) {
  const { epoch = 0, epochs = 0, step = 0, steps = 0, samples_per_second: speed, eta_seconds: eta } = job.progress ?? {};
  const parts = [];
  if (job.state === "queued") parts.push(job.queue_position ? `Number ${job.queue_position} in the queue` : "In the queue");
  parts.push(`epoch ${formatInteger(epoch)} of ${formatInteger(epochs)}`);
  if (steps > 0) parts.push(`step ${formatInteger(step)} of ${formatInteger(steps)}`);
  if (isUnfinished(job) && Number.isFinite(speed) && speed > 0) parts.push(`${formatInteger(Math.round(speed))} samples/s`);
  if (job.state === "running" && Number.isFinite(eta)) parts.push(`${formatDuration(eta)} left`);
  if (job.started_at && job.finished_at) parts.push(`took ${formatDuration((Date.parse(job.finished_at) - Date.parse(job.started_at)) / 1000)}`);
  return parts.join(" · ");
}

// The latest value of what matters most, beside the best epoch's.
function createTiles() {
  const names = ["loss", "validation_loss", "accuracy", "validation_accuracy"];
  const element = h("ul", { class: "tiles" });
  const tiles = new Map();
  return {
    element,
    update(job, metrics) {
      const best = job.metrics?.best;
      for (const name of names) {
        const value = metrics.latest(name) ?? job.metrics?.latest?.[name];
        if (value === undefined && !["loss", "validation_loss"].includes(name)) continue;
        let tile = tiles.get(name);
        if (!tile) {
          tile = { value: h("span", { class: "tile-value" }), note: h("span", { class: "tile-note quiet" }) };
          tiles.set(name, tile);
          element.append(h("li", { class: "tile", data: { metric: name } }, h("span", { class: "tile-name" }, formatName(name)), tile.value, tile.note));
        }
        setText(tile.value, formatMetric(name, value));
        setText(tile.note, best && Number.isFinite(best[name]) ? `${formatMetric(name, best[name])} in the best epoch, ${best.epoch}` : "");
      }
    },
  };
}

function createCharts(metrics, signal) {
  const view = { stepsPerEpoch: 1, byStep: false, isLog: false };
  const train = { color: "chart-train" };
  const validation = { color: "chart-validation" };
  const loss = createChart("Loss", [
    { name: "batch_loss", label: "Batch", color: "chart-faint", width: 1 },
    { name: "loss", label: "Training", ...train }, { name: "validation_loss", label: "Validation", ...validation }], metrics, { canLog: true });
  const accuracy = createChart("Accuracy", [
    { name: "accuracy", label: "Training", isShare: true, ...train }, { name: "validation_accuracy", label: "Validation", isShare: true, ...validation }], metrics);
  const rate = createChart("Learning rate", [{ name: "learning_rate", label: "Learning rate", ...train }], metrics, { canLog: true });
  const gradient = createChart("Gradient norm", [{ name: "gradient_norm", label: "Gradient norm", ...train }], metrics, { canLog: true });
  const all = [loss, accuracy, rate, gradient];
  const redraw = () => {
    show(accuracy.element, metrics.has("accuracy") || metrics.has("validation_accuracy"));
    for (const chart of all) chart.update({ ...view });
  };
  signal.addEventListener("abort", () => all.forEach((chart) => chart.destroy()));

  const log = h("input", { type: "checkbox", id: "log-scale", onchange: () => { view.isLog = log.checked; redraw(); } });
  const axis = h("select", { id: "x-axis", onchange: () => { view.byStep = axis.value === "step"; redraw(); } },
    h("option", { value: "epoch" }, "Epoch"), h("option", { value: "step" }, "Step"));
  const further = h("details", { class: "panel", ontoggle: redraw }, h("summary", null, "Learning rate and gradient"),
    h("div", { class: "charts" }, rate.element, gradient.element));
  return {
    element: h("section", { class: "block", "aria-label": "Curves" },
      h("div", { class: "chart-controls" },
        h("span", null, h("label", { for: "x-axis" }, "Along"), axis),
        h("span", null, log, h("label", { for: "log-scale" }, "Logarithmic loss")),
        h("span", { class: "quiet hint" }, "Drag over a curve to look closer, double-click to see all.")),
      h("div", { class: "charts" }, loss.element, accuracy.element), further),
    redraw,
    setProgress({ steps, epochs } = {}) {
      const stepsPerEpoch = steps > 0 && epochs > 0 ? steps / epochs : 1;
      if (stepsPerEpoch === view.stepsPerEpoch) return;
      view.stepsPerEpoch = stepsPerEpoch;
      redraw();
    },
  };
}

// The log as the server words it, read again after a line came, at most once a second.
function createLog(path, signal) {
  const area = h("pre", { class: "log", tabindex: "0", "aria-label": "Log" }, "Nothing logged yet.");
  let timer = 0;
  const load = async () => {
    timer = 0;
    const text = await getText(path, signal).catch(() => "");
    const isAtEnd = area.scrollTop + area.clientHeight >= area.scrollHeight - 4;
    if (text) setText(area, text.trimEnd());
    if (isAtEnd) area.scrollTop = area.scrollHeight;
  };
  signal.addEventListener("abort", () => clearTimeout(timer));
  return {
    element: h("details", { class: "panel" }, h("summary", null, "Log"), area),
    refresh() {
      if (timer === 0) timer = setTimeout(load, area.textContent.startsWith("Nothing") ? 0 : logRefreshMs);
    },
  };
}

const reasons = {
  completed: null,
  early_stopping: "Stopped early: the monitored metric did not improve any more.",
  cancelled: "Cancelled before the last epoch.",
  diverged: "Training diverged: a number was no longer finite. A smaller learning rate or clip_norm usually helps.",
  error: "The job ended with an error.",
};

// Why it ended, if there is more to say than that it is done.
function describeEnding(job) {
  const parts = [];
  const reason = reasons[job.stop_reason];
  const isFailed = job.state === "failed";
  if (reason || job.error) {
    parts.push(h("div", { class: isFailed ? "problem" : "note", role: "note" },
      h("p", { class: "problem-detail" }, job.error?.detail ?? reason),
      job.error && reason ? h("p", null, reason) : null,
      job.error?.errors?.length ? h("ul", null, job.error.errors.map(({ pointer, detail }) => h("li", null, `${pointer}: ${detail}`))) : null));
  }
  return parts;
}

function describeResult(job) {
  const parts = [];
  const link = job.model ? h("a", { class: "button primary", href: `#/models/${encodeURIComponent(job.model)}` }, "Open the model") : null;
  if (isMeasured(job.metrics?.test)) {
    parts.push(h("section", { class: "block", id: "test-results" }, h("div", { class: "block-head" }, h("h2", null, "On the test part"), link),
      h("p", { class: "quiet" }, "Rows that training never saw."), testResults(job.metrics.test)));
  } else if (link) {
    parts.push(h("p", null, link));
  }
  return parts;
}

function describeOrigin(job) {
  return definitionList([
    ["Id", h("code", null, job.id)],
    ["Network", job.spec?.network ? h("a", { href: `#/networks/${encodeURIComponent(job.spec.network)}` }, job.spec.network) : null],
    ["Dataset", job.spec?.dataset ? h("a", { href: `#/datasets/${encodeURIComponent(job.spec.dataset)}` }, job.spec.dataset) : null],
    ["Created", formatTime(job.created_at)],
    ["Priority", job.spec?.priority === undefined ? null : formatNumber(job.spec.priority)],
  ]);
}
