// What the doctor says of a job: each finding with what was seen, why it matters and what to try; those that
// no longer hold are folded away.

import { h, replace, setText, show } from "./dom.js";
import { formatInteger, formatName, formatNumber, plural } from "./format.js";

const severityNames = { info: "Note", warning: "Warning", critical: "Critical" };

export function createDoctor() {
  const calm = h("p", { class: "quiet" });
  const active = h("ul", { class: "findings" });
  const past = h("ul", { class: "findings" });
  const pastSummary = h("summary", null);
  const pastPanel = h("details", { class: "panel" }, pastSummary, past);
  const element = h("section", { class: "block", id: "doctor", "aria-label": "Doctor" }, h("h2", null, "Doctor"), calm, active, pastPanel);
  const cards = new Map();
  let shownKey = "";
  return {
    element,
    update(job) {
      const findings = job.diagnosis ?? [];
      for (const finding of findings) {
        if (!cards.has(finding.code)) cards.set(finding.code, createCard());
        cards.get(finding.code).update(finding);
      }
      const current = findings.filter((finding) => finding.active);
      const former = findings.filter((finding) => !finding.active);
      const key = JSON.stringify([current.map(({ code }) => code), former.map(({ code }) => code)]);
      if (key !== shownKey) { // cards that stay where they are keep what is open in them
        shownKey = key;
        replace(active, current.map(({ code }) => cards.get(code).element));
        replace(past, former.map(({ code }) => cards.get(code).element));
      }
      show(element, (job.progress?.epoch ?? 0) > 0 || findings.length > 0);
      show(calm, current.length === 0);
      setText(calm, former.length > 0 ? "Nothing is wrong any more." : "Nothing to complain of.");
      setText(pastSummary, `No longer so: ${plural(former.length, "finding")}`);
      show(active, current.length > 0);
      show(pastPanel, former.length > 0);
    },
  };
}

function createCard() {
  const badge = h("span", { class: "badge" });
  const title = h("h3", null);
  const where = h("p", { class: "quiet finding-where" });
  const seen = h("p", { class: "finding-seen" });
  const why = h("p", null);
  const advice = h("ul", null);
  const rule = h("p", { class: "help" });
  const numbers = h("p", { class: "help number" });
  const element = h("li", { class: "finding" },
    h("div", { class: "finding-head" }, badge, title), where, seen, why,
    h("div", { class: "finding-try" }, h("p", { class: "finding-label" }, "Try"), advice),
    h("details", null, h("summary", { class: "quiet" }, "The rule and its numbers"), rule, numbers));
  let adviceKey = "";
  return {
    element,
    update(finding) {
      element.dataset.severity = finding.active ? finding.severity : "past";
      setText(badge, severityNames[finding.severity] ?? finding.severity);
      setText(title, formatName(finding.code));
      setText(where, describePlace(finding));
      setText(seen, finding.seen);
      setText(why, finding.why);
      setText(rule, `It is found where ${finding.rule}.`);
      setText(numbers, Object.entries(finding.numbers).map(([name, value]) => `${name} ${formatNumber(value)}`).join(" · "));
      const key = finding.try.join("\n");
      if (key === adviceKey) return;
      adviceKey = key;
      replace(advice, finding.try.map((text) => h("li", null, text)));
    },
  };
}

function describePlace({ layer, active, first_epoch: first, last_epoch: last }) {
  const parts = layer ? [`Layer ${layer}`] : [];
  if (first === last) parts.push(`epoch ${formatInteger(first)}`);
  else parts.push(active ? `since epoch ${formatInteger(first)}` : `epochs ${formatInteger(first)} to ${formatInteger(last)}`);
  const text = parts.join(" · ");
  return text.charAt(0).toUpperCase() + text.slice(1);
}
