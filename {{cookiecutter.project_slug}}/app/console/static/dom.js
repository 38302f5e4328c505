// Elements from text. Nothing here ever takes HTML: what a model or a document says stays text.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "class") element.className = value;
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

const BULLET = /^\s*[-*•]\s+/;
const NUMBER = /^\s*\d+[.)]\s+/;
const HEADING = /^#{1,6}\s+/;

// Paragraphs, lists and headings of an answer; `cite(marker)` gives the element for [marker], or null.
export function prose(text, cite) {
  const made = document.createDocumentFragment();
  let open = null;
  for (const line of text.replace(/\r/g, "").split("\n")) {
    const kind = BULLET.test(line) ? "ul" : NUMBER.test(line) ? "ol" : HEADING.test(line) ? "h3" : line.trim() ? "p" : "";
    if (!kind) {
      open = null;
      continue;
    }
    const isList = kind === "ul" || kind === "ol";
    if (!isList || open?.localName !== kind) {
      open = document.createElement(kind);
      made.append(open);
    }
    const words = line.replace(isList ? (kind === "ul" ? BULLET : NUMBER) : HEADING, "");
    const place = isList ? open.appendChild(document.createElement("li")) : open;
    place.append(...inline(words, cite));
  }
  return made;
}

function inline(text, cite) {
  return text.split(/(\[\d+\]|\*\*[^*]+\*\*)/).filter(Boolean).map((part) => {
    const marker = /^\[(\d+)\]$/.exec(part);
    if (marker) return cite(Number(marker[1])) ?? part;
    if (/^\*\*.+\*\*$/.test(part)) return make("strong", {}, part.slice(2, -2));
    return part;
  });
}

// Name and value pairs of a definition list.
export function facts(list, pairs) {
  list.replaceChildren(
    ...pairs
      .filter(([, value]) => value !== "" && value !== null && value !== undefined)
      .map(([name, value]) => make("div", {}, make("dt", {}, name), make("dd", {}, String(value)))),
  );
}
