// "See it": one step of training on one sample, number by number. Forward, backward, update, and again: what each layer takes and gives,
// what flows back through it, how its weights move, and the loss after every step. And the gradient, checked against differences.
//
// The server keeps nothing between requests: stepping on is asking for the trace after one step more.

import { get, getSchema, post } from "../api.js";
import { announce, h, replace, scrollRegion, setText, show, uniqueId } from "../dom.js";
import { formatDuration, formatInteger, formatNumber, formatShape, plural } from "../format.js";
import { tensorFigure } from "../heat.js";
import { attempt, emptyState, pageHead } from "../parts.js";
import { rowChooser } from "./model.js";

const phases = [
  { name: "Forward", says: "Each layer computes z from what it takes, then a, and passes it on. At the end stands the loss." },
  { name: "Backward", says: "From the loss back to the input: ∂C/∂a comes from the layer behind, the activation's slope makes it δ, and δ gives the gradient of every weight." },
  { name: "Update", says: "The optimizer moves every weight a little against its gradient, so that the loss falls." },
];
const stepsAtOnce = 10;
const stepsMax = 10000;
const lossesShown = 60;
const decadesShown = 8;   // of the bars' logarithmic scale

export async function seeModelView(context) {
  const model = await get(`/v1/models/${encodeURIComponent(context.id)}`, context.signal);
  const head = pageHead(`${model.name}, step by step`, "One sample, one step of training, every number of it. The model itself stays as it is.");
  const own = model.job_spec?.optimizer ?? { type: "sgd", learning_rate: 0.1 };
  const sample = await modelSample(model, context.signal);
  await stage(context, { name: model.name, back: `#/models/${encodeURIComponent(model.id)}`, path: `/v1/models/${encodeURIComponent(model.id)}`, key: { model: model.id }, head, own, sample });
}

export async function seeNetworkView(context) {
  const network = await get(`/v1/networks/${encodeURIComponent(context.id)}`, context.signal);
  const back = `#/networks/${encodeURIComponent(network.id)}`;
  const head = pageHead(`${network.name}, step by step`, "One sample, one step of training, every number of it, from random weights.");
  if (!network.complete) {
    context.setTitle(`${network.name}, step by step`);
    replace(context.root, crumbs(back, network.name), head, emptyState("This network waits for a dataset",
      "Its input or its last layer follow from the data. Train it, and look into the model; or make a copy with input shape, units and activation given.",
      h("a", { class: "button primary", href: `#/jobs/new?network=${encodeURIComponent(network.name)}` }, "Train it"),
      h("a", { class: "button", href: `#/networks/new?from=${encodeURIComponent(network.id)}` }, "Change a copy")));
    return;
  }
  await stage(context, { name: network.name, back, path: `/v1/networks/${encodeURIComponent(network.id)}`, key: { network: network.id }, head, own: { type: "sgd", learning_rate: 0.5 }, sample: networkSample(network) });
}

function crumbs(back, name) {
  return h("p", { class: "crumbs" }, h("a", { href: back }, name));
}

// Samples: {element, read() → part of the request's body, onChange}

async function modelSample(model, signal) {
  const sample = { onChange: () => {} };
  let row = null;
  const chosen = h("p", { class: "quiet", role: "status" });
  const chooser = await rowChooser(model, signal, async (cells, targets) => {
    row = cells;
    setText(chosen, Object.entries(targets).map(([name, value]) => `${name} ${value ?? "missing"}`).join(", "));
    sample.onChange();
  });
  if (chooser) {
    sample.element = h("div", null, chooser, chosen);
    sample.read = () => ({ rows: [row] });
    return sample;
  }
  const example = Object.fromEntries([...model.inputs.map((input) => [input.name, input.categories?.[0] ?? 0]),
    ...model.outputs.map((output) => [output.name, output.classes?.[0] ?? 0])]);
  const area = h("textarea", { class: "json", id: "see-row", value: JSON.stringify(example, null, 1), onchange: () => sample.onChange() });
  sample.element = h("div", { class: "field" }, h("label", { for: "see-row" }, "Row with its target, as JSON"), area);
  sample.read = () => ({ rows: [JSON.parse(area.value)] });
  return sample;
}

