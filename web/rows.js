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
