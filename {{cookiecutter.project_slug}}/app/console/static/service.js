// The service's HTTP interface, as the chat page uses it.

export class Problem extends Error {
  constructor(body) {
    super(body.detail || body.title || "The service did not answer.");
    this.body = body;
  }
}

// `json` is sent as such; `form` is a FormData, as files need.
export async function call(path, { method = "GET", json, form } = {}) {
  const headers = json ? { "Content-Type": "application/json" } : {};
  const response = await fetch(path, { method, headers, body: json ? JSON.stringify(json) : form });
  if (response.status === 401) return signIn();
  if (!response.ok) throw new Problem(await bodyOf(response));
  return response.status === 204 ? null : response.json();
}

// Follows a job to its end: hands each event's name and data over.
export async function follow(jobId, news) {
  const response = await fetch(`/v1/jobs/${jobId}/events`, { headers: { Accept: "text/event-stream" } });
  if (!response.ok) throw new Problem(await bodyOf(response));
  for await (const { event, data } of events(response.body)) news(event, data);
}

function signIn() {
  location.assign("/console/sign-in");
  return new Promise(() => {});
}

async function bodyOf(response) {
  const body = await response.json().catch(() => ({ title: `HTTP ${response.status}`, status: response.status }));
  const wait = Number(response.headers.get("Retry-After"));
  return wait ? { ...body, retry_after_s: wait } : body;
}

// Asks once and hands over each delta, or the fields of a structured answer that are complete so far; gives the finished
// turn. Throws Problem for what the service refuses, AbortError when `signal` stops it, TypeError when the connection
// breaks.
export async function ask(usecase, body, { key, signal, delta, partial }) {
  const response = await fetch(`/v1/usecases/${encodeURIComponent(usecase)}/turns`, {
    method: "POST",
    headers: { Accept: "text/event-stream", "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify(body),
    signal,
  });
  if (response.status === 401) return signIn();
  if (!response.ok) throw new Problem(await bodyOf(response));
  if (!response.headers.get("Content-Type").startsWith("text/event-stream")) return response.json();
  for await (const { event, data } of events(response.body)) {
    if (event === "delta") delta(data.text);
    if (event === "partial") partial(data.data);
    if (event === "error") throw new Problem(data);
    if (event === "end") return data;
  }
  throw new TypeError("The connection broke before the answer was complete.");
}

async function* events(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    buffer += value;
    for (let end; (end = buffer.indexOf("\n\n")) >= 0; buffer = buffer.slice(end + 2)) {
      const lines = buffer.slice(0, end).split("\n");
      const field = (name) => lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2)).join("\n");
      if (field("data")) yield { event: field("event"), data: JSON.parse(field("data")) };
    }
  }
}

// A key that makes sending twice safe; crypto.randomUUID is not there on plain http.
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
