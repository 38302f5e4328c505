// What is off, told the moment that it is: a stream while the page is looked at, and none while it is not.

import { make } from "./dom.js";
import { call } from "./service.js";

const AGAIN_MS = 5000;
let source = null;
let timer = 0;

// Calls `tell({notices, paused})` at once and at each change.
export function watch(tell) {
  const open = () => {
    clearTimeout(timer);
    if (document.hidden || source) return;
    source = new EventSource("/chat/status");
    source.addEventListener("status", (event) => {
      document.documentElement.dataset.listening = "yes";
      tell(JSON.parse(event.data));
    });
    source.onerror = () => {
      // A browser tries again by itself unless it was told something that is no stream, such as to sign in.
      if (source?.readyState !== EventSource.CLOSED) return;
      shut();
      timer = setTimeout(() => call("/v1/me").catch(() => null).then(open), AGAIN_MS);
    };
  };
  const shut = () => {
    source?.close();
    source = null;
  };
  // Each open stream takes one of the few connections that a browser gives to a site.
  document.addEventListener("visibilitychange", () => (document.hidden ? shut() : open()));
  addEventListener("pagehide", shut);
  addEventListener("pageshow", open);
  open();
}

// What is off altogether, on top of the page; `names` are the use cases, which have a banner of their own.
export function showNotices({ notices }, names) {
  const wide = notices.filter(({ subject }) => !names.includes(subject));
  const banners = wide.map((notice) => make("p", { class: "banner warn" }, make("strong", {}, told(notice))));
  const place = document.getElementById("notices");
  // Written only when it changes: a screen reader reads it each time.
  if (place.textContent !== banners.map((banner) => banner.textContent).join("")) place.replaceChildren(...banners);
}

// A sentence for the use case that is chosen; "" where nothing stands in its way.
export function pausedText({ notices, paused }, name) {
  if (!(name in paused)) return "";
  const own = notices.filter(({ subject }) => subject === name).map(told);
  const instead = paused[name] === "no_model" ? "you get answers for which no model is asked" : "questions are not answered";
  return [...own, `Until it is resumed, ${instead}.`].join(" ");
}

function told({ text, until }) {
  return until ? `${text} It goes on by itself at ${clock(until)}.` : text;
}

function clock(moment) {
  const until = new Date(moment);
  const today = until.toDateString() === new Date().toDateString();
  return until.toLocaleString(undefined, today ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}
