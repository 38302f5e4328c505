// The panel beside the conversation: the passage behind a citation, read anew under the rights of whoever looks.

import { facts, make } from "./dom.js";
import { call } from "./service.js";

const byId = (id) => document.getElementById(id);
const panel = byId("source");
const NARROW = matchMedia("(max-width: 75rem)");
let opener = null;
let wanted = 0;

// Beside the conversation where there is room, above it where there is none.
export async function openPassage(citation, turnId) {
  const asked = ++wanted;
  opener = document.activeElement;
  byId("source-title").textContent = citation.title;
  byId("source-place").textContent = [citation.heading, citation.page ? `page ${citation.page}` : "", citation.uri].filter(Boolean).join(" · ");
  byId("source-quote").textContent = citation.quote || "";
  byId("source-quote").hidden = !citation.quote;
  byId("source-pieces").hidden = true;
  note("");
  facts(byId("source-facts"), []);
  show();
  const found = await call(`/v1/turns/${turnId}/passage?marker=${citation.marker}`).catch(() => null);
  // Another one was opened meanwhile.
  if (asked !== wanted) return;
  if (found) fill(found, citation.quote);
  else note("This document is gone, or you may not read it any more.");
}

function show() {
  if (panel.open) panel.close();
  if (NARROW.matches) panel.showModal();
  else panel.show();
  byId("source-close").focus({ preventScroll: true });
}

function fill({ exact, pieces, document: about }, quote) {
  if (!pieces.length) note("This place of the document is gone since the answer was given.");
  else if (!exact) note("The document says something else here since the answer was given.");
  const shown = pieces.map((piece) => element(piece, quote));
  byId("source-pieces").replaceChildren(...shown);
  byId("source-pieces").hidden = !shown.length;
  const marked = shown.some((piece) => piece.querySelector("mark"));
  // The quote stands in the passage, marked; only where it is not found it is shown alone.
  byId("source-quote").hidden = marked || !quote;
  byId("source-pieces").querySelector("mark, .cited")?.scrollIntoView({ block: "nearest" });
  facts(byId("source-facts"), [
    ["File", about.path],
    ["In force since", about.effective_on],
    ["Superseded", about.superseded ? "yes: a newer version exists" : ""],
    ["How secret", about.classification],
    ["Who may read it", about.readers.join(", ")],
  ]);
}

function element({ heading, page, text, cited, suspicious }, quote) {
  const place = [heading, page ? `page ${page}` : ""].filter(Boolean).join(" · ");
  return make(
    "section",
    { class: cited ? "piece cited" : "piece" },
    place && make("h3", {}, place),
    suspicious && make("p", { class: "small bad" }, "This piece reads like an order to a model; its orders were not followed."),
    make("p", { class: "said" }, ...marked(text, quote)),
  );
}

// The quoted words, found whatever the spaces and line ends between them.
function marked(text, quote) {
  const words = (quote ?? "").trim().split(/\s+/).filter(Boolean);
  if (!words.length) return [text];
  const found = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+")).exec(text);
  if (!found) return [text];
  const end = found.index + found[0].length;
  return [text.slice(0, found.index), make("mark", {}, found[0]), text.slice(end)];
}

function note(text) {
  byId("source-note").textContent = text;
  byId("source-note").hidden = !text;
}

export function closePassage() {
  if (!panel.open) return false;
  panel.close();
  return true;
}

panel.addEventListener("close", () => {
  // Told a moment later: another passage may have been opened by then.
  if (panel.open) return;
  wanted += 1;
  if (opener?.isConnected) opener.focus({ preventScroll: true });
});
byId("source-close").addEventListener("click", closePassage);
