// A document for a use case: sent within one's own rights, read by a job, and then asked about.

import { make } from "./dom.js";
import { call, follow, Problem } from "./service.js";

const byId = (id) => document.getElementById(id);
let open = "";

// `said(text)` tells the page what became of it.
export async function askForDocument({ name, title }, said) {
  open = name;
  byId("upload-about").textContent = `It is read for “${title}”; nobody finds it there who may not read it.`;
  byId("upload-form").reset();
  tell("");
  byId("upload").showModal();
  byId("upload-form").onsubmit = (event) => {
    event.preventDefault();
    send(said);
  };
  offer(await call("/v1/me/access"));
}

function offer({ readers, levels }) {
  const words = (name) => (name === "everyone" ? "everyone" : name.startsWith("user:") ? "only me" : name.slice(name.indexOf(":") + 1));
  const sorted = [...readers].sort((one, other) => Number(other.startsWith("user:")) - Number(one.startsWith("user:")));
  byId("upload-readers").replaceChildren(
    make("legend", {}, "Who may read it?"),
    ...sorted.map((name) =>
      make("label", { class: "check" }, make("input", { type: "checkbox", name: "readers", value: name, checked: name.startsWith("user:") }), " ", words(name)),
    ),
  );
  byId("upload-level-place").hidden = levels.length === 0;
  byId("upload-level").replaceChildren(...levels.map((level) => make("option", {}, level)));
}

async function send(said) {
  const form = new FormData(byId("upload-form"));
  if (byId("upload-level-place").hidden) form.delete("classification");
  if (!form.has("readers")) return tell("Choose at least one reader.", "warn");
  form.set("usecase", open);
  const title = form.get("title") || form.get("file").name;
  byId("upload-send").disabled = true;
  tell("Sending…");
  try {
    const { job_id: job } = await call("/v1/documents", { method: "POST", form });
    tell("Reading…");
    await follow(job, () => null);
    const done = await call(`/v1/jobs/${job}`);
    const { status, detail } = done.result ?? {};
    const isRead = done.status === "succeeded" && status !== "failed";
    const sentence = isRead ? `“${title}” is read: ask about it. ${detail || ""}` : `“${title}” could not be read. ${detail || done.error}`;
    tell(sentence, isRead ? "good" : "warn");
    said(sentence);
  } catch (error) {
    tell(error instanceof Problem ? error.message : "That did not work: the service does not answer.", "warn");
  } finally {
    byId("upload-send").disabled = false;
  }
}

function tell(text, tone = "") {
  byId("upload-said").textContent = text;
  byId("upload-said").className = `banner small ${tone}`;
  byId("upload-said").hidden = !text;
}

byId("upload-close")?.addEventListener("click", () => byId("upload").close());
