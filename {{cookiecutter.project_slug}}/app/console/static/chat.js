// The chat page: ask, watch the answer grow, stop, go on, look back, be somebody else.

import "./console.js";
import { Exchange } from "./answer.js";
import { History } from "./chat-history.js";
import { closePassage } from "./chat-passage.js";
import { loadRights } from "./chat-rights.js";
import { pausedText, showNotices, watch } from "./chat-status.js";
import { askForDocument } from "./chat-upload.js";
import { make } from "./dom.js";
import { ask, call, newKey, Problem } from "./service.js";

const byId = (id) => document.getElementById(id);
const [thread, form, question, usecase, stop, send] = ["thread", "ask", "question", "usecase", "stop", "send"].map(byId);
const PEOPLE = JSON.parse(byId("people").textContent);
const ME = document.querySelector(".chat").dataset;
const HANDOVER = "ask-as";
const LOOK_MS = 5_000;
const BUSY = "An answer is still being written: stop it, or wait for its end.";
// The side is folded away above the conversation.
const NARROW = matchMedia("(max-width: 60rem)");
let session = null;
let running = null;
let standing = { notices: [], paused: {} };
let exchanges = [];

const say = (text) => (byId("status").textContent = text);

// What went wrong beside an answer: an opinion that did not arrive, a conversation that cannot be opened.
function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

const busy = () => notice(BUSY);

function exchangeOf(text, more = {}) {
  const edit = form && (() => bring(text));
  const exchange = new Exchange(text, { edit, firstRung: chosen()?.dataset.rung, ...more });
  exchanges.push(exchange);
  return exchange;
}

