// Forms made from GET /v1/schema: one field for each parameter, nested as the parameters are. A form edits a plain object, the spec
// that will be sent, in place; a parameter left at its default stays out of it. Nothing is judged here: the server does, and
// showErrors puts its words at the fields that its pointers name.

import { append, h, replace, show, uniqueId } from "./dom.js";
import { formatInteger, formatName, formatNumber } from "./format.js";

// GET /v1/schema names its groups in the plural, parameters name a sort of kind in the singular.
const groups = {
  layer: "layers", activation: "activations", initializer: "initializers", loss: "losses", optimizer: "optimizers", schedule: "schedules",
  algorithm: "algorithms", metric: "metrics",
};

export function findKinds(schema, sort) {
  return schema[sort] ?? schema[groups[sort]] ?? [];
}

// Of every kind, the parameters that people change most; the others are folded away.
const firstParameters = new Set([
  "units", "rate", "activation", "function", "alpha", "shape", "axis", "learning_rate", "momentum", "warmup_steps", "step_size", "gamma", "delta",
  "filters", "kernel_size", "pool_size", "stride", "padding", "patience", "monitor", "validation", "test", "class_weights", "label_smoothing",
]);

/* The form of one parameter table.
 *   schema     GET /v1/schema
 *   value      the object edited; keys are added and deleted in place
 *   pointer    where that object stands in the spec ("", "/layers/2"), so that errors find their fields
 *   onChange   called after every edit
 *   first      names shown first, in this order; the rest is folded under "More". Without it: required ones and firstParameters
 *   custom     {pointer: (param, context) → element} for fields that need more than their type says
 */
export function parameterForm(parameters, context) {
  const { first } = context;
  const isFirst = (param) => (first ? first.includes(param.name) : param.required || firstParameters.has(param.name));
  let shown = parameters.filter(isFirst);
  let folded = parameters.filter((param) => !isFirst(param));
  if (first) shown = first.map((name) => parameters.find((param) => param.name === name)).filter(Boolean);
  if (shown.length === 0 && folded.length <= 3) [shown, folded] = [folded, []];
  const fields = h("div", { class: "fields" }, shown.map((param) => parameterField(param, context)));
  if (folded.length === 0) return fields;
  const isEdited = folded.some((param) => param.name !== "name" && param.name in context.value);
  return h("div", { class: "parameter-form" }, fields,
    h("details", { class: "more", open: isEdited },
      h("summary", null, "More ", h("span", { class: "quiet" }, nameSome(folded))),
      h("div", { class: "fields" }, folded.map((param) => parameterField(param, context)))));
}

function nameSome(parameters) {
  const names = parameters.slice(0, 4).map((param) => formatName(param.name).replace(/^[A-Z](?=[a-z])/, (letter) => letter.toLowerCase()));
  return names.join(", ") + (parameters.length > 4 ? ` and ${parameters.length - 4} others` : "");
}

const builders = {
  boolean: booleanField, choice: choiceField, kind: kindField, kinds: kindsField, object: objectField,
  numbers: listField, names: listField, shape: listField, sizes: sizesField,
};

function parameterField(param, context) {
  const at = { ...context, pointer: `${context.pointer}/${param.name}` };
  const custom = context.custom?.[at.pointer];
  if (custom) return custom(param, at);
  return (builders[param.type] ?? textField)(param, at);
}

// Writes one parameter, or takes it out where it says no more than the default does.
function assign(param, context, value) {
  const isDefault = value === undefined || (!param.required && JSON.stringify(value) === JSON.stringify(param.default));
  if (isDefault) delete context.value[param.name];
  else context.value[param.name] = value;
  context.onChange();
}

