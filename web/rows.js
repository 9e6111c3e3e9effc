// Rows of a dataset as arrays in column order; null is a missing value.

import { get } from "./api.js";

export async function getRows(dataset, first, count, signal) {
  const { rows } = await searchRows(dataset, "", first, count, signal);
  return rows;
}

// Those that fulfil the conditions, which may be "": {rows, indices, total}.
export function searchRows(dataset, where, first, count, signal) {
  const query = new URLSearchParams({ offset: String(first), limit: String(count), ...(where ? { where } : {}) });
  return get(`/v1/datasets/${encodeURIComponent(dataset.id)}/rows?${query}`, signal);
}

// The column that is most likely to be predicted: the last one, but of images their labels.
export function guessTarget({ columns, part_column: part }) {
  const candidates = columns.filter(({ name, shape }) => !shape && name !== part);
  const label = columns.some(({ shape }) => shape) ? candidates.find(({ name }) => name === "label") : null;
  return (label ?? candidates.at(-1) ?? columns.at(-1))?.name;
}