function parseNumbers(text) {
  return text.split(/[\s,;]+/).filter(Boolean).map(Number);
}

function networkSample(network) {
  const sample = { onChange: () => {} };
  const { input_shape: input, output_shape: output } = network.summary;
  const [first, last] = [network.spec.layers[0], network.spec.layers.at(-1)];
  const activation = last.activation?.type ?? last.activation ?? last.function?.type ?? last.function;
  const isClass = activation === "softmax";
  const [inputs, outputs] = [input, output].map((shape) => shape.reduce((product, size) => product * size, 1));
  const width = output.at(-1);
  const targets = isClass ? outputs / width : outputs;
  const guess = (index) => (first.type === "embedding" ? 1 + (index % Math.max(1, first.input_dim - 1)) : Math.round(100 * Math.sin(1.7 * index + 1)) / 100);
  const field = (id, label, count, value, help) => {
    const control = h("input", { type: "text", id, value: Array.from({ length: count }, (_, index) => value(index)).join(", "), autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-help`, onchange: () => sample.onChange() });
    return { control, element: h("div", { class: "field" }, h("label", { for: id }, label), control, h("p", { class: "help", id: `${id}-help` }, help)) };
  };
  const x = field("see-input", "Input", inputs, guess, `${plural(inputs, "number")}, shape ${formatShape(input)}`);
  const y = isClass ? field("see-target", targets === 1 ? "Target class" : "Target classes", targets, () => 0, `0 to ${width - 1}: the output that should be largest`)
    : field("see-target", "Target", outputs, (index) => (index % 2 === 0 ? 1 : 0), plural(outputs, "number"));
  const seed = h("input", { type: "number", min: "0", id: "see-seed", value: "1", class: "small", onchange: () => sample.onChange() });
  sample.element = h("div", { class: "fields" }, x.element, y.element,
    h("div", { class: "field" }, h("label", { for: "see-seed" }, "Start weights"), h("div", { class: "actions" }, seed, h("button", {
      type: "button", class: "button small",
      onclick: () => {
        seed.value = String(Number(seed.value) + 1);
        sample.onChange();
      },
    }, "Other weights")), h("p", { class: "help" }, "The same number gives the same random weights.")));
  sample.read = () => {
    const target = parseNumbers(y.control.value);
    return { rows: [parseNumbers(x.control.value)], targets: [targets === 1 && target.length === 1 ? target[0] : target], seed: Math.max(0, Math.round(Number(seed.value)) || 0) };
  };
  return sample;
}

// Optimizer and learning rate.
async function optimizerControls(own, onChange) {
  const { optimizers } = await getSchema();
  const kind = h("select", { id: "see-optimizer" }, optimizers.map(({ type }) => h("option", { value: type, selected: type === own.type }, type)));
  const rate = h("input", { type: "text", inputmode: "decimal", id: "see-rate", value: String(own.learning_rate), class: "is-number", autocomplete: "off" });
  kind.addEventListener("change", () => {
    const known = optimizers.find(({ type }) => type === kind.value)?.parameters.find(({ name }) => name === "learning_rate");
    rate.value = String(kind.value === own.type ? own.learning_rate : known?.default ?? rate.value);
    onChange();
  });
  rate.addEventListener("change", onChange);
  return {
    element: h("div", { class: "fields" }, h("div", { class: "field" }, h("label", { for: "see-optimizer" }, "Optimizer"), kind),
      h("div", { class: "field" }, h("label", { for: "see-rate" }, "Learning rate"), rate)),
    // A number as it was typed, so that what is wrong with it is said by the server.
    read: () => ({ optimizer: { ...(kind.value === own.type ? own : { type: kind.value }), learning_rate: rate.value.trim() === "" || Number.isNaN(Number(rate.value)) ? rate.value : Number(rate.value) } }),
  };
}

async function stage({ root, signal, setTitle }, subject) {
  setTitle(`${subject.name}, step by step`);
  const state = { steps: 0, phase: 0, sequence: 0, trace: null };
  const errorSlot = h("div");
  const layers = h("ol", { class: "see-layers", data: { phase: "0" } });
  const losses = h("div", { class: "see-losses" });
  const says = h("p", { class: "see-says" });
  const now = h("p", { class: "see-now", role: "status", "aria-live": "polite" });
  const norms = h("section", { class: "block see-norms", hidden: true });

  const showPhase = (phase) => {
    state.phase = phase;
    layers.dataset.phase = String(phase);
    show(norms, phase > 0);
    tabs.forEach((tab, index) => tab.setAttribute("aria-pressed", String(index === phase)));
    setText(next, phase < 2 ? `Next: ${phases[phase + 1].name.toLowerCase()}` : "Next step: forward again");
    describe(says, now, state);
  };
  const body = () => ({ ...subject.sample.read(), ...optimizer.read(), steps: state.steps, step: true });
  const load = (phase) => attempt(errorSlot, async () => {
    state.sequence += 1;
    const mine = state.sequence;
    layers.setAttribute("aria-busy", "true");
    try {
      const trace = await post(`${subject.path}/trace`, body(), { signal });
      if (mine !== state.sequence) return;
      state.trace = trace;
      const getWindow = (tensor, limit) => attempt(errorSlot, async () => {
        const { windows } = await post(`${subject.path}/trace`, { ...body(), windows: [{ tensor, limit }] }, { signal });
        return windows[0].values;
      });
      replace(layers, trace.layers.map((layer, index) => layerCard(layer, index, trace, getWindow)));
      replace(losses, lossBars(trace));
      replace(norms, normBars(trace));
      showPhase(phase);
    } finally {
      if (mine === state.sequence) layers.removeAttribute("aria-busy");
    }
  });
  const restart = () => {
    state.steps = 0;
    return load(0);
  };
  const goOn = (count, phase) => {
    state.steps = Math.min(stepsMax, state.steps + count);
    return load(phase);
  };

  const tabs = phases.map(({ name }, index) => h("button", { type: "button", class: "button", "aria-pressed": "false", onclick: () => showPhase(index) }, `${index + 1} ${name}`));
  const next = h("button", { type: "button", class: "button primary", onclick: () => (state.phase < 2 ? showPhase(state.phase + 1) : goOn(1, 0)) }, "Next");
  const optimizer = await optimizerControls(subject.own, restart);
  subject.sample.onChange = restart;
  replace(root, crumbs(subject.back, subject.name), subject.head,
    h("section", { class: "block see-setup" }, subject.sample.element, optimizer.element), errorSlot,
    h("div", { class: "see-bar" }, h("div", { class: "see-tabs", role: "group", "aria-label": "What is shown" }, tabs), now,
      h("div", { class: "actions" }, next, h("button", { type: "button", class: "button", onclick: () => goOn(stepsAtOnce, state.phase) }, `${stepsAtOnce} steps`),
        h("button", { type: "button", class: "button", onclick: restart }, "Start over"))),
    says, losses,
    norms, h("section", { class: "block" }, h("h2", null, "Layer by layer"), layers),
    gradientCheck(subject, signal));
  await load(0);
}

function describe(says, now, { trace, phase, steps }) {
  const numbers = [
    () => `Loss ${formatNumber(trace.loss)}`,
    () => `Gradient’s norm ${formatNumber(trace.gradient_norm)}`,
    () => `Loss ${formatNumber(trace.loss)} → ${formatNumber(trace.after?.loss)}`,
  ];
  setText(now, `Step ${formatInteger(steps + 1)} · ${numbers[phase]()}`);
  const formula = [trace.loss_formula, null, trace.optimizer_formula][phase];
  replace(says, phases[phase].says, formula ? [" ", h("code", null, formula)] : null);
}

// The loss before each step so far, and after the one that is shown.
function lossBars(trace) {
  const values = [...trace.losses, trace.after?.loss ?? null];
  const first = Math.max(0, values.length - lossesShown);
  const shown = values.slice(first);
  const most = Math.max(...shown.filter(Number.isFinite), 1e-30);
  const label = `Loss by step: ${formatNumber(values[0])} at first, ${formatNumber(trace.loss)} now, ${formatNumber(trace.after?.loss)} after this step`;
  return [h("div", { class: "loss-bars", role: "img", "aria-label": label }, shown.map((value, index) => {
    const step = first + index;
    const place = step === values.length - 1 ? "is-next" : step === values.length - 2 ? "is-now" : "";
    const bar = h("span", { class: place, title: `${step === 0 ? "at first" : `after ${plural(step, "step")}`}: ${value === null ? "not finite" : formatNumber(value)}` });
    bar.style.height = `${value === null ? 100 : Math.max(2, (value / most) * 100)}%`;
    return bar;
  })), h("p", { class: "help" }, "The loss, step by step. Filled: now. Outlined: after the update.")];
}

// Norms of δ and of the weights' gradient, layer by layer: what vanishes or explodes shows here.
function normBars(trace) {
  const rows = trace.layers.map((layer) => ({ name: layer.name, delta: layer.delta.norm, gradient: layer.gradient_norm }));
  const table = (caption, key) => {
    const known = rows.filter((row) => row[key] !== null);
    const most = Math.max(...known.map((row) => row[key]), 1e-300);
    return h("table", { class: "bars" }, h("caption", null, caption), h("tbody", null, known.map((row) => {
      const bar = h("span", { class: "bar is-winner" });
      const share = row[key] > 0 ? 1 + Math.log10(row[key] / most) / decadesShown : 0;
      bar.style.width = `${Math.max(0.5, share * 100)}%`;
      return h("tr", null, h("th", { scope: "row", title: row.name }, row.name), h("td", { class: "bar-cell" }, bar), h("td", { class: "number" }, formatNumber(row[key])));
    })));
  };
  return [h("h2", null, "What flows back"), h("div", { class: "see-norm-tables" }, table("Norm of δ", "delta"), table("Norm of the weights' gradient", "gradient")),
    h("p", { class: "help" }, `On a logarithmic scale of ${decadesShown} decades: a bar an eighth shorter is a tenth of the norm. Where it shrinks from layer to layer the gradient vanishes, where it grows it explodes.`)];
}

// What is shown from the backward, and from the update phase on.
const [forward, backward, update] = ["", "from-backward", "from-update"];

function layerCard(layer, index, trace, getWindow) {
  const figure = (tensor, symbol, words, className) => tensor && tensorFigure(tensor, { symbol, words, className, isOfSamples: true, getWindow });
  const weights = (tensor, symbol, words, className) => tensorFigure(tensor, { symbol, words, className, getWindow });
  const isAfterLast = index > 0 && layer.inputs.length === 1 && layer.inputs[0] === trace.layers[index - 1].name;
  const formulas = [[layer.formula, forward], [layer.activation_formula, forward], [layer.delta_formula, backward], [layer.gradient_formula, backward]]
    .filter(([text]) => text);
  const activation = layer.activation?.type && layer.activation.type !== "linear" ? layer.activation.type : null;
  return h("li", { class: "card see-layer", data: { layer: layer.name } },
    h("div", { class: "card-head" }, h("span", { class: "card-index" }, index + 1), h("h3", null, layer.name), h("span", { class: "quiet" }, [layer.type, activation].filter(Boolean).join(", ")),
      isAfterLast ? null : h("span", { class: "quiet" }, `takes ${layer.inputs.join(" and ")}`)),
    h("ul", { class: "formulas" }, formulas.map(([text, className]) => h("li", { class: className }, h("code", null, text)))),
    h("div", { class: "tensors" },
      isAfterLast ? null : layer.input.map((tensor) => figure(tensor, "x", "what it takes")),
      figure(layer.z, "z", activation ? "before the activation" : "what it gives"),
      activation ? figure(layer.a, "a", "what it gives") : null,
      figure(activation ? layer.activation_derivative : null, "f′(z)", "the activation's slope", backward),
      figure(layer.activation_jacobian, "∂a/∂z", "each output by each z", backward),
      figure(layer.a_gradient, "∂C/∂a", "how the loss depends on a", backward),
      figure(layer.delta, "δ", "∂C/∂z: the error that it is blamed for", backward)),
    layer.tensors.map((tensor) => h("div", { class: "tensors" },
      weights(tensor.value, tensor.name, "as it is now"),
      weights(tensor.gradient, `∂C/∂${tensor.name}`, "its gradient", backward),
      weights(tensor.step, `Δ${tensor.name}`, "what the optimizer adds", update))));
}

// The gradient check

function gradientCheck(subject, signal) {
  const errorSlot = h("div");
  const result = h("div", { class: "stack" });
  const title = uniqueId("gradient-check");
  const button = h("button", {
    type: "button", class: "button",
    onclick: async () => {
      button.disabled = true;
      const { rows, targets, seed } = subject.sample.read();
      const check = await attempt(errorSlot, () => post("/v1/gradient-checks", { ...subject.key, rows, targets, seed }, { signal }));
      button.disabled = false;
      replace(result, check ? checkResult(check) : null);
      if (check) announce(check.passes ? "The gradient is right." : "The gradient is not right.");
    },
  }, "Check the gradient");
  return h("section", { class: "block", "aria-labelledby": title }, h("h2", { id: title }, "Is the gradient right?"),
    h("p", { class: "quiet" }, "Backpropagation computes the gradient in one pass. The slow way moves each weight a little to both sides and looks at the loss. Both should say the same."),
    h("div", { class: "actions" }, button), errorSlot, result);
}

function checkResult(check) {
  const { backprop, differences } = check;
  const times = backprop.seconds > 0 ? Math.round(differences.seconds / backprop.seconds) : 0;
  const left = [check.kinks > 0 ? `${formatInteger(check.kinks)} at a kink` : "", check.unresolved > 0 ? `${formatInteger(check.unresolved)} too small to tell` : ""].filter(Boolean).join(", ");
  return [
    h("p", null, h("span", { class: "badge", data: { state: check.passes ? "succeeded" : "failed" } }, check.passes ? "right" : "not right"), " ",
      `Largest relative error ${formatNumber(check.largest_error)}, allowed ${formatNumber(check.tolerance)}. `,
      `Backpropagation took one pass, ${formatShortTime(backprop.seconds)}; differences took ${formatInteger(differences.loss_evaluations)} evaluations of the loss, ${formatShortTime(differences.seconds)}`,
      times > 1 ? `: ${formatInteger(times)} times as long.` : ".", left ? ` Left out: ${left}.` : ""),
    scrollRegion("Gradient check by tensor", "", h("table", { class: "table" },
      h("thead", null, h("tr", null, ["Tensor", "Largest error", "Mean error", "Worst entry", "By backpropagation", "By differences", ""].map((name, index) => h("th", { scope: "col", class: index > 0 && index < 6 ? "number" : null }, name)))),
      h("tbody", null, check.tensors.map((tensor) => h("tr", null, h("th", { scope: "row" }, `${tensor.layer}.${tensor.name}`),
        h("td", { class: "number" }, tensor.non_finite ? "not finite" : formatNumber(tensor.largest_error)), h("td", { class: "number" }, formatNumber(tensor.mean_error)),
        h("td", { class: "number" }, formatShape(tensor.worst.position)), h("td", { class: "number" }, formatNumber(tensor.worst.backprop)), h("td", { class: "number" }, formatNumber(tensor.worst.difference)),
        h("td", null, h("span", { class: "badge", data: { state: tensor.passes ? "succeeded" : "failed" } }, tensor.passes ? "right" : "not right")))))))];
}

function formatShortTime(seconds) {
  return seconds < 0.001 ? `${Math.max(1, Math.round(seconds * 1e6))} µs` : formatDuration(seconds);
}