function describeRange(param) {
  const low = param.minimum ?? param.exclusive_minimum;
  const high = param.maximum ?? param.exclusive_maximum;
  const number = param.type === "integer" || param.type === "sizes" ? formatInteger : formatNumber;
  const from = param.exclusive_minimum === undefined ? `${number(low)} or more` : `more than ${number(low)}`;
  const to = param.exclusive_maximum === undefined ? `up to ${number(high)}` : `less than ${number(high)}`;
  if (low !== undefined && high !== undefined && param.exclusive_minimum === undefined && param.exclusive_maximum === undefined) {
    return `${number(low)} to ${number(high)}`;
  }
  return [low === undefined ? "" : from, high === undefined ? "" : to].filter(Boolean).join(", ");
}

function describe(param) {
  const words = acceptedWords(param);
  const parts = [param.help, describeRange(param), words.length ? `or ${words.join(", ")}` : ""];
  if (!param.required && param.default !== undefined && param.default !== null && typeof param.default !== "object" && param.default !== "") {
    parts.push(`default ${typeof param.default === "number" ? formatNumber(param.default) : param.default}`);
  }
  return parts.filter(Boolean).join(" · ");
}

function labelOf(param) {
  return param.label ?? formatName(param.name);
}

function acceptedWords(param) {
  return [param.auto ? "auto" : null, param.word ?? null, ...(param.type === "sizes" ? param.choices ?? [] : [])].filter(Boolean);
}

// A labelled control with its help and room for an error.
export function field({ label, control, help, pointer, isInline = false }) {
  const id = control.id || uniqueId("field");
  control.id = id;
  const helpNode = help ? h("p", { class: "help", id: `${id}-help` }, help) : null;
  const errorNode = h("p", { class: "error", id: `${id}-error`, hidden: true });
  control.setAttribute("aria-describedby", helpNode ? `${id}-help ${id}-error` : `${id}-error`);
  const labelNode = h("label", { for: id }, label);
  return h("div", { class: isInline ? "field is-inline" : "field", data: { pointer } },
    isInline ? [control, labelNode] : [labelNode, control], helpNode, errorNode);
}

function parseNumber(text) {
  const number = Number(text);
  return text.trim() !== "" && Number.isFinite(number) ? number : text.trim();
}

function textField(param, context) {
  const isNumber = param.type === "integer" || param.type === "number";
  const value = context.value[param.name] ?? param.default ?? "";
  const input = h("input", {
    type: "text", inputmode: isNumber && !param.auto ? "decimal" : null, autocomplete: "off", spellcheck: "false", value: String(value),
    placeholder: param.default === null && isNumber ? "not used" : null,
    oninput: () => {
      const text = input.value;
      assign(param, context, text.trim() === "" ? undefined : isNumber ? parseNumber(text) : text);
    },
  });
  if (isNumber) input.classList.add("is-number");
  return field({ label: labelOf(param), control: input, help: describe(param), pointer: context.pointer });
}

function booleanField(param, context) {
  const input = h("input", {
    type: "checkbox", checked: context.value[param.name] ?? param.default ?? false,
    onchange: () => assign(param, context, input.checked),
  });
  return field({ label: labelOf(param), control: input, help: param.help, pointer: context.pointer, isInline: true });
}

function choiceField(param, context) {
  const select = h("select", { onchange: () => assign(param, context, select.value) },
    param.choices.map((choice) => h("option", { value: choice }, choice)));
  select.value = context.value[param.name] ?? param.default ?? param.choices[0];
  return field({ label: labelOf(param), control: select, help: param.help, pointer: context.pointer });
}

// Arrays of numbers or names, written with commas between them.
function listField(param, context) {
  const value = context.value[param.name] ?? param.default ?? "";
  const isNumeric = param.type !== "names";
  const words = acceptedWords(param);
  const input = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false", value: Array.isArray(value) ? value.join(", ") : String(value),
    placeholder: param.required ? null : "not given",
    oninput: () => {
      const text = input.value.trim();
      if (text === "") return assign(param, context, undefined);
      if (words.includes(text)) return assign(param, context, text);
      const items = text.replace(/^\[|\]$/g, "").split(",").map((item) => item.trim()).filter((item) => item !== "");
      return assign(param, context, isNumeric ? items.map(parseNumber) : items);
    },
  });
  return field({
    label: labelOf(param), control: input, pointer: context.pointer,
    help: [describe(param), isNumeric ? "numbers with commas between them" : "names with commas between them"].filter(Boolean).join(" · "),
  });
}

