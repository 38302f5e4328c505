"""Made-up papers in a folder with its readers.toml: the same for the same seed, in the formats that companies have."""

import csv
import random
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

from docx import Document

SEED = 20261121
# Of a hundred papers so many have each form; a page has about 400 words, a paper as many pages.
FORMS = {"md": 55, "html": 20, "docx": 15, "csv": 10}
WORDS_OF_PAGE, FEWEST_PAGES, MOST_PAGES = 400, 2, 6
SECTION = 130
GROUPS = 20
_SYLLABLES = ["ka", "lo", "mi", "ner", "sta", "vel", "tor", "quin", "ba", "dro", "fel", "hus", "jar", "pel", "ri", "zu"]


@dataclass(frozen=True, slots=True)
class Papers:
    """The folder with its readers.toml, and how much lies in it."""

    folder: Path
    readers_file: Path
    documents: int
    size_bytes: int


def make(place: Path, documents: int) -> Papers:
    """Write the papers; each is read by one of GROUPS groups."""
    chance = random.Random(SEED)  # noqa: S311 - the same papers each time
    folder, readers_file = place / "papers", place / "readers.toml"
    folder.mkdir(parents=True)
    vocabulary = ["".join(chance.choices(_SYLLABLES, k=chance.randint(1, 4))) for _ in range(8000)]
    forms = chance.choices(list(FORMS), list(FORMS.values()), k=documents)
    size = 0
    for number, form in enumerate(forms):
        sections = chance.randint(FEWEST_PAGES, MOST_PAGES) * WORDS_OF_PAGE // SECTION
        texts = [" ".join(chance.choices(vocabulary, k=SECTION)).capitalize() + "." for _ in range(sections)]
        content = _WRITERS[form](f"Paper {number}", texts)
        size += len(content)
        (folder / f"paper-{number:06}.{form}").write_bytes(content)
    papers = Papers(folder, readers_file, documents, size)
    share(papers, moved=0)
    return papers


def share(papers: Papers, *, moved: int) -> None:
    """Write who may read what; `moved` groups further on than at first."""
    names = sorted(path.name for path in papers.folder.iterdir())
    entries = [
        f'[[document]]\npath = "{name}"\nreaders = ["group:g{(number + moved) % GROUPS}"]\n'
        for number, name in enumerate(names)
    ]
    papers.readers_file.write_text("\n".join(entries))


def _markdown(title: str, texts: list[str]) -> bytes:
    return "\n\n".join([f"# {title}", *(f"## Part {place}\n\n{text}" for place, text in enumerate(texts))]).encode()


def _html(title: str, texts: list[str]) -> bytes:
    body = "".join(f"<h2>Part {place}</h2><p>{text}</p>" for place, text in enumerate(texts))
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1>{body}</body></html>".encode()


def _docx(title: str, texts: list[str]) -> bytes:
    document = Document()
    document.add_heading(title, 1)
    for place, text in enumerate(texts):
        document.add_heading(f"Part {place}", 2)
        document.add_paragraph(text)
    out = BytesIO()
    document.save(out)
    return out.getvalue()


def _csv(title: str, texts: list[str]) -> bytes:
    out = StringIO()
    writer = csv.writer(out)
    writer.writerow(["part", "text", "amount"])
    writer.writerows((f"{title} {place}", " ".join(text.split()[:20]), place * 17) for place, text in enumerate(texts))
    return out.getvalue().encode()


_WRITERS: dict[str, Callable[[str, list[str]], bytes]] = {
    "md": _markdown,
    "html": _html,
    "docx": _docx,
    "csv": _csv,
}