async function run({ text, name, fields, key = newKey(), note = "" }) {
  if (running) return busy();
  const asked = { text, name, fields };
  const exchange = exchangeOf(text, { again: () => run({ ...asked, key: exchange.key }), others: PEOPLE, askAs: (id) => handOver(id, asked, exchange), note });
  begin(exchange);
  try {
    const body = { question: text, fields, ...(session && { session_id: session }) };
    const turn = await ask(name, body, { key, signal: running.signal, delta: (part) => grow(exchange, () => exchange.grow(part)), partial: (fields) => grow(exchange, () => exchange.growFields(fields)) });
    enter(turn.session_id ?? session);
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
  if (byId("notice").textContent === BUSY) notice("");
  stop.hidden = true;
  send.hidden = false;
  past.load();
  // Whoever has left the conversation is busy elsewhere.
  if (!exchange.element.isConnected) return;
  exchange.element.scrollIntoView({ block: "nearest" });
  question.focus({ preventScroll: true });
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
  if (!kept || !form) return false;
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
  return true;
}

function chosen() {
  return usecase?.selectedOptions[0];
}

function showUsecase() {
  const { workflow, max, fields, documents } = chosen().dataset;
  byId("about").textContent = workflow;
  question.maxLength = Number(max);
  byId("attach").hidden = !documents;
  byId("fields").replaceChildren(
    ...Object.entries(JSON.parse(fields)).map(([name, values]) =>
      make("select", { name, "aria-label": name }, make("option", { value: "" }, `${name}…`), ...values.map((value) => make("option", {}, value))),
    ),
  );
  showStanding(standing);
}

function fieldsOf() {
  const set = [...byId("fields").querySelectorAll("select")].filter((field) => field.value);
  return Object.fromEntries(set.map((field) => [field.name, field.value]));
}

function showStanding(now) {
  standing = now;
  showNotices(now, [...(usecase?.options ?? [])].map((option) => option.value));
  if (!form) return;
  for (const option of usecase.options) option.textContent = option.dataset.title + (option.value in now.paused ? " (paused)" : "");
  const text = pausedText(now, usecase.value);
  const banner = byId("paused");
  // Written only when it changes: a screen reader reads it each time.
  if (banner.textContent !== text) banner.textContent = text;
  banner.hidden = !text;
  form.classList.toggle("is-paused", Boolean(text));
}

// The address names the conversation, so that a reload or a bookmark comes back to it.
function enter(id) {
  session = id;
  history.replaceState(null, "", id ? `#${id}` : location.pathname);
  past.mark(id);
}

async function reopen(row) {
  if (!form) return;
  if (running) return busy();
  const found = await call(`/v1/sessions/${row.id}`);
  fresh();
  if (NARROW.matches) byId("side").open = false;
  enter(found.id);
  if ([...usecase.options].some((option) => option.value === found.usecase)) usecase.value = found.usecase;
  showUsecase();
  byId("welcome").hidden = true;
  for (const { asked, said } of turnsOf(found.messages)) thread.append(remembered(asked, said, found));
  thread.lastElementChild.scrollIntoView({ block: "end" });
}

function turnsOf(messages) {
  const turns = new Map();
  for (const message of messages) {
    const turn = turns.get(message.turn_id) ?? {};
    turns.set(message.turn_id, { ...turn, [message.role === "user" ? "asked" : "said"]: message });
  }
  return [...turns.values()].filter(({ said }) => said);
}

function remembered(asked, said, row) {
  const text = asked?.text ?? "";
  const again = () => run({ text, name: row.usecase, fields: {} });
  const exchange = exchangeOf(text, { again });
  exchange.finish({ ...said, answer: said.text });
  return exchange.element;
}

function fresh() {
  enter(null);
  exchanges = [];
  closePassage();
  thread.replaceChildren(byId("welcome"));
  byId("welcome").hidden = false;
}

// An answer that is still being written belongs to the conversation that is left.
function leave() {
  running?.abort();
  fresh();
}

const past = new History({ open: reopen, gone: (id) => id === session && leave() });

// What a person decides is shown where it was waited for.
function look() {
  if (document.hidden) return;
  for (const exchange of exchanges) if (exchange.waits) exchange.look();
}

function bring(text) {
  question.value = text;
  size();
  question.focus();
}

function keys(event) {
  // What lies above the page closes first, and by itself.
  if (document.querySelector("dialog:modal")) return;
  if (event.key === "Escape" && !event.defaultPrevented) {
    if (!closePassage() && running) running.abort();
  }
  if (event.key === "/" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    question.focus();
  }
}

function listen() {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const text = question.value.trim();
    if (!text) return;
    if (running) return busy();
    question.value = "";
    size();
    run({ text, name: usecase.value, fields: fieldsOf() });
  });
  question.addEventListener("keydown", (event) => {
    if (event.key === "ArrowUp" && !question.value && exchanges.length) {
      event.preventDefault();
      bring(exchanges.at(-1).question);
    }
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    form.requestSubmit();
  });
  question.addEventListener("input", size);
  stop.addEventListener("click", () => running?.abort());
  document.addEventListener("keydown", keys);
  byId("attach").addEventListener("click", () => askForDocument({ name: usecase.value, title: chosen().dataset.title }, say));
  usecase.addEventListener("change", () => {
    leave();
    showUsecase();
  });
  byId("new").addEventListener("click", () => {
    leave();
    past.load();
    question.focus();
  });
}

function size() {
  question.style.height = "auto";
  question.style.height = `${Math.min(question.scrollHeight + 2, 200)}px`;
}

async function comeBack() {
  const id = location.hash.slice(1);
  if (!id) return;
  // Somebody else's, or deleted: the page begins anew.
  await reopen({ id }).catch(() => enter(null));
}

addEventListener("unhandledrejection", (event) => {
  event.preventDefault();
  notice(event.reason instanceof Problem ? event.reason.message : "That did not work: the service does not answer.");
});
byId("rights").addEventListener("toggle", ({ target }) => target.open && loadRights());
if (NARROW.matches) byId("side").open = false;
past.load();
if (form) {
  listen();
  showUsecase();
  if (!takeOver()) comeBack();
  setInterval(look, LOOK_MS);
}
watch(showStanding);