// One number for all axes, or one for each with commas between them.
function sizesField(param, context) {
  const value = context.value[param.name] ?? param.default ?? "";
  const words = acceptedWords(param);
  const input = h("input", {
    type: "text", autocomplete: "off", spellcheck: "false", value: Array.isArray(value) ? value.join(", ") : String(value),
    placeholder: param.default === null ? "not used" : null,
    oninput: () => {
      const text = input.value.trim();
      if (text === "") return assign(param, context, undefined);
      if (words.includes(text)) return assign(param, context, text);
      const items = text.replace(/^\[|\]$/g, "").split(",").map((item) => item.trim()).filter((item) => item !== "").map(parseNumber);
      return assign(param, context, items.length === 1 ? items[0] : items);
    },
  });
  return field({
    label: labelOf(param), control: input, pointer: context.pointer,
    help: [describe(param), param.axes > 1 ? `one number, or ${param.axes} with commas between them` : ""].filter(Boolean).join(" · "),
  });
}

function kindName(value) {
  return value !== null && typeof value === "object" ? value.type : value;
}

// A kind and, below it, the parameters of the kind chosen.
function kindField(param, context) {
  const kinds = findKinds(context.schema, param.kinds);
  const defaultName = kindName(param.default) ?? (param.auto ? "auto" : "");
  const given = context.value[param.name];
  const select = h("select", null,
    param.auto ? h("option", { value: "auto" }, "auto") : null,
    param.default === null && !param.auto ? h("option", { value: "" }, "none") : null,
    kinds.map((kind) => h("option", { value: kind.type }, kind.type)));
  select.value = kindName(given) ?? defaultName;
  const nested = h("div", { class: "nested" });
  const group = h("div", { class: "field-group" });

  const showParameters = () => {
    const kind = kinds.find((candidate) => candidate.type === select.value);
    const value = typeof context.value[param.name] === "object" && context.value[param.name] !== null ? context.value[param.name] : { type: select.value };
    replace(nested,
      kind ? h("p", { class: "help" }, kind.summary, kind.formula ? [" ", h("code", null, kind.formula)] : null) : null,
      kind?.parameters?.length ? parameterForm(kind.parameters, {
        ...context, first: undefined, value,
        onChange: () => writeKind(param, context, value),
      }) : null);
    show(nested, Boolean(kind));
    group.classList.toggle("is-wide", Boolean(kind?.parameters?.length));
  };
  select.addEventListener("change", () => {
    if (select.value === "auto" || select.value === "") assign(param, context, select.value === "" ? undefined : "auto");
    else writeKind(param, context, { type: select.value });
    showParameters();
  });
  showParameters();
  return append(group, [field({ label: labelOf(param), control: select, help: param.help, pointer: context.pointer }), nested]);
}

// A kind without parameters of its own is written by its name, as people write it: "activation": "relu".
function writeKind(param, context, value) {
  const isPlain = Object.keys(value).length === 1;
  const isDefault = isPlain && value.type === kindName(param.default) && !param.required;
  if (isDefault) delete context.value[param.name];
  else context.value[param.name] = isPlain && param.kinds === "activation" ? value.type : value;
  context.onChange();
}

