// One question and its answer on the page: growing, finished, stopped or refused.

import { call } from "./service.js";
import { facts, make, prose } from "./dom.js";

const OUTCOMES = JSON.parse(document.getElementById("outcomes").textContent);
// What is known of an answer in an old conversation: that it was given.
const REMEMBERED = { family: "remembered", sentence: "" };
const byId = (id) => document.getElementById(id);

export class Exchange {
  // `again` asks the same once more; `others` are people who could be asked as, `askAs` does it.
  constructor(question, { again, others = [], askAs, note = "" }) {
    Object.assign(this, { question, again, others, askAs, text: "" });
    this.answer = make("div", { class: "answer" }, make("p", { class: "thinking" }, "Looking…"));
    this.foot = make("footer", { class: "foot" });
    this.element = make(
      "article",
      { class: "exchange", "aria-busy": "true" },
      make("div", { class: "asked" }, note && make("p", { class: "muted small" }, note), make("p", {}, question)),
      this.answer,
      this.foot,
    );
  }

  grow(text) {
    this.text += text;
    this.answer.replaceChildren(prose(this.text, () => null));
    this.answer.classList.add("growing");
  }

  // Each time all fields that are complete so far.
  growFields(fields) {
    this.answer.replaceChildren(data(fields));
    this.answer.classList.add("growing");
  }

  // The finished turn replaces what was shown while it grew.
  finish(turn) {
    this.turn = turn;
    const words = OUTCOMES[turn.outcome] ?? REMEMBERED;
    const sources = new Map((turn.citations ?? []).map((citation) => [citation.marker, citation]));
    const cite = (marker) => sources.has(marker) && chip(sources.get(marker), `[${marker}]`, "cite");
    const body = make("div", { class: "prose" }, prose(turn.answer ?? "", (marker) => cite(marker) || null));
    this.settle(words.family, body);
    if (words.family !== "answered" && words.sentence) this.answer.prepend(verdict(words.sentence));
    if (turn.data) this.answer.append(data(turn.data));
    if (sources.size) this.answer.append(chips([...sources.values()]));
    if (words.family === "answered") this.answer.append(...this.how(turn, words));
    this.buttons({ feedback: words.family === "answered" || words === REMEMBERED, story: turn.turn_id });
  }

  // What is said instead of an answer; a problem that names its outcome is told in the same words.
  fail(sentence, { family = "failed", turnId = "", outcome = "" } = {}) {
    const words = OUTCOMES[outcome] ?? { family, sentence: "" };
    const parts = words.sentence ? [verdict(words.sentence)] : [];
    const told = make("p", words.sentence ? {} : { class: "verdict" }, sentence);
    this.settle(words.family, ...parts, ...(sentence ? [told] : []));
    this.buttons({ feedback: false, story: turnId });
  }

  // What was said, without markers and how it came about.
  get said() {
    const parts = [...this.answer.querySelectorAll("p, li, h3, .data div")].filter((part) => !part.closest(".how, .sources"));
    return parts.map((part) => part.textContent.replace(/\s*\[\d+\]/g, "")).join("\n");
  }

  stop() {
    const kept = this.text ? [make("div", { class: "prose unfinished" }, prose(this.text, () => null))] : [];
    this.settle("failed", ...kept, make("p", { class: "verdict" }, "You stopped this answer."));
    this.buttons({ feedback: false });
  }

  settle(family, ...parts) {
    this.family = family;
    this.element.setAttribute("aria-busy", "false");
    this.element.classList.add(family);
    this.answer.classList.remove("growing");
    this.answer.replaceChildren(...parts);
  }

  how(turn, words) {
    const model = turn.outcome === "answered_model" && turn.model ? `Answered by ${turn.model}.` : words.sentence;
    const age = typeof turn.age_s === "number" ? ` It is ${old(turn.age_s)} old.` : "";
    const skipped = turn.skipped?.length
      ? make(
          "details",
          { class: "skipped" },
          make("summary", {}, "Why?"),
          make("ul", {}, ...turn.skipped.map((skip) => make("li", {}, `${skip.rung}: ${skip.reason}`))),
        )
      : null;
    return [make("div", { class: "how small" }, make("span", { class: "rung" }, model + age), skipped)];
  }

  buttons({ feedback, story = "" }) {
    this.foot.replaceChildren(
      ...[
        feedback && this.thumb("up", "Good answer"),
        feedback && this.thumb("down", "Bad answer"),
        this.again && make("button", { type: "button", class: "plain", onclick: this.again }, "Ask again"),
        this.others.length > 0 && this.asSomebody(),
        story && make("a", { href: `/console/turns/${story}`, class: "plain" }, "What happened"),
        this.turn?.latency_ms > 0 && make("span", { class: "muted small spent" }, spent(this.turn)),
      ].filter(Boolean),
    );
  }

