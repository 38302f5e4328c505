// Regions that stay current without a reload: the service says which topics changed, and the page's own address gives the
// region anew. <div id="x" data-live="reviews jobs"> follows topics, data-every="30" the clock, in seconds.

let dress = () => {};
let source = null;
const clocks = new Map();
// A region as it was sent: on the page, times are local by now.
const sent = new WeakMap();
for (const region of document.querySelectorAll("[data-live], [data-every]")) sent.set(region, region.cloneNode(true));

const regions = () => [...document.querySelectorAll("[data-live]:not([data-live=''])")];
const topicsOf = (region) => region.dataset.live.split(" ").filter(Boolean);

// Somebody types there, has a form open, or reads a list of numbers: it would vanish under their hands.
function isInUse(region) {
  const focused = document.activeElement;
  if (focused && focused !== document.body && region.contains(focused) && focused.matches("input, textarea, select, [contenteditable]")) return true;
  if (region.querySelector("details.act[open], dialog[open]")) return true;
  return [...region.querySelectorAll("input:not([type=hidden]), textarea")].some((field) => field.value !== field.defaultValue);
}

// What a <details> is about: its own id, else what its form would change, else its words. Two of a list may say the same.
function aboutOf(details) {
  const form = details.querySelector("form");
  const hidden = [...(form?.querySelectorAll("input[type=hidden]") ?? [])].map(({ name, value }) => `${name}=${value}`);
  return details.id || [form?.getAttribute("action") ?? details.querySelector("summary")?.textContent.trim(), ...hidden].join(" ");
}

function opened(region) {
  return new Set([...region.querySelectorAll("details[open]")].map(aboutOf));
}

function offer(region) {
  if (region.querySelector(":scope > .stale")) return;
  const note = document.createElement("p");
  note.className = "banner stale";
  note.append("This has changed meanwhile.");
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button", textContent: "Show" });
  button.addEventListener("click", () => refresh([region], true));
  note.append(button);
  note.setAttribute("role", "status");
  region.prepend(note);
  say(region, "has changed meanwhile");
}

async function refresh(wanted, force = false) {
  if (!wanted.length) return;
  let page;
  try {
    const response = await fetch(location.href, { headers: { Accept: "text/html" } });
    // Signed out, or away for a moment: what is shown stays.
    if (!response.ok || response.redirected) return;
    page = new DOMParser().parseFromString(await response.text(), "text/html");
  } catch {
    return;
  }
  for (const region of wanted) {
    const fresh = page.getElementById(region.id);
    if (!fresh || !region.isConnected || (sent.get(region)?.isEqualNode(fresh) && !force)) continue;
    if (!force && isInUse(region)) {
      offer(region);
      continue;
    }
    const open = opened(region);
    const focused = region.contains(document.activeElement) ? document.activeElement.id || document.activeElement.getAttribute("href") : "";
    // The region itself stays: screen readers follow the element that they know.
    region.replaceChildren(...document.importNode(fresh, true).childNodes);
    sent.set(region, fresh);
    for (const details of region.querySelectorAll("details")) details.open ||= open.has(aboutOf(details));
    if (focused) [...region.querySelectorAll("[id], a")].find((each) => each.id === focused || each.getAttribute("href") === focused)?.focus();
    dress(region);
    if (region.id !== "notices" && !("quiet" in region.dataset)) say(region, "was updated");
  }
  clock();
}

function say(region, what) {
  const said = document.getElementById("live-said");
  if (said) said.textContent = `${region.getAttribute("aria-label") || "The page"} ${what}.`;
}

function clock() {
  for (const region of document.querySelectorAll("[data-every][id]")) {
    if (clocks.has(region.id)) continue;
    const tick = () => document.hidden || refresh([document.getElementById(region.id)].filter(Boolean));
    clocks.set(region.id, setInterval(tick, Number(region.dataset.every) * 1000));
  }
}

function changed(event) {
  const topics = JSON.parse(event.data).topics;
  const concerned = regions().filter((region) => topicsOf(region).some((topic) => topics.includes(topic)));
  if (concerned.length) refresh(concerned);
}

// Listens as long as the page can be seen; the browser connects again by itself and says what it heard last.
export function follow(dressing = () => {}) {
  dress = dressing;
  clock();
  const topics = [...new Set(regions().flatMap(topicsOf))].sort();
  if (!topics.length || !document.querySelector("#person-menu")) return;
  const listen = () => {
    source?.close();
    source = new EventSource(`/console/live?topics=${topics.join(",")}`);
    source.addEventListener("changed", changed);
    source.addEventListener("open", () => (document.documentElement.dataset.listening = "yes"));
    // From here on nothing is missed; what changed between the page and this moment, nobody has heard.
    source.addEventListener("here", () => refresh(regions()), { once: true });
  };
  listen();
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) source.close();
    else listen();
  });
}