function objectField(param, context) {
  const isOptional = param.default === null || param.optional === true;
  const given = context.value[param.name];
  const value = given !== null && typeof given === "object" ? given : {};
  const onChange = () => {
    if (isOptional || Object.keys(value).length > 0) context.value[param.name] = value;
    else delete context.value[param.name];
    context.onChange();
  };
  if (!isOptional && param.parameters.length === 1) {
    const [only] = param.parameters;
    return parameterField({ ...only, label: `${formatName(param.name)} ${formatName(only.name).toLowerCase()}` }, { ...context, value, onChange });
  }
  const body = h("div", { class: "nested" }, parameterForm(param.parameters, { ...context, first: undefined, value, onChange }));
  const head = h("legend", null, formatName(param.name));
  const nodes = [head];
  if (isOptional) {
    const isUsed = given !== null && typeof given === "object";
    const input = h("input", {
      type: "checkbox", checked: isUsed,
      onchange: () => {
        show(body, input.checked);
        if (input.checked) context.value[param.name] = value;
        else delete context.value[param.name];
        context.onChange();
      },
    });
    show(body, isUsed);
    nodes.push(field({ label: `Use ${formatName(param.name).toLowerCase()}`, control: input, help: param.help, pointer: context.pointer, isInline: true }));
  } else {
    nodes.push(h("p", { class: "help" }, param.help), h("p", { class: "error", hidden: true }));
  }
  return h("fieldset", { class: "field-group", data: isOptional ? null : { pointer: context.pointer } }, nodes, body);
}

// A list of kinds, a network's layers: each a card with its type, its parameters and buttons to move and remove it.
function kindsField(param, context) {
  const kinds = findKinds(context.schema, param.kinds);
  const items = context.value[param.name] ??= [];
  const list = h("ol", { class: "cards" });
  const adder = h("select", { "aria-label": `Type of the ${param.kinds} to add` }, kinds.map((kind) => h("option", { value: kind.type }, kind.type)));

  const changed = () => context.onChange();
  const render = (focusIndex, selector) => {
    replace(list, items.map((item, index) => card(item, index)));
    if (focusIndex !== undefined) list.children[focusIndex]?.querySelector(selector)?.focus();
  };
  const move = (index, by, selector) => {
    const [item] = items.splice(index, 1);
    items.splice(index + by, 0, item);
    render(index + by, selector);
    changed();
  };
  const card = (item, index) => {
    const kind = kinds.find((candidate) => candidate.type === item.type);
    const type = h("select", {
      "aria-label": `Type of ${param.kinds} ${index + 1}`, class: "card-type",
      onchange: () => {
        items[index] = { type: type.value, ...(item.name ? { name: item.name } : {}) };
        render(index, ".card-type");
        changed();
      },
    }, kind ? null : h("option", { value: item.type }, String(item.type)), kinds.map((candidate) => h("option", { value: candidate.type }, candidate.type)));
    type.value = item.type;
    const button = (className, text, label, isDisabled, action) =>
      h("button", { type: "button", class: `icon-button ${className}`, "aria-label": label, title: label, disabled: isDisabled, onclick: action }, text);
    return h("li", { class: "card", data: { pointer: `${context.pointer}/${index}` } },
      h("div", { class: "card-head" },
        h("span", { class: "card-index", "aria-hidden": "true" }, index + 1), type,
        h("span", { class: "card-result", data: { layer: String(index) } }),
        h("span", { class: "card-buttons" },
          button("move-up", "↑", `Move ${param.kinds} ${index + 1} up`, index === 0, () => move(index, -1, ".move-up")),
          button("move-down", "↓", `Move ${param.kinds} ${index + 1} down`, index === items.length - 1, () => move(index, 1, ".move-down")),
          button("remove", "×", `Remove ${param.kinds} ${index + 1}`, false, () => {
            items.splice(index, 1);
            render(Math.min(index, items.length - 1), ".remove");
            changed();
          }))),
      h("p", { class: "help" }, kind?.summary),
      h("p", { class: "error", hidden: true }),
      kind?.parameters?.length
        ? parameterForm(kind.parameters, { ...context, first: undefined, value: item, pointer: `${context.pointer}/${index}`, onChange: changed }) : null);
  };
  const add = () => {
    // A new layer goes before the output layer, whose units follow from the target, and after anything else.
    const last = items.at(-1);
    const isBeforeOutput = last && last.units === "auto" && last.activation === "auto";
    const index = isBeforeOutput ? items.length - 1 : items.length;
    const kind = kinds.find((candidate) => candidate.type === adder.value);
    const item = { type: adder.value };
    for (const required of kind?.parameters?.filter((candidate) => candidate.required) ?? []) {
      if (required.type === "integer") item[required.name] = required.name === "units" ? 32 : required.minimum ?? 1;
    }
    items.splice(index, 0, item);
    render(index, ".card-type");
    changed();
  };
  render();
  return h("div", { class: "cards-field", data: { pointer: context.pointer } },
    h("h3", null, formatName(param.name)), h("p", { class: "error", hidden: true }), list,
    h("div", { class: "adder" }, adder, h("button", { type: "button", class: "button", onclick: add }, `Add ${param.kinds}`)));
}

