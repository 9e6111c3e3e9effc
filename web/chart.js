// Line charts of a job's metrics, drawn by uPlot (vendor/uplot). A chart redraws at most ten times a second however fast the points
// come, follows its container's width, and is drawn anew when the system changes between light and dark.

import { h, replace, show } from "./dom.js";
import { formatMetric, formatNumber } from "./format.js";

/* global uPlot */

// The metric points of one job by series name. Points may come twice (a list first, then the event stream): a step counts once.
export class Metrics {
  constructor() {
    this.series = new Map();   // name → {steps: [ascending], values: []}; a value is null where the number was not finite
  }

  add(name, step, value) {
    let series = this.series.get(name);
    if (!series) this.series.set(name, series = { steps: [], values: [] });
    const { steps, values } = series;
    if (steps.length === 0 || step > steps.at(-1)) {
      steps.push(step);
      values.push(value);
      return;
    }
    let index = steps.length;
    while (index > 0 && steps[index - 1] >= step) index -= 1;
    if (steps[index] === step) {
      values[index] = value;
    } else {
      steps.splice(index, 0, step);
      values.splice(index, 0, value);
    }
  }

  clear() {
    this.series.clear();
  }

  // Whether there is anything to draw.
  has(name) {
    return this.series.get(name)?.values.some((value) => value !== null) ?? false;
  }

  latest(name) {
    return this.series.get(name)?.values.at(-1);
  }

