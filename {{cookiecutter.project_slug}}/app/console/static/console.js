// Local times with their zone, no double sending, Escape closes what is open. Every page works without this file.

import { follow } from "./live.js";
import { shortcuts } from "./shortcuts.js";

function localTimes(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    const short = { hour: "2-digit", minute: "2-digit", second: "2-digit", day: "numeric", month: "short", timeZoneName: "short" };
    time.title ||= time.textContent;
    time.textContent = moment.toLocaleString(undefined, "short" in time.dataset ? short : { dateStyle: "medium", timeStyle: "long" });
  }
}

function sendOnce(event) {
  // After the form's data is taken: a disabled button would not be part of it.
  setTimeout(() => {
    for (const button of event.target.querySelectorAll("button")) button.disabled = true;
  });
}

function closeOpen(event) {
  if (event.key !== "Escape") return;
  for (const open of document.querySelectorAll("details.menu[open], details.act[open]")) {
    // One press closes what is open, and does nothing else.
    event.preventDefault();
    open.open = false;
    open.querySelector("summary").focus();
  }
}

function closeMenu(event) {
  const menu = document.querySelector("details.menu[open]");
  if (menu && !menu.contains(event.target)) menu.open = false;
}

// What a part of the page needs, again when the part is new.
function dressPart(root) {
  localTimes(root);
  // What answers with a file leaves the page as it is, to be sent again.
  for (const form of root.querySelectorAll("form[method=post]:not([data-file])")) form.addEventListener("submit", sendOnce);
  for (const act of root.querySelectorAll("details.act")) {
    act.addEventListener("toggle", () => act.open && act.querySelector("input:not([type=hidden]), select, textarea")?.focus());
  }
}

// What holds it is moved, within its borders, and never the window: a page begins where it begins.
function bring(here) {
  for (let box = here.parentElement; box !== document.body; box = box.parentElement) {
    const inner = here.getBoundingClientRect(), outer = box.getBoundingClientRect();
    const top = outer.top + box.clientTop, left = outer.left + box.clientLeft;
    box.scrollTop += Math.ceil(Math.max(0, inner.bottom - top - box.clientHeight)) + Math.floor(Math.min(0, inner.top - top));
    box.scrollLeft += Math.ceil(Math.max(0, inner.right - left - box.clientWidth)) + Math.floor(Math.min(0, inner.left - left));
  }
}

function showCurrent() {
  for (const here of document.querySelectorAll(":is(.tabs, .pages) [aria-current]")) bring(here);
}

export function dress() {
  dressPart(document);
  showCurrent();
  document.getElementById("pages")?.addEventListener("toggle", showCurrent);
  document.addEventListener("keydown", closeOpen);
  document.addEventListener("click", closeMenu);
  // A page out of the browser's memory has its buttons back.
  addEventListener("pageshow", (event) => event.persisted && location.reload());
  shortcuts();
  follow(dressPart);
}

dress();
