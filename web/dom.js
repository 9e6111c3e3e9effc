// Building elements. Everything the page shows passes through here as text nodes and properties, never as markup, so nothing
// that a client uploaded (a column called "<script>") can become part of the page.

let lastId = 0;

export function uniqueId(prefix) {
  lastId += 1;
  return `${prefix}-${lastId}`;
}

// h("a", {href: "#/jobs", class: "quiet", onclick: f}, "Jobs"): on… are listeners, data objects become data-…, true is an empty
// attribute, null and false leave it out. Children may be nested arrays, null and false are skipped.
export function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "value" || name === "checked" || name === "disabled" || name === "selected") node[name] = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  append(node, children);
  return node;
}

export function append(node, children) {
  for (const child of [children].flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : String(child));
  }
  return node;
}

export function replace(node, ...children) {
  node.replaceChildren();
  return append(node, children);
}

// Sets a text only where it changed: no needless work for screen readers and selections.
export function setText(node, text) {
  const wanted = String(text);
  if (node.textContent !== wanted) node.textContent = wanted;
}

export function show(node, isShown) {
  node.hidden = !isShown;
}

// A region that scrolls by itself must be reachable by keyboard and have a name.
export function scrollRegion(label, className, ...children) {
  return h("div", { class: `scroll ${className}`, role: "region", "aria-label": label, tabindex: "0" }, children);
}

// pairs: [term, description …]; those with a null description are left out.
export function definitionList(pairs) {
  return h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined)
    .map(([term, value]) => h("div", null, h("dt", null, term), h("dd", null, value))));
}

let announcer = null;
let announcerTimer = 0;

// Says in passing what has happened, to eyes and to screen readers.
export function announce(text) {
  announcer ??= document.getElementById("announcer");
  announcer.textContent = text;
  announcer.classList.add("is-shown");
  clearTimeout(announcerTimer);
  announcerTimer = setTimeout(() => {
    announcer.classList.remove("is-shown");
    announcer.textContent = "";
  }, 3500);
}

// Asks before something that can't be taken back. Resolves to true or false.
export function confirmDialog(question, consequence, verb) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "confirm-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "confirm-title" }, question),
        h("p", null, consequence),
        h("div", { class: "actions" },
          h("button", { value: "no", class: "button" }, "Keep"),
          h("button", { value: "yes", class: "button danger" }, verb))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
