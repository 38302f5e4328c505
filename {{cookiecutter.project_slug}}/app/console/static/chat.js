// The chat page: ask, watch the answer grow, stop, go on, look back, be somebody else.

import "./console.js";
import { Exchange } from "./answer.js";
import { facts, make } from "./dom.js";
import { ask, call, newKey, Problem } from "./service.js";

const byId = (id) => document.getElementById(id);
const [thread, form, question, usecase, stop, send] = ["thread", "ask", "question", "usecase", "stop", "send"].map(byId);
const PEOPLE = JSON.parse(byId("people").textContent);
const ME = document.querySelector(".chat").dataset;
const HANDOVER = "ask-as";
const POLL_MS = 5000;
let session = null;
let running = null;

const say = (text) => (byId("status").textContent = text);

// What went wrong beside an answer: an opinion that did not arrive, a conversation that cannot be opened.
function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

async function run({ text, name, fields, key = newKey(), note = "" }) {
  if (running) return;
  const asked = { text, name, fields };
  const exchange = new Exchange(text, { again: () => run({ ...asked, key: exchange.key }), others: PEOPLE, askAs: (id) => handOver(id, asked, exchange), note });
  begin(exchange);
  try {
    const body = { question: text, fields, ...(session && { session_id: session }) };
    const turn = await ask(name, body, { key, signal: running.signal, delta: (part) => grow(exchange, () => exchange.grow(part)), partial: (fields) => grow(exchange, () => exchange.growFields(fields)) });
    session = turn.session_id ?? session;
    exchange.finish(turn);
    say(`${exchange.family === "answered" ? "Answer" : "No answer"}: ${exchange.answer.textContent}`);
  } catch (error) {
    told(exchange, error, key);
  } finally {
    end(exchange);
  }
}

function begin(exchange) {
  running = new AbortController();
  notice("");
  byId("welcome").hidden = true;
  thread.append(exchange.element);
  exchange.element.scrollIntoView({ block: "end", behavior: "smooth" });
  stop.hidden = false;
  send.hidden = true;
  say("Looking for an answer.");
}

function grow(exchange, show) {
  // Whoever has scrolled up to read is left there.
  const atEnd = innerHeight + scrollY >= document.documentElement.scrollHeight - 120;
  show();
  if (atEnd) exchange.element.scrollIntoView({ block: "end" });
}

function told(exchange, error, key) {
  if (error.name === "AbortError") exchange.stop();
  else if (error instanceof Problem) {
    const { outcome, turn_id: turnId, detail, title, retry_after_s: wait } = error.body;
    const later = wait && outcome !== "paused_switch" ? ` Try again in ${wait} s.` : "";
    exchange.fail(`${detail || title}${later}`, { turnId, outcome, family: "failed" });
  } else {
    // The same key again: if the answer was made after all, we get that one.
    exchange.key = key;
    exchange.fail("The connection broke. Ask again: nothing is done twice.");
  }
  say(exchange.answer.textContent);
}

function end(exchange) {
  running = null;
  exchange.element.scrollIntoView({ block: "nearest" });
  stop.hidden = true;
  send.hidden = false;
  question.focus({ preventScroll: true });
  loadSessions();
  loadSwitches();
}

// The same question as somebody else: what the first was told stays in view beside it.
function handOver(id, asked, exchange) {
  const before = { name: ME.name, said: exchange.said, family: exchange.family };
  sessionStorage.setItem(HANDOVER, JSON.stringify({ asked, before }));
  const become = byId("become");
  become.requestSubmit(become.querySelector(`button[value="${CSS.escape(id)}"]`));
}

function takeOver() {
  const kept = sessionStorage.getItem(HANDOVER);
  sessionStorage.removeItem(HANDOVER);
  if (!kept || !form) return;
  const { asked, before } = JSON.parse(kept);
  const there = [...usecase.options].some((option) => option.value === asked.name);
  const earlier = make(
    "article",
    { class: `exchange earlier ${before.family}`, "aria-label": `What ${before.name} was told` },
    make("p", { class: "asked-as small" }, `What ${before.name} was told`),
    make("p", { class: "told" }, before.said),
  );
  thread.append(earlier);
  if (there) usecase.value = asked.name;
  showUsecase();
  run({ ...asked, note: `The same, as ${ME.name}` });
}

function chosen() {
  return usecase.selectedOptions[0];
}