  asSomebody() {
    const choose = ({ target }) => target.value && this.askAs(target.value);
    const people = this.others.map(({ id, name, groups }) => make("option", { value: id }, `${name} (${groups.join(", ")})`));
    const label = "Ask the same as another person";
    return make("select", { class: "plain", "aria-label": label, onchange: choose }, make("option", { value: "" }, "Ask the same as…"), ...people);
  }

  thumb(thumbs, label) {
    const press = async () => {
      await this.opine({ thumbs });
      for (const button of this.foot.querySelectorAll("button[data-thumbs]")) {
        button.setAttribute("aria-pressed", String(button.dataset.thumbs === thumbs));
      }
      this.correction?.remove();
      if (thumbs === "down") this.foot.after((this.correction = this.correct()));
    };
    return make("button", { type: "button", class: "thumb", "aria-label": label, "aria-pressed": "false", "data-thumbs": thumbs, onclick: press, title: label }, hand());
  }

  correct() {
    const field = make("textarea", { rows: "2", maxlength: "4000", required: true, id: `correct-${this.turn.turn_id}` });
    const send = async (event) => {
      event.preventDefault();
      await this.opine({ thumbs: "down", correction: field.value });
      event.target.replaceChildren(make("p", { role: "status" }, "Thank you. The people who own this use case will see it."));
    };
    return make(
      "form",
      { class: "correct", onsubmit: send },
      make("label", { for: field.id }, "What should it have said? ", make("span", { class: "muted" }, "(optional)")),
      field,
      make("button", { class: "button" }, "Send"),
    );
  }

  async opine(opinion) {
    await call(`/v1/turns/${this.turn.turn_id}/feedback`, { method: "POST", json: opinion });
  }
}

// Turned upside down by the style sheet for "down".
function hand() {
  const [svg, path] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  path.setAttribute("d", "M7 10.5V21H3.5V10.5zM10 21V10l3-6.5c1.6 0 2.6 1.1 2.3 2.8l-.6 3.2H19c1.2 0 2.1 1.1 1.9 2.3L19.6 19A2.4 2.4 0 0 1 17.3 21z");
  svg.append(path);
  return svg;
}

const verdict = (sentence) => make("p", { class: "verdict" }, sentence);

function spent({ latency_ms, usage }) {
  const time = latency_ms >= 1000 ? `${(latency_ms / 1000).toFixed(1)} s` : `${Math.round(latency_ms)} ms`;
  const cost = usage?.cost_usd === null ? "unpriced" : Number(usage?.cost_usd) > 0 ? `$${Number(usage.cost_usd).toFixed(4)}` : "";
  return [time, cost].filter(Boolean).join(" · ");
}

function old(seconds) {
  const [count, unit] = seconds < 90 ? [seconds, "second"] : seconds < 5400 ? [seconds / 60, "minute"] : seconds < 129600 ? [seconds / 3600, "hour"] : [seconds / 86400, "day"];
  const whole = Math.max(1, Math.round(count));
  return `${whole} ${unit}${whole === 1 ? "" : "s"}`;
}

function data(values) {
  const list = make("dl", { class: "data" });
  facts(list, Object.entries(values).map(([name, value]) => [name, typeof value === "object" ? JSON.stringify(value) : value]));
  return list;
}

function chips(citations) {
  return make(
    "ul",
    { class: "sources", "aria-label": "Sources" },
    ...citations.map((citation) => make("li", {}, chip(citation, `${citation.marker} ${citation.title}`, "source"))),
  );
}

function chip(citation, label, kind) {
  const title = `Open source ${citation.marker}: ${citation.title}`;
  return make("button", { type: "button", class: kind, "aria-label": title, "aria-haspopup": "dialog", onclick: () => open(citation) }, label);
}

async function open(citation) {
  byId("source-title").textContent = citation.title;
  byId("source-place").textContent = [citation.heading, citation.page ? `page ${citation.page}` : ""].filter(Boolean).join(" · ");
  byId("source-quote").textContent = citation.quote || "The quote is not kept with old conversations, because rights change. Ask again to read it.";
  facts(byId("source-facts"), [["Where", citation.uri]]);
  byId("source").showModal();
  const document_ = await call(`/v1/documents/${citation.document_id}`).catch(() => null);
  if (!document_) return facts(byId("source-facts"), [["Document", "It is gone, or you may not read it any more."]]);
  facts(byId("source-facts"), [
    ["File", document_.path],
    ["In force since", document_.effective_on],
    ["Superseded", document_.superseded ? "yes: a newer version exists" : ""],
    ["Who may read it", document_.readers.join(", ")],
  ]);
}
