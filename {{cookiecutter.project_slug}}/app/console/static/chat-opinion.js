// What the asker thinks of an answer: a thumb that can be taken back, a correction, a complaint that a person reads.

import { make } from "./dom.js";
import { call } from "./service.js";

export class Opinion {
  // `filed` is told once a complaint is with the reviewers.
  constructor({ turn_id: id, thumbs = "", correction = "" }, { filed }) {
    Object.assign(this, { id, filed, correction });
    this.thumbs = [this.thumb("up", "Good answer"), this.thumb("down", "Bad answer")];
    this.below = make("div", { class: "below" });
    this.complaint = make("button", { type: "button", class: "plain", "aria-expanded": "false", onclick: () => this.complain() }, "Complain");
    this.buttons = [...this.thumbs, this.complaint];
    this.press(thumbs);
    if (correction) this.below.append(make("p", { class: "small muted" }, `You said it should have been: ${correction}`));
  }

  place(foot) {
    foot.parentElement.querySelector(".below")?.remove();
    foot.after(this.below);
  }

  thumb(thumbs, label) {
    return make("button", { type: "button", class: "thumb", "aria-label": label, "aria-pressed": "false", "data-thumbs": thumbs, onclick: () => this.opine(thumbs), title: label }, hand());
  }

  // The same thumb again takes it back.
  async opine(thumbs) {
    const isPressed = this.given === thumbs;
    if (isPressed) await call(`/v1/turns/${this.id}/feedback`, { method: "DELETE" });
    else await call(`/v1/turns/${this.id}/feedback`, { method: "POST", json: { thumbs } });
    this.press(isPressed ? "" : thumbs);
    this.shut();
    if (this.given !== "down") return;
    this.below.append(this.correct());
    this.below.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  press(given) {
    this.given = given;
    for (const button of this.thumbs) button.setAttribute("aria-pressed", String(button.dataset.thumbs === given));
  }

  correct() {
    const field = make("textarea", { rows: "2", maxlength: "4000", required: true, id: `correct-${this.id}` });
    const send = async (event) => {
      event.preventDefault();
      await call(`/v1/turns/${this.id}/feedback`, { method: "POST", json: { thumbs: "down", correction: field.value } });
      thank(event.target, "Thank you. The people who own this use case will see it.");
    };
    return form(send, make("label", { for: field.id }, "What should it have said? ", make("span", { class: "muted" }, "(your opinion counts without it, too)")), field);
  }

  complain() {
    if (this.complaint.getAttribute("aria-expanded") === "true") return this.shut();
    this.complaint.setAttribute("aria-expanded", "true");
    const field = make("textarea", { rows: "3", maxlength: "4000", required: true, id: `complaint-${this.id}` });
    const send = async (event) => {
      event.preventDefault();
      await call(`/v1/turns/${this.id}/complaint`, { method: "POST", json: { text: field.value } });
      this.complaint.hidden = true;
      thank(event.target, "Thank you. A person reads it, and what they decide is told here.");
      this.filed();
    };
    const hint = make("span", { class: "muted" }, "(a person reads it, with your question and this answer)");
    this.below.replaceChildren(form(send, make("label", { for: field.id }, "What is wrong? ", hint), field));
    field.focus({ preventScroll: true });
    this.below.firstElementChild.scrollIntoView({ block: "nearest" });
  }

  shut() {
    this.complaint.setAttribute("aria-expanded", "false");
    this.below.replaceChildren();
  }
}

function form(send, ...parts) {
  return make("form", { class: "correct", onsubmit: send }, ...parts, make("button", { class: "button" }, "Send"));
}

function thank(form, sentence) {
  form.replaceChildren(make("p", { role: "status" }, sentence));
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
