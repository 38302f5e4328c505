"""PowerPoint: the slides in their order with tables and notes; hidden slides and shapes come as hidden blocks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

from app.errors import Unreadable
from app.retrieval.chunk import Block, rows_as_lines
from app.retrieval.ooxml import Package, Target, children, first, is_on, local, reference, under

MOST_SLIDES = 2000
# Hundredths of a point.
_TINY = 200
_TITLES = ("title", "ctrTitle")
# On notes pages, these hold the picture of the slide, its number and the date.
_FURNITURE = ("sldNum", "dt", "hdr", "ftr", "sldImg")


def read(content: bytes) -> Iterator[Block]:
    """Read blocks with the number of their slide; raises Unreadable when there are too many slides."""
    package = Package.open(content)
    main = package.main()
    presentation, targets = package.root(main), package.targets(main)
    listed = [reference(item) for item in under(presentation, "sldIdLst")]
    if len(listed) > MOST_SLIDES:
        raise Unreadable(f"There are {len(listed):,} slides; allowed are {MOST_SLIDES:,}.", reason="oversized")
    size = first(presentation, "sldSz")
    width = int(size.get("cx", "0")) if size is not None else 0
    for number, id in enumerate(listed, start=1):
        yield from _slide(package, targets[id].name, number, width)


def _slide(package: Package, name: str, number: int, width: int) -> Iterator[Block]:
    slide, targets = package.root(name), package.targets(name).values()
    is_hidden = slide.get("show") in ("0", "false")
    walk = _Walk(number, width, is_white_page=_is_white(slide, package, targets))
    tree = first(slide, "cSld", "spTree")
    walk.title = _title(tree)
    blocks = list(walk.blocks(tree)) if tree is not None else []
    for target in targets:
        if target.kind == "notesSlide":
            blocks += _notes(package.root(target.name), walk)
        elif target.kind == "comments":
            blocks += [Block(text, is_hidden=True) for text in _comments(package.root(target.name))]
    yield from (replace(block, is_hidden=True) for block in blocks) if is_hidden else blocks


def _notes(notes: Element, walk: "_Walk") -> Iterator[Block]:
    tree = first(notes, "cSld", "spTree")
    heading = (*walk.heading, "Notes")
    for block in _Walk(walk.number, 0).blocks(tree) if tree is not None else ():
        yield replace(block, heading=heading)


def _comments(root: Element) -> Iterator[str]:
    return ("".join(text.itertext()) for text in root.iter() if local(text) in ("text", "txBody"))


def _title(tree: Element | None) -> str:
    for shape in children(tree, "sp") if tree is not None else ():
        if _placeholder(shape) in _TITLES:
            return " ".join(filter(None, (_text(line) for line in _paragraphs(shape)))).strip()
    return ""


def _placeholder(shape: Element) -> str:
    marked = first(shape, "nvSpPr", "nvPr", "ph")
    return "" if marked is None else marked.get("type", "body")


def _paragraphs(shape: Element) -> list[Element]:
    body = first(shape, "txBody")
    return children(body, "p") if body is not None else []


def _text(paragraph: Element) -> str:
    return "".join(_of_run(run) for run in paragraph)


def _of_run(run: Element) -> str:
    text = first(run, "t")
    return "\n" if local(run) == "br" else (text.text or "" if text is not None else "")


@dataclass(slots=True)
class _Walk:
    """Walks the shapes of one slide, those in groups included."""

    number: int
    width: int
    is_white_page: bool = False
    title: str = ""
    pictures: bool = field(default=False)

    @property
    def heading(self) -> tuple[str, ...]:
        return (self.title,) if self.title else ()

    def blocks(self, tree: Element) -> Iterator[Block]:
        self.pictures = self.pictures or any(_covers(shape) for shape in tree)
        for shape in tree:
            if local(shape) == "AlternateContent":
                yield from self.blocks(shape[0])
            elif (facts := _facts(shape)) is not None:
                yield Block(facts.get("descr", ""), is_hidden=True)
                found = self._shape(shape)
                hide = is_on(facts.get("hidden")) or self._is_outside(shape)
                yield from (replace(block, is_hidden=True) for block in found) if hide else found

    def _shape(self, shape: Element) -> Iterator[Block]:
        if local(shape) == "grpSp":
            yield from self.blocks(shape)
        elif local(shape) == "graphicFrame":
            rows = [[_cell(cell) for cell in children(row, "tc")] for row in shape.iter() if local(row) == "tr"]
            yield from (Block(line, self.heading, self.number, is_row=True) for line in rows_as_lines(rows))
        elif _placeholder(shape) not in (*_TITLES, *_FURNITURE):
            for paragraph in _paragraphs(shape):
                hidden = [run for run in paragraph if self._is_unseen(run, shape)]
                yield Block("".join(map(_of_run, hidden)), is_hidden=True)
                text = "".join(_of_run(run) for run in paragraph if run not in hidden)
                yield Block(_bullet(paragraph, text), self.heading, self.number)

    def _is_outside(self, shape: Element) -> bool:
        place = first(shape, "spPr", "xfrm")
        start, size = first(place, "off"), first(place, "ext")
        if start is None or size is None or not self.width:
            return False
        left = int(start.get("x", "0"))
        return left >= self.width or left + int(size.get("cx", "0")) <= 0

    def _is_unseen(self, run: Element, shape: Element) -> bool:
        properties = first(run, "rPr")
        if properties is None:
            return False
        colour = first(properties, "solidFill", "srgbClr")
        is_white = colour is not None and colour.get("val", "").upper() == "FFFFFF"
        is_on_white = self.is_white_page and not self.pictures and not _covers(shape)
        return int(properties.get("sz", "1800")) <= _TINY or (is_white and is_on_white)


def _facts(shape: Element) -> Element | None:
    """Find name, description and visibility of a shape; other elements have none."""
    return next((item[0] for item in shape if local(item).startswith("nv") and len(item)), None)


def _covers(shape: Element) -> bool:
    """Say whether white letters may stand on this shape: a picture, or one with a fill or a style of its own."""
    if local(shape) == "pic":
        return True
    filled = any(first(shape, "spPr", fill) is not None for fill in ("solidFill", "gradFill", "blipFill", "pattFill"))
    return filled or first(shape, "style") is not None


def _cell(cell: Element) -> str:
    return " ".join(filter(None, (_text(line).strip() for line in _paragraphs(cell))))


def _bullet(paragraph: Element, text: str) -> str:
    properties = first(paragraph, "pPr")
    level = int(properties.get("lvl", "0")) if properties is not None else 0
    return f"- {text}" if level and text.strip() else text


def _is_white(slide: Element, package: Package, targets: Iterable[Target]) -> bool:
    """Say whether nothing colours the page: neither the slide, nor its layout, nor their master."""
    layout = _pointed(targets, "slideLayout")
    master = _pointed(package.targets(layout).values(), "slideMaster") if layout else ""
    if not master:
        return False
    pages = [slide, package.root(layout), package.root(master)]
    grounds = [ground for page in pages if (ground := first(page, "cSld", "bg")) is not None]
    named = [first(ground, "bgRef", "schemeClr") for ground in grounds]
    mapping = first(pages[-1], "clrMap")
    is_light = mapping is None or mapping.get("bg1", "lt1") == "lt1"
    return is_light and all(colour is not None and colour.get("val") == "bg1" for colour in named)


def _pointed(targets: Iterable[Target], kind: str) -> str:
    return next((target.name for target in targets if target.kind == kind), "")
