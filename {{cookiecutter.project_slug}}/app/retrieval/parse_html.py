"""HTML: the text that a browser would show."""

import re
from collections.abc import Iterator

from bs4 import BeautifulSoup
from bs4.element import Comment, NavigableString, PreformattedString, Tag

from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.encoding import decode

_NEVER_SHOWN = ("script", "style", "noscript", "template", "head", "nav", "iframe", "object", "select", "svg")
_BLOCK_NAMES = (
    "address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form "
    "header hr html li main ol p pre section summary table tbody td tfoot th thead tr ul br"
)
_BLOCKS = frozenset(_BLOCK_NAMES.split())
_HEADINGS = {f"h{level}": level for level in range(1, 7)}
_HIDING = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*(hidden|collapse)|opacity\s*:\s*0*(\.0+)?\s*(;|!|$)"
    r"|font-size\s*:\s*(0*(\.\d+)?|1)\s*(px|pt|em|rem|%)?\s*(;|!|$)|(?<![\w-])(left|top|text-indent)\s*:\s*-\d{3,}"
    r"|clip\s*:\s*rect\(\s*0|(?<![\w-])(max-)?(height|width)\s*:\s*0(px)?\s*(;|!|$)",
    re.IGNORECASE,
)
_WHITE = re.compile(
    r"(?<![\w-])color\s*:\s*(#fff(?:fff)?\b|white\b|transparent\b|rgba?\(\s*255[\s,]+255[\s,]+255|rgba\([^)]*[,/]\s*0?\.?0*\))",
    re.IGNORECASE,
)
_RULE = re.compile(r"([^{}@]+)\{([^{}]*)\}")


def read(content: bytes) -> Iterator[Block]:
    """Read headings, paragraphs, lists and tables; comments and hidden elements come as hidden blocks."""
    soup = BeautifulSoup(decode(content), "html.parser")
    yield from (Block(text, is_hidden=True) for text in take_hidden(soup))
    yield from _Walk().blocks(soup)


def take_hidden(soup: BeautifulSoup) -> list[str]:
    """Remove what a browser does not show, and give back the words that somebody hid on purpose."""
    hidden = [str(comment.extract()) for comment in soup.find_all(string=lambda text: isinstance(text, Comment))]
    for declaration in soup.find_all(string=lambda text: isinstance(text, PreformattedString)):
        declaration.extract()
    styles = " ".join(style.get_text() for style in soup.find_all("style"))
    for selector, rule in _RULE.findall(styles):
        if _hides(rule):
            for element in _select(soup, selector):
                element["hidden"] = ""
    # Not `decompose`: on elements of a removed one, the library then searches the whole tree for each attribute.
    has_backgrounds = "background" in styles
    for element in [found for found in soup.find_all(True) if _is_hidden(found, has_backgrounds=has_backgrounds)]:
        hidden.append(element.extract().get_text(" "))
    for element in soup.find_all(_NEVER_SHOWN):
        element.extract()
    return [text for text in hidden if text.strip()]


def _hides(rule: str) -> bool:
    return bool(_HIDING.search(rule)) or (bool(_WHITE.search(rule)) and "background" not in rule)


def _select(soup: BeautifulSoup, selector: str) -> list[Tag]:
    try:
        return list(soup.select(selector.strip()))
    except Exception:  # Selectors that the library does not know (`:hover`, `::before`) hide no text of the page.
        return []


def _is_hidden(element: Tag, *, has_backgrounds: bool) -> bool:
    style = str(element.get("style", ""))
    if element.has_attr("hidden") or element.get("type") == "hidden" or _HIDING.search(style):
        return True
    if not _WHITE.search(style) or has_backgrounds:
        return False
    return not any(
        "background" in str(level.get("style", "")) or level.has_attr("bgcolor")
        for level in [element, *element.parents]
    )


class _Walk:
    """Walks the tree in reading order and remembers the headings above."""

    def __init__(self) -> None:
        self.headings: dict[int, str] = {}
        self.words: list[str] = []

    def blocks(self, element: Tag) -> Iterator[Block]:
        for child in element.children:
            if isinstance(child, NavigableString):
                self.words.append(str(child) if element.name == "pre" else re.sub(r"\s+", " ", str(child)))
            elif isinstance(child, Tag):
                yield from self._tag(child)
        if element.name in _BLOCKS or element.parent is None:
            yield from self._flush()

    def _tag(self, tag: Tag) -> Iterator[Block]:
        level = _HEADINGS.get(tag.name)
        if level:
            yield from self._flush()
            self.headings = {key: text for key, text in self.headings.items() if key < level}
            self.headings[level] = tag.get_text(" ", strip=True)
        elif tag.name == "table" and (rows := _rows(tag)):
            yield from self._flush()
            yield from (Block(line, self._path(), is_row=True) for line in rows_as_lines(rows))
        else:
            if tag.name in _BLOCKS:
                yield from self._flush()
            if tag.name == "li":
                self.words.append("- ")
            yield from self.blocks(tag)

    def _flush(self) -> Iterator[Block]:
        text = "".join(self.words).strip()
        self.words = []
        if text and text != "-":
            yield Block(text, self._path())

    def _path(self) -> tuple[str, ...]:
        return tuple(self.headings[level] for level in sorted(self.headings))


def _rows(table: Tag) -> list[list[str]]:
    # A table around other tables, or of one column, lays out a page and holds no data.
    if table.find("table"):
        return []
    rows = [[cell.get_text(" ", strip=True) for cell in row.find_all(["th", "td"])] for row in table.find_all("tr")]
    return rows if any(len(row) > 1 for row in rows) else []
