// Rows of a dataset as arrays in column order; null is a missing value.

import { get } from "./api.js";

export async function getRows(dataset, first, count, signal) {
  const answer = await get(`/v1/datasets/${encodeURIComponent(dataset.id)}/rows?offset=${first}&limit=${count}`, signal);
  const rows = answer.rows ?? answer.items ?? [];
  return rows.map((row) => (Array.isArray(row) ? row : dataset.columns.map(({ name }) => row[name] ?? null)));
}