function showUsecase() {
  const { workflow, max, fields } = chosen().dataset;
  byId("about").textContent = workflow;
  question.maxLength = Number(max);
  byId("fields").replaceChildren(
    ...Object.entries(JSON.parse(fields)).map(([name, values]) =>
      make("select", { name, "aria-label": name }, make("option", { value: "" }, `${name}…`), ...values.map((value) => make("option", {}, value))),
    ),
  );
  loadSwitches();
}

function fieldsOf() {
  const set = [...byId("fields").querySelectorAll("select")].filter((field) => field.value);
  return Object.fromEntries(set.map((field) => [field.name, field.value]));
}

async function loadSwitches() {
  const cases = await call("/v1/usecases").catch(() => null);
  if (!cases || !form) return;
  const found = cases.find((item) => item.name === usecase.value);
  const banner = byId("paused");
  const text = found?.paused ? `${found.title} is paused by an operator. Questions are not answered until it is resumed.` : "";
  // Written only when it changes: a screen reader reads it each time.
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
}

async function loadSessions() {
  const sessions = await call("/v1/sessions").catch(() => null);
  if (!sessions) return;
  byId("no-sessions").hidden = sessions.length > 0;
  byId("sessions").replaceChildren(...sessions.map(entry));
}

function entry(row) {
  const open = make("button", { type: "button", class: "open", "aria-current": row.id === session ? "true" : null, onclick: () => reopen(row) }, row.title || "Untitled");
  const forget = async () => {
    await call(`/v1/sessions/${row.id}`, { method: "DELETE" });
    if (row.id === session) fresh();
    loadSessions();
  };
  return make("li", {}, open, make("button", { type: "button", class: "forget", "aria-label": `Delete “${row.title}”`, title: "Delete", onclick: forget }, "×"));
}

async function reopen(row) {
  if (running) return;
  const { messages } = await call(`/v1/sessions/${row.id}`);
  fresh();
  session = row.id;
  if ([...usecase.options].some((option) => option.value === row.usecase)) usecase.value = row.usecase;
  showUsecase();
  byId("welcome").hidden = true;
  for (let place = 0; place + 1 < messages.length; place += 2) thread.append(remembered(messages[place], messages[place + 1], row));
  loadSessions();
  thread.lastElementChild.scrollIntoView({ block: "end" });
}

function remembered(asked, said, row) {
  const again = () => run({ text: asked.text, name: row.usecase, fields: {} });
  const exchange = new Exchange(asked.text, { again });
  // A conversation keeps what was said, not how it came about; "What happened" leads there.
  exchange.finish({ answer: said.text, citations: said.citations, turn_id: said.turn_id });
  return exchange.element;
}

function fresh() {
  session = null;
  thread.replaceChildren(byId("welcome"));
  byId("welcome").hidden = false;
}

async function loadRights() {
  const [me, documents] = await Promise.all([call("/v1/me"), call("/v1/documents?limit=500")]);
  facts(byId("me"), [
    ["Name", `${me.name} (${me.user_id})`],
    ["Groups", me.groups.join(", ") || "none"],
    ["Reads as", me.readers.join(", ")],
    ["May", me.permissions.join(", ")],
  ]);
  byId("count").textContent = `(${documents.length})`;
  byId("documents").replaceChildren(...documents.map(({ title, readers }) => make("li", {}, title, " ", make("span", { class: "muted" }, readers.join(", ")))));
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (!text || running) return;
    question.value = "";
    size();
    run({ text, name: usecase.value, fields: fieldsOf() });
  });
  question.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  question.addEventListener("input", size);
  stop.addEventListener("click", () => running?.abort());
  usecase.addEventListener("change", () => {
    fresh();
    showUsecase();
  });
  byId("new").addEventListener("click", () => {
    running?.abort();
    fresh();
    loadSessions();
    question.focus();
  });
}

function size() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 200)}px`;
}

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  notice(event.reason instanceof Problem ? event.reason.message : "That did not work: the service does not answer.");
});
byId("rights").addEventListener("toggle", ({ target }) => target.open && loadRights());
if (matchMedia("(max-width: 60rem)").matches) byId("side").open = false;
loadSessions();
if (form) {
  listen();
  showUsecase();
  takeOver();
  setInterval(() => document.hidden || loadSwitches(), POLL_MS);
}
