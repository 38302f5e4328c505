// One question and its answer on the page: growing, finished, stopped or refused; and what people make of it.

import { openPassage } from "./chat-passage.js";
import { Opinion } from "./chat-opinion.js";
import { call } from "./service.js";
import { facts, make, prose } from "./dom.js";

const OUTCOMES = JSON.parse(document.getElementById("outcomes").textContent);
// What is known of an answer in an old conversation whose turn is gone: that it was given.
const REMEMBERED = { family: "remembered", sentence: "" };

export class Exchange {
  // `again` asks the same once more, `edit` brings the question back to be changed; `others` are people who could be
  // asked as, `askAs` does it. `firstRung` is the best rung of the use case's ladder.
  constructor(question, { again, edit, others = [], askAs, note = "", firstRung = "" }) {
    Object.assign(this, { question, again, edit, others, askAs, firstRung, text: "" });
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
    const cite = (marker) => sources.has(marker) && this.chip(sources.get(marker), `[${marker}]`, "cite");
    const body = make("div", { class: "prose" }, prose(turn.answer ?? "", (marker) => cite(marker) || null));
    this.settle(words.family, body);
    if (words.family !== "answered" && words.sentence) this.answer.prepend(verdict(words.sentence));
    if (turn.data) this.answer.append(data(turn.data));
    if (sources.size) this.answer.append(this.chips([...sources.values()]));
    if (words.family === "answered") this.answer.append(...this.how(turn, words));
    this.buttons({ opinion: true, story: turn.turn_id });
    this.waits = turn.outcome === "escalated_review";
    if (this.waits || turn.reviewed) this.look();
  }

  // What is said instead of an answer; a problem that names its outcome is told in the same words.
  fail(sentence, { family = "failed", turnId = "", outcome = "" } = {}) {
    const words = OUTCOMES[outcome] ?? { family, sentence: "" };
    const parts = words.sentence ? [verdict(words.sentence)] : [];
    const told = make("p", words.sentence ? {} : { class: "verdict" }, sentence);
    this.settle(words.family, ...parts, ...(sentence ? [told] : []));
    this.buttons({ opinion: false, story: turnId });
  }

  // What was said, without markers and how it came about.
  get said() {
    const parts = [...this.answer.querySelectorAll("p, li, h3, .data div")].filter((part) => !part.closest(".how, .sources, .reviews"));
    return parts.map((part) => part.textContent.replace(/\s*\[\d+\]/g, "")).join("\n");
  }

  stop() {
    const kept = this.text ? [make("div", { class: "prose unfinished" }, prose(this.text, () => null))] : [];
    this.settle("failed", ...kept, make("p", { class: "verdict" }, "You stopped this answer."));
    this.buttons({ opinion: false });
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
    const sign = this.degraded(turn);
    const skipped = turn.skipped?.length
      ? make(
          "details",
          { class: "skipped" },
          make("summary", {}, "Why?"),
          make("ul", {}, ...turn.skipped.map((skip) => make("li", {}, `${skip.rung}: ${skip.reason}`))),
        )
      : null;
    return [make("div", { class: "how small" }, sign && make("span", { class: "state warn" }, sign), make("span", { class: "rung" }, model + age), skipped)];
  }

  // In two words what stood in for the best rung; "" where nothing did.
  degraded({ outcome, rung, skipped, age_s: age }) {
    const stoodIn = skipped?.length || (rung && rung !== "cached" && this.firstRung && rung !== this.firstRung && outcome !== "answered_model");
    if (!stoodIn) return "";
    if (outcome === "answered_model") return "A stand-in answered";
    return typeof age === "number" ? "An older answer" : "No model answered";
  }

  buttons({ opinion, story = "" }) {
    this.opinion = opinion && story ? new Opinion(this.turn, { filed: () => this.look() }) : null;
    this.foot.replaceChildren(
      ...[
        ...(this.opinion?.buttons ?? []),
        this.again && make("button", { type: "button", class: "plain", onclick: this.again }, "Ask again"),
        this.edit && make("button", { type: "button", class: "plain", onclick: this.edit }, "Change the question"),
        this.others.length > 0 && this.asSomebody(),
        story && make("a", { href: `/console/turns/${story}`, class: "plain" }, "What happened"),
        this.turn?.latency_ms > 0 && make("span", { class: "muted small spent" }, spent(this.turn)),
      ].filter(Boolean),
    );
    this.opinion?.place(this.foot);
  }

  asSomebody() {
    const choose = ({ target }) => target.value && this.askAs(target.value);
    const people = this.others.map(({ id, name, groups }) => make("option", { value: id }, `${name} (${groups.join(", ")})`));
    const label = "Ask the same as another person";
    return make("select", { class: "plain", "aria-label": label, onchange: choose }, make("option", { value: "" }, "Ask as…"), ...people);
  }

  // Asks what people have made of this turn; what they decided stands with the answer, or in its place.
  async look() {
    const story = await call(`/v1/turns/${this.turn.turn_id}`).catch(() => null);
    const reviews = story?.reviews ?? [];
    if (!reviews.length) return;
    this.waits = reviews.some(({ status }) => status === "open");
    const decided = reviews.filter(({ status }) => status !== "open").sort((one, other) => one.decided_at.localeCompare(other.decided_at)).at(-1);
    if (decided && decided.id !== this.decided) this.replace(decided, story.citations);
    this.answer.querySelector(".reviews")?.remove();
    this.answer.append(make("ul", { class: "reviews small" }, ...reviews.map((review) => make("li", {}, fate(review)))));
  }

  // What a person decided stands in the place of what was said before.
  replace({ id, status, answer, data: fields }, citations) {
    this.decided = id;
    const waits = this.waits;
    const given = status === "approved" ? { answer: answer || this.turn.answer, data: fields, citations } : { answer: "", data: null, citations: [] };
    this.finish({ ...this.turn, outcome: "", reviewed: false, ...given });
    this.waits = waits;
    this.answer.prepend(verdict(status === "approved" ? "A person has looked at this and gives you this answer." : "A person has looked at this and decided not to give an answer."));
  }

  chips(citations) {
    return make(
      "ul",
      { class: "sources", "aria-label": "Sources" },
      ...citations.map((citation) => make("li", {}, this.chip(citation, `${citation.marker} ${citation.title}`, "source"))),
    );
  }

  chip(citation, label, kind) {
    const title = `Open source ${citation.marker}: ${citation.title}`;
    return make("button", { type: "button", class: kind, "aria-label": title, "aria-haspopup": "dialog", onclick: () => openPassage(citation, this.turn.turn_id) }, label);
  }
}

const verdict = (sentence) => make("p", { class: "verdict" }, sentence);

function fate({ kind, status, due_at: due, note }) {
  const isComplaint = kind === "complaint";
  if (status === "open") {
    const by = new Date(due).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "short" });
    return `${isComplaint ? "Your complaint" : "This answer"} is with a person, who decides by ${by}.`;
  }
  const read = isComplaint ? "A person has read your complaint" : "A person has decided";
  const came = status === "approved" ? "the answer above is theirs" : "the answer is not given";
  return `${read}: ${came}.${note ? ` They say: “${note}”` : ""}`;
}

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
