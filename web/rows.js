// Rows of a dataset as arrays in column order; null is a missing value.

import { get } from "./api.js";

export async function getRows(dataset, first, count, signal) {
  const { rows } = await get(`/v1/datasets/${encodeURIComponent(dataset.id)}/rows?offset=${first}&limit=${count}`, signal);
  return rows;
}
