// All jobs, newest first, with state and progress, kept up to date.

import { get } from "../api.js";
import { h, replace, setText, show } from "../dom.js";
import { formatAgo, formatDuration, formatInteger, formatMetric, formatTime } from "../format.js";
import { emptyState, pageHead, problemPanel, progressBar, stateBadge } from "../parts.js";
import { every } from "../poll.js";
import { isUnfinished } from "../job_state.js";

const refreshMs = 2000;

export async function jobsView({ root, signal, setTitle }) {
  setTitle("Jobs");
  const rows = new Map();   // id → row, so that a refresh changes texts and keeps focus
  const list = h("ul", { class: "rows" });
  const errorSlot = h("div");
  const empty = emptyState("No jobs yet", "A job trains a network on a dataset. Upload a dataset, describe a network, then start a job.",
    h("a", { class: "button", href: "#/datasets" }, "Upload a dataset"), h("a", { class: "button", href: "#/networks/new" }, "Create a network"),
    h("a", { class: "button primary", href: "#/jobs/new" }, "Start a job"));
  const more = h("button", { class: "button", hidden: true, onclick: () => { limit += 50; refresh(); } }, "Show older jobs");
  let limit = 50;

  const refresh = async () => {
    try {
      const { items, next_cursor: next } = await get(`/v1/jobs?limit=${Math.min(limit, 1000)}`, signal);
      replace(errorSlot);
      show(empty, items.length === 0);
      show(list, items.length > 0);
      show(more, Boolean(next));
      for (const [id, row] of rows) {
        if (items.some((job) => job.id === id)) continue;
        row.element.remove();
        rows.delete(id);
      }
      items.forEach((job, index) => {
        let row = rows.get(job.id);
        if (!row) rows.set(job.id, row = createRow());
        row.update(job);
        if (list.children[index] !== row.element) list.insertBefore(row.element, list.children[index] ?? null);
      });
    } catch (error) {
      if (signal.aborted) return;
      replace(errorSlot, problemPanel(error));
    }
  };

  await refresh();
  replace(root, pageHead("Jobs", "Training, as it happens.", h("a", { class: "button primary", href: "#/jobs/new" }, "Start a job")), errorSlot, empty, list, more);
  every(refreshMs, refresh, signal);
}

function createRow() {
  const link = h("a", { class: "row-name" });
  const badge = stateBadge();
  const bar = progressBar("Progress");
  const progress = h("span", { class: "row-progress-text number" });
  const metrics = h("span", { class: "row-metrics number" });
  const time = h("time", { class: "quiet row-time" });
  const element = h("li", { class: "row job-row" },
    h("div", { class: "row-title" }, link, badge.element),
    h("div", { class: "row-progress" }, bar.element, progress), metrics, time);
  return {
    element,
    update(job) {
      link.href = `#/jobs/${encodeURIComponent(job.id)}`;
      setText(link, job.name);
      badge.set(job.state);
      bar.set(job.state === "succeeded" ? 1 : job.progress?.fraction ?? 0, job.state);
      bar.element.setAttribute("aria-label", `Progress of ${job.name}`);
      setText(progress, describeProgress(job));
      setText(metrics, describeMetrics(job));
      time.dateTime = job.created_at;
      time.title = formatTime(job.created_at);
      setText(time, formatAgo(job.created_at));
    },
  };
}

function describeProgress(job) {
  const { epoch = 0, epochs = 0, eta_seconds: eta } = job.progress ?? {};
  if (job.state === "queued") return job.queue_position ? `number ${job.queue_position} in the queue` : "waiting";
  const parts = [`epoch ${formatInteger(epoch)} of ${formatInteger(epochs)}`];
  if (job.state === "running" && Number.isFinite(eta)) parts.push(`${formatDuration(eta)} left`);
  if (!isUnfinished(job) && job.stop_reason && job.stop_reason !== "completed" && job.stop_reason !== job.state) parts.push(job.stop_reason.replaceAll("_", " "));
  return parts.join(" · ");
}

function describeMetrics(job) {
  const test = job.metrics?.test;
  const latest = job.metrics?.latest;
  if (test?.accuracy !== undefined) return `test accuracy ${formatMetric("accuracy", test.accuracy)}`;
  if (test?.rmse !== undefined) return `test RMSE ${formatMetric("rmse", test.rmse)}`;
  if (!latest) return "";
  const name = ["validation_accuracy", "accuracy", "validation_loss", "loss"].find((candidate) => Number.isFinite(latest[candidate]));
  return name ? `${name.replaceAll("_", " ")} ${formatMetric(name, latest[name])}` : "";
}
