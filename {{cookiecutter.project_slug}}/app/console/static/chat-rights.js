// "Who am I, and what can I see?": the person, their use cases, the documents they may read, what is kept of them.

import { facts, make } from "./dom.js";
import { call } from "./service.js";

const byId = (id) => document.getElementById(id);
const PAGE = 200;
const MAY = { documents: "send documents", jobs: "queue work", see_others: "read other people’s turns", see_evidence: "see how answers came about", see_cost: "see costs" };
let found = [];
let whole = false;

export async function loadRights() {
  const [me] = await Promise.all([call("/v1/me/access"), more(true)]);
  facts(byId("me"), [
    ["Name", `${me.name} (${me.user_id})`],
    ["Unit", me.unit],
    ["Groups", me.groups.join(", ") || "none"],
    ["Reads as", me.readers.join(", ")],
    ["Up to", me.clearance],
    ["Regions", me.regions.join(", ")],
    ["May", me.permissions.join(", ")],
  ]);
  byId("count").textContent = `(${me.documents})`;
  byId("my-cases").replaceChildren(...me.usecases.map(usecase));
  byId("kept").textContent = keptText(me);
}

function usecase({ title, may, waits_for_a_person: waits, readable_documents: documents, day_budget_usd: budget, day_spent_usd: spent }) {
  const also = Object.entries(MAY).filter(([name]) => may[name]).map(([, words]) => words);
  const money = budget === null ? "" : `$${Number(spent).toFixed(2)} of $${Number(budget).toFixed(2)} used today`;
  const told = [`${documents} documents`, also.length && `you may ${also.join(", ")}`, waits && "a person looks at each answer first", money];
  return make("li", {}, make("strong", {}, title), " ", make("span", { class: "muted" }, told.filter(Boolean).join(" · ")));
}

function keptText({ kept, usecases }) {
  const counted = [
    [kept.conversations, "conversation"],
    [kept.turns, "turn"],
    [kept.opinions, "opinion"],
    [kept.documents, "document"],
    [kept.jobs, "job"],
  ].map(([count, name]) => `${count} ${name}${count === 1 ? "" : "s"}`);
  const days = Math.max(0, ...usecases.map((each) => each.kept_days));
  return `${counted.join(", ")}.${days ? ` Turns are kept for ${days} days.` : ""}`;
}

async function more(anew = false) {
  if (anew) found = [];
  const page = await call(`/v1/documents?limit=${PAGE}&offset=${found.length}`);
  found.push(...page);
  whole = page.length < PAGE;
  show();
}

function show() {
  const wanted = byId("find-document").value.trim().toLowerCase();
  const shown = found.filter(({ title, path }) => `${title} ${path}`.toLowerCase().includes(wanted));
  byId("documents").replaceChildren(...shown.map(entry));
  byId("no-documents").hidden = shown.length > 0;
  byId("no-documents").textContent = wanted ? "None of that name." : "None.";
  byId("more-documents").hidden = whole;
}

function entry({ id, title, readers, owner, status, detail }) {
  const mine = owner && owner === document.querySelector(".chat").dataset.user;
  return make(
    "li",
    {},
    title,
    " ",
    make("span", { class: "muted" }, [...readers, mine && "sent by you"].filter(Boolean).join(", ")),
    mine && " ",
    mine && make("a", { href: `/console/documents/${id}` }, "Change who may read it"),
    status === "failed" && make("span", { class: "bad" }, ` ${detail}`),
  );
}

byId("find-document").addEventListener("input", show);
byId("more-documents").addEventListener("click", () => more());
