// Keys for who does not use a pointer: ? lists them, g and a letter opens a page, / goes to the first field. They can be
// switched off, because speech and other input devices send letters, too.

const OFF = "shortcuts-off";
const PATIENCE_MS = 1500;
// Long ago: a letter soon after the load follows no g.
let began = -PATIENCE_MS;

const isOff = () => localStorage.getItem(OFF) === "yes";

function isTyping(target) {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]");
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || isOff()) return;
  if (event.key === "?") return show(event);
  if (event.key === "/") {
    const field = document.querySelector("main :is(input:not([type=hidden]), select, textarea)");
    if (field?.checkVisibility()) {
      event.preventDefault();
      field.focus();
    }
    return;
  }
  const link = event.timeStamp - began < PATIENCE_MS && document.querySelector(`#pages a[data-key="${CSS.escape(event.key)}"]`);
  began = !link && event.key === "g" ? event.timeStamp : -PATIENCE_MS;
  if (link) link.click();
}

function show(event) {
  event?.preventDefault();
  const list = document.getElementById("shortcuts");
  if (!list.open) list.showModal();
}

export function shortcuts() {
  const button = document.getElementById("show-shortcuts");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => show());
  document.addEventListener("keydown", pressed);
  const use = document.getElementById("use-shortcuts");
  use.checked = !isOff();
  use.addEventListener("change", () => localStorage.setItem(OFF, use.checked ? "no" : "yes"));
}
