// Talking to the server: JSON requests, uploads with progress, event streams that resume, downloads. All of them send the token,
// once one was asked for, and turn an error answer into a Problem in the server's own words.

export class Problem extends Error {
  constructor(status, body) {
    super(body?.detail || body?.title || `The server answered ${status}.`);
    this.status = status;
    this.code = body?.code ?? "";
    this.errors = Array.isArray(body?.errors) ? body.errors : [];   // [{pointer, detail}]
    this.requestId = body?.request_id ?? "";
  }
}

const tokenKey = "backpropd.token";
let token = sessionStorage.getItem(tokenKey) ?? "";
let askForToken = async () => "";
let pendingToken = null;

// `ask(refused)` resolves to a token; refused tells whether one was sent already and not accepted.
export function onTokenNeeded(ask) {
  askForToken = ask;
}

export function hasToken() {
  return token !== "";
}

function authorization() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

// One question at a time, however many requests were refused.
async function renewToken(refusedToken) {
  if (token !== refusedToken) return;
  pendingToken ??= askForToken(refusedToken !== "").finally(() => { pendingToken = null; });
  token = await pendingToken;
  sessionStorage.setItem(tokenKey, token);
}

async function send(method, path, options) {
  for (;;) {
    const usedToken = token;
    let response;
    try {
      response = await fetch(path, { ...options, method, headers: { ...options.headers, ...authorization() }, cache: "no-store" });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Problem(0, { detail: "The server can't be reached. Is it still running?", code: "unreachable" });
    }
    if (response.status !== 401) return response;
    await renewToken(usedToken);
  }
}

async function readProblem(response) {
  const text = await response.text();
  try {
    return new Problem(response.status, JSON.parse(text));
  } catch {
    return new Problem(response.status, { detail: text.slice(0, 300) });
  }
}

export async function request(method, path, { json, headers = {}, signal } = {}) {
  const body = json === undefined ? undefined : JSON.stringify(json);
  const response = await send(method, path, {
    body, signal,
    headers: { Accept: "application/json", ...(body === undefined ? {} : { "Content-Type": "application/json" }), ...headers },
  });
  if (!response.ok) throw await readProblem(response);
  const text = await response.text();
  return text ? JSON.parse(text) : null;
}

export const get = (path, signal) => request("GET", path, { signal });
export const post = (path, json, options = {}) => request("POST", path, { json, ...options });
export const patch = (path, json) => request("PATCH", path, { json });
export const remove = (path) => request("DELETE", path);

export async function getText(path, signal) {
  const response = await send("GET", path, { signal, headers: {} });
  if (!response.ok) throw await readProblem(response);
  return response.text();
}

export async function getBlob(path, signal) {
  const response = await send("GET", path, { signal, headers: {} });
  if (!response.ok) throw await readProblem(response);
  return response.blob();
}

// A file as it is; the answer is JSON.
export async function postBlob(path, blob, type, signal) {
  const response = await send("POST", path, { body: blob, signal, headers: { Accept: "application/json", "Content-Type": type } });
  if (!response.ok) throw await readProblem(response);
  return response.json();
}

// All items of a list, page by page.
export async function getAll(path, signal) {
  const items = [];
  let cursor = null;
  do {
    const page = await get(`${path}?limit=100${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ""}`, signal);
    items.push(...page.items);
    cursor = page.next_cursor;
  } while (cursor);
  return items;
}

// A key for Idempotency-Key: the server answers a repeated POST as it answered the first.
export function createKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

let schemaPromise = null;

// GET /v1/schema, once: it can't change while the server runs.
export function getSchema() {
  schemaPromise ??= get("/v1/schema").catch((error) => {
    schemaPromise = null;
    throw error;
  });
  return schemaPromise;
}

// XMLHttpRequest, since fetch can't tell how much of a body has been sent. Returns {promise, cancel}.
export function upload(path, file, contentType, onProgress) {
  let current = null;
  let isCancelled = false;

  const attempt = () => new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    current = xhr;
    xhr.open("POST", path);
    if (contentType) xhr.setRequestHeader("Content-Type", contentType); // a form brings its own, with its boundary
    xhr.setRequestHeader("Accept", "application/json");
    for (const [name, value] of Object.entries(authorization())) xhr.setRequestHeader(name, value);
    xhr.upload.onprogress = (event) => onProgress(event.loaded, event.total || file.size);
    xhr.onload = () => resolve(xhr);
    xhr.onabort = () => reject(new Problem(0, { detail: "Upload cancelled.", code: "cancelled" }));
    xhr.onerror = () => reject(new Problem(0, { detail: "The upload broke off. Nothing of it was kept.", code: "unreachable" }));
    xhr.send(file);
  });

  const run = async () => {
    for (;;) {
      const usedToken = token;
      const xhr = await attempt();
      if (xhr.status === 401 && !isCancelled) {
        await renewToken(usedToken);
        continue;
      }
      let body = null;
      try { body = JSON.parse(xhr.responseText); } catch { body = { detail: xhr.responseText.slice(0, 300) }; }
      if (xhr.status < 200 || xhr.status > 299) throw new Problem(xhr.status, body);
      return body;
    }
  };
  return { promise: run(), cancel: () => { isCancelled = true; current?.abort(); } };
}

// Server-sent events over fetch, because EventSource can't send a token. Reconnects with Last-Event-ID until an `end` event, an
// answer that no repetition would change, or the signal. onEvent({id, event, data}); after a stream broke off without an end,
// isOver() resolves to true if nothing more is to come.
export async function streamEvents(path, { lastEventId = "", onEvent, isOver, signal }) {
  let id = lastEventId;
  let isEnded = false;
  let waitMs = 500;

  const take = (fields) => {
    if (fields.id !== undefined) id = fields.id;
    if (fields.event === "end") isEnded = true;
    if (fields.data !== undefined) onEvent(fields);
  };

  while (!isEnded && !signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream", ...(id ? { "Last-Event-ID": id } : {}) };
      const response = await send("GET", path, { headers, signal });
      if (response.status === 204) return;
      if (!response.ok) {
        if (response.status < 500) throw await readProblem(response);
      } else {
        waitMs = 500;
        await readEvents(response.body, take);
      }
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (error instanceof Problem && error.status >= 400 && error.status < 500) throw error;
    }
    if (isEnded || signal.aborted || await isOver()) return;
    await new Promise((resolve) => { setTimeout(resolve, waitMs); });
    waitMs = Math.min(waitMs * 2, 5000);
  }
}

async function readEvents(body, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let fields = {};
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    for (const raw of lines) {
      const line = raw.endsWith("\r") ? raw.slice(0, -1) : raw;
      if (line === "") {
        take(fields);
        fields = {};
      } else if (!line.startsWith(":")) {
        const colon = line.indexOf(":");
        const name = colon < 0 ? line : line.slice(0, colon);
        const text = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
        fields[name] = name === "data" && fields.data !== undefined ? `${fields.data}\n${text}` : text;
      }
    }
  }
}

// Links to files are plain links; where a token is needed, which a link can't send, the file is fetched and handed over.
export async function download(path, fileName) {
  const response = await send("GET", path, { headers: {} });
  if (!response.ok) throw await readProblem(response);
  const url = URL.createObjectURL(await response.blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = fileName;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}