function clearErrors(root) {
  for (const node of root.querySelectorAll(".error")) {
    node.hidden = true;
    node.textContent = "";
  }
  for (const node of root.querySelectorAll("[aria-invalid]")) node.removeAttribute("aria-invalid");
}

// The element whose pointer is the error's, or the nearest one above it.
function findField(root, pointer) {
  let best = null;
  for (const node of root.querySelectorAll("[data-pointer]")) {
    const own = node.dataset.pointer;
    const isAbove = own === pointer || pointer.startsWith(`${own}/`);
    if (isAbove && own !== "" && (best === null || own.length >= best.dataset.pointer.length)) best = node;
  }
  return best;
}

/* Puts each of a problem's errors at its field and lists what has no field in `summary`. null clears them. With `focus`, the first
 * field in error is brought into view. */
export function showErrors(root, summary, problem, { focus = false } = {}) {
  clearErrors(root);
  replace(summary);
  show(summary, problem !== null);
  if (problem === null) return;
  const others = [];
  let first = null;
  for (const { pointer, detail } of problem.errors ?? []) {
    const node = pointer ? findField(root, pointer) : null;
    const slot = node && [...node.querySelectorAll(".error")].find((error) => error.closest("[data-pointer]") === node);
    if (!slot) {
      others.push(pointer ? `${pointer}: ${detail}` : detail);
      continue;
    }
    const rest = pointer.slice(node.dataset.pointer.length);
    const text = rest ? `${rest.slice(1)}: ${detail}` : detail;
    slot.textContent = slot.textContent ? `${slot.textContent} ${text}` : text;
    slot.hidden = false;
    const control = node.querySelector("input, select, textarea");
    control?.setAttribute("aria-invalid", "true");
    for (let above = node.closest("details"); above; above = above.parentElement?.closest("details")) above.open = true;
    first ??= control;
  }
  append(summary, h("p", { class: "problem-detail" }, problem.message));
  if (others.length > 0) append(summary, h("ul", null, others.map((text) => h("li", null, text))));
  if (focus) (first ?? summary).focus();
}

/* The spec as JSON text, to read and to edit. `getValue` gives the object; `onEdit(object)` is called for every text that is an object.
 * Returns {element, refresh}. */
export function jsonEditor(label, getValue, onEdit) {
  const error = h("p", { class: "error", hidden: true });
  const area = h("textarea", {
    class: "json", spellcheck: "false", autocomplete: "off", "aria-label": label, rows: "16",
    oninput: () => {
      let value = null;
      let message = "";
      try {
        value = JSON.parse(area.value);
        if (value === null || typeof value !== "object" || Array.isArray(value)) message = "A spec is a JSON object.";
      } catch (parseError) {
        message = parseError.message;
      }
      error.textContent = message;
      error.hidden = message === "";
      if (message === "") onEdit(value);
    },
  });
  const refresh = () => {
    if (document.activeElement !== area) area.value = JSON.stringify(getValue(), null, 2);
  };
  refresh();
  return { element: h("details", { class: "panel json-panel" }, h("summary", null, label), area, error), refresh };
}
