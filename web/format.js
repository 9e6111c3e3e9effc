// Numbers, times and names as people read them.

const integers = new Intl.NumberFormat("en");

export function formatInteger(value) {
  return Number.isFinite(value) ? integers.format(value) : "–";
}

// Four significant digits; very large and very small numbers in powers of ten. null is a number that was not finite.
export function formatNumber(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (typeof value !== "number") return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-4) return value.toExponential(3).replace(/\.?0+e/, "e").replace("e+", "e");
  if (size >= 1e4) return integers.format(Math.round(value));
  return String(Number(value.toPrecision(4)));
}

export function formatPercent(value) {
  return Number.isFinite(value) ? `${(value * 100).toFixed(2)}\u00a0%` : "–";
}

const shares = new Set(["accuracy", "top_k_accuracy", "precision", "recall", "f1"]);

export function isShare(metric) {
  return shares.has(metric.replace(/^(validation|test)_/, ""));
}

export function formatMetric(name, value) {
  return isShare(name) ? formatPercent(value) : formatNumber(value);
}

export function formatBytes(bytes) {
  if (!Number.isFinite(bytes)) return "–";
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return unit === 0 ? `${integers.format(bytes)} bytes` : `${size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

export function formatDuration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor((whole % 86400) / 3600)} h`;
}

export function formatTime(rfc3339) {
  return rfc3339 ? new Date(rfc3339).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" }) : "–";
}

export function formatAgo(rfc3339, now = Date.now()) {
  if (!rfc3339) return "–";
  const seconds = Math.max(0, (now - Date.parse(rfc3339)) / 1000);
  if (seconds < 5) return "just now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(rfc3339).toLocaleDateString(undefined, { dateStyle: "medium" });
}

export function formatShape(shape) {
  return Array.isArray(shape) ? `[${shape.join(", ")}]` : "–";
}

// "learning_rate" → "Learning rate"; abbreviations stay abbreviations.
const abbreviations = { l1: "L1", l2: "L2", f1: "F1", mae: "MAE", rmse: "RMSE", r2: "R²", roc_auc: "ROC AUC", sha256: "SHA-256" };

export function formatName(name) {
  if (abbreviations[name]) return abbreviations[name];
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

export function plural(count, noun) {
  return `${formatInteger(count)} ${noun}${count === 1 ? "" : "s"}`;
}