  // [[step …], [value of the first series …], …], null where a series has no point at a step.
  align(names) {
    const steps = [...new Set(names.flatMap((name) => this.series.get(name)?.steps ?? []))].sort((left, right) => left - right);
    const index = new Map(steps.map((step, position) => [step, position]));
    const columns = names.map((name) => {
      const column = new Array(steps.length).fill(null);
      const series = this.series.get(name);
      series?.steps.forEach((step, position) => { column[index.get(step)] = series.values[position]; });
      return column;
    });
    return [steps, ...columns];
  }
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/* lines: [{name: "validation_loss", label, color: "chart-validation", width, isDashed}]. Returns {element, update(view), destroy}, where
 * view is {stepsPerEpoch, byStep, isLog}; isLog only where the chart allows it. */
export function createChart(title, lines, metrics, { canLog = false } = {}) {
  const id = `chart-${lines[0].name}`;
  const plotNode = h("div", { class: "plot", role: "img" });
  const emptyNode = h("p", { class: "chart-empty quiet" }, "No points to draw yet.");
  const element = h("figure", { class: "chart", id, "aria-label": title }, h("figcaption", null, title), emptyNode, plotNode);
  let view = { stepsPerEpoch: 1, byStep: false, isLog: false };
  let plot = null;
  let shownKey = "";
  let timer = 0;
  let lastDraw = 0;

  const isLog = () => canLog && view.isLog;
  const present = () => lines.filter((line) => metrics.has(line.name));

  const options = () => ({
    width: Math.max(200, plotNode.clientWidth), height: plotNode.clientWidth < 420 ? 220 : 270,
    scales: { x: { time: false }, y: isLog() ? { distr: 3 } : { range: (self, low, high) => padded(low, high) } },
    axes: [axis({ size: 34, values: (self, splits) => splits.map((split) => (Number.isInteger(split) || view.byStep ? formatNumber(split) : String(split))) }),
      axis({
        size: 56, ...(isLog() ? { filter: decades, grid: { ...grid(), filter: decades }, ticks: { ...ticks(), filter: decades } } : {}),
        values: (self, splits) => (lines[0].isShare ? splits.map((split) => `${Math.round(split * 1000) / 10} %`) : formatTicks(splits)),
      })],
    series: [
      { label: view.byStep ? "Step" : "Epoch", value: (self, value) => (value === null ? "–" : formatX(value)) },
      ...present().map((line) => ({
        label: line.label, stroke: color(line.color), width: line.width ?? 2, dash: line.isDashed ? [5, 4] : undefined, spanGaps: true,
        points: { show: (self, index) => (metrics.series.get(line.name).steps.length < 2) && index > 0, size: 6, fill: color(line.color) },
        value: (self, value) => formatMetric(line.name, value),
      })),
    ],
    cursor: { drag: { x: true, y: false }, points: { size: 7 }, dataIdx: (self, series, index) => lastPoint(self.data[series], index) },
    legend: { live: true },
    // Without a cursor over it, the legend shows the latest points.
    hooks: { ready: [showLatest], setSize: [showLatest], setCursor: [(self) => { if (!(self.cursor.left >= 0)) showLatest(self); }] },
  });

  const grid = () => ({ stroke: color("line"), width: 1 });
  const ticks = () => ({ stroke: color("line"), width: 1, size: 4 });
  const axis = (more) => ({
    stroke: color("ink-soft"), grid: grid(), ticks: ticks(),
    font: "12px system-ui, sans-serif", ...more,
  });
  const formatX = (value) => (view.byStep ? formatNumber(value) : formatNumber(Math.round(value * 100) / 100));

  const data = () => {
    const columns = metrics.align(present().map((line) => line.name));
    const x = view.byStep ? columns[0] : columns[0].map((step) => step / view.stepsPerEpoch);
    const y = columns.slice(1);
    return [x, ...(isLog() ? y.map((column) => column.map((value) => (value > 0 ? value : null))) : y)];
  };

  const draw = () => {
    timer = 0;
    lastDraw = performance.now();
    const names = present();
    show(emptyNode, names.length === 0);
    show(plotNode, names.length > 0);
    if (names.length === 0) return;
    const key = [names.map((line) => line.name), view.byStep, isLog(), color("line")].join();
    if (plot === null || key !== shownKey) {
      plot?.destroy();
      replace(plotNode);
      plot = new uPlot(options(), data(), plotNode);
      shownKey = key;
    } else {
      plot.setData(data());
    }
    if (!(plot.cursor.left >= 0)) showLatest(plot);
    plotNode.setAttribute("aria-label",
      `${title}. ${names.map((line) => `${line.label} ${formatMetric(line.name, metrics.latest(line.name))}`).join(", ")}.`);
  };

  const schedule = () => {
    if (timer === 0) timer = setTimeout(draw, Math.max(0, 100 - (performance.now() - lastDraw)));
  };

  const resize = new ResizeObserver(() => {
    if (plot && plotNode.clientWidth > 0 && Math.abs(plot.width - plotNode.clientWidth) > 1) {
      plot.setSize({ width: plotNode.clientWidth, height: plotNode.clientWidth < 420 ? 220 : 270 });
    }
  });
  resize.observe(element);
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", schedule);

  return {
    element,
    update(nextView) {
      view = nextView;
      schedule();
    },
    destroy() {
      clearTimeout(timer);
      resize.disconnect();
      scheme.removeEventListener("change", schedule);
      plot?.destroy();
    },
  };
}

// Not every series has a point at every step: where one is missing, the one before it is meant.
function lastPoint(column, index) {
  let at = index;
  while (at > 0 && (column[at] === null || column[at] === undefined)) at -= 1;
  return at;
}

// Of a logarithmic axis' lines only those at powers of ten, and of many of them every second or third.
function decades(plot, splits) {
  const exponents = splits.map((split) => (split > 0 ? Math.log10(split) : NaN)).map((exponent) => (Math.abs(exponent - Math.round(exponent)) < 1e-6 ? Math.round(exponent) : null));
  const stride = Math.ceil(exponents.filter((exponent) => exponent !== null).length / 7);
  return splits.map((split, index) => (exponents[index] !== null && exponents[index] % stride === 0 ? split : null));
}

function showLatest(plot) {
  if (plot.data[0]?.length > 0) plot.setLegend({ idxs: plot.data.map((column) => lastPoint(column, column.length - 1)) }, false);
}

function formatTick(value, digits) {
  const size = Math.abs(value);
  if (size === 0 || (size >= 1e-3 && size < 1e5)) return String(Number(value.toPrecision(4)));
  return value.toExponential(digits).replace("e+", "e");
}

// As short as they can be while no two are the same; null is a line without a number.
function formatTicks(splits) {
  const most = 3;
  for (let digits = 0; ; digits += 1) {
    const texts = splits.map((split) => (split === null ? "" : formatTick(split, digits)));
    const given = texts.filter((text) => text !== "");
    if (digits === most || new Set(given).size === given.length) return texts;
  }
}

// A little air above and below, and a span even where all values are the same.
function padded(low, high) {
  if (low === null || high === null) return [0, 1];
  const span = high - low || Math.abs(high) || 1;
  return [low >= 0 && low - span * 0.05 < 0 ? 0 : low - span * 0.05, high + span * 0.05];
}
