// Past conversations: found, opened again, renamed, deleted.

import { make } from "./dom.js";
import { call, Problem } from "./service.js";

const byId = (id) => document.getElementById(id);
const PAGE = 50;
// From so many on it is worth looking for one.
const MANY = 8;

export class History {
  // `open(row)` shows a conversation, `gone(id)` is told of one that was deleted.
  constructor({ open, gone }) {
    Object.assign(this, { open, gone, rows: [], current: null });
    byId("find-session").addEventListener("input", () => this.show());
    byId("older").addEventListener("click", () => this.older());
  }

  async load() {
    const rows = await call(`/v1/sessions?limit=${PAGE}`).catch(() => null);
    if (!rows) return;
    // Whatever older ones were asked for stay in the list.
    const known = new Set(rows.map((row) => row.id));
    const last = rows.at(-1)?.updated_at ?? "";
    this.rows = [...rows, ...this.rows.filter((row) => rows.length === PAGE && !known.has(row.id) && row.updated_at < last)];
    this.hasMore = this.rows.length >= PAGE;
    this.show();
  }

  async older() {
    const rows = await call(`/v1/sessions?limit=${PAGE}&before=${encodeURIComponent(this.rows.at(-1).updated_at)}`);
    this.rows.push(...rows);
    this.hasMore = rows.length === PAGE;
    this.show();
  }

  mark(id) {
    this.current = id;
    for (const open of byId("sessions").querySelectorAll(".open")) {
      if (open.dataset.id === id) open.setAttribute("aria-current", "true");
      else open.removeAttribute("aria-current");
    }
  }

  show() {
    const wanted = byId("find-session").value.trim().toLowerCase();
    const shown = this.rows.filter((row) => row.title.toLowerCase().includes(wanted));
    byId("find-session").hidden = this.rows.length < MANY && !wanted;
    byId("older").hidden = !this.hasMore;
    byId("no-sessions").hidden = shown.length > 0;
    byId("no-sessions").textContent = wanted ? "None of that name." : "None yet.";
    // Somebody who writes a new title keeps what they wrote.
    if (byId("sessions").querySelector("form")) return;
    byId("sessions").replaceChildren(...shown.map((row) => this.entry(row)));
  }

  entry(row) {
    const title = row.title || "Untitled";
    const open = make("button", { type: "button", class: "open", "data-id": row.id, title, "aria-current": row.id === this.current ? "true" : null, onclick: () => this.open(row) }, title);
    const button = (label, name, press) => make("button", { type: "button", class: "forget", "aria-label": `${label} “${title}”`, title: label, onclick: press }, name);
    const item = make("li", {}, open);
    item.append(
      button("Rename", "✎", () => this.rename(row, item)),
      button("Delete", "×", () => this.confirm(row, item)),
    );
    return item;
  }

  rename(row, item) {
    const field = make("input", { value: row.title, maxlength: "200", required: true, "aria-label": `New title of “${row.title}”`, autocomplete: "off" });
    const back = () => this.replace(item, row);
    const save = async (event) => {
      event.preventDefault();
      const renamed = await call(`/v1/sessions/${row.id}`, { method: "PATCH", json: { title: field.value } });
      Object.assign(row, renamed);
      back();
    };
    this.ask(item, back, make("form", { class: "retitle", onsubmit: save }, field, make("button", { class: "button" }, "Save"), make("button", { type: "button", class: "button quiet", onclick: back }, "Cancel")));
    field.select();
  }

  confirm(row, item) {
    const back = () => this.replace(item, row);
    const forget = async (event) => {
      event.preventDefault();
      try {
        await call(`/v1/sessions/${row.id}`, { method: "DELETE" });
      } catch (error) {
        // Deleted elsewhere already.
        if (!(error instanceof Problem) || error.body.status !== 404) {
          back();
          throw error;
        }
      }
      this.rows = this.rows.filter((other) => other.id !== row.id);
      item.remove();
      this.show();
      this.gone(row.id);
    };
    const question = make("p", { class: "small" }, "Delete for good what was said in “", make("strong", {}, row.title || "Untitled"), "”?");
    const form = make("form", { class: "retitle", onsubmit: forget }, question, make("button", { class: "button danger" }, "Delete"), make("button", { type: "button", class: "button quiet", onclick: back }, "Keep"));
    this.ask(item, back, form);
    form.querySelector("button").focus();
  }

  ask(item, back, form) {
    form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      back();
    });
    item.replaceChildren(form);
    form.querySelector("input")?.focus();
  }

  replace(item, row) {
    const fresh = this.entry(row);
    item.replaceWith(fresh);
    fresh.querySelector(".open").focus();
  }
}
