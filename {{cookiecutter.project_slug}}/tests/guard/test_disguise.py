"""Our instructions in disguise: found in every costume, and nothing else is taken for them."""

import base64
import random
import re
from functools import cache
from pathlib import Path

import pytest

from app.guard.disguise import HELD_CHARS, repeats, run_at_end, squeezed
from app.llm import prompts
from app.settings import ROOT

FOLDERS = sorted({path.parent for path in (ROOT / "tests/samples").glob("*/prompts/*.md")})


@cache
def systems():
    return [prompt.system for folder in FOLDERS for prompt in prompts.load(folder).values()]


def costumes(part):
    """Give ways in which a model can be talked into saying a text without saying it."""
    words = part.split()
    return {
        "as it is": part,
        "capitals": part.upper(),
        "spaced out": " ".join(squeezed(part)),
        "in dots": ".".join(squeezed(part)),
        "run together": "".join(words),
        "a word a line": "\n".join(words),
        "in stars": "**".join(words),
        "backwards": part[::-1],
        "base64": base64.b64encode(part.encode()).decode(),
        "base64 in lines": re.sub(r"(.{40})", r"\1\n", base64.b64encode(part.encode()).decode()),
        "base64 in a sentence": f"Here: {base64.b64encode(f'ok: {part}'.encode()).decode()}.",
        "hexadecimal": part.encode().hex(),
        "hexadecimal in pairs": part.encode().hex(" "),
    }


def parts(text, *, chars):
    """Give pieces of so many letters and digits of a text, from its beginning to its end."""
    places = [match.start() for match in re.finditer(r"[^\W_]", text)]
    if len(places) <= chars:
        return []
    starts = range(0, len(places) - chars, max(1, (len(places) - chars) // 6))
    return [text[places[start] : places[start + chars - 1] + 1] for start in starts]


@pytest.mark.proves("SEC-10")
def test_every_costume_of_every_part_that_is_long_enough_is_found():
    missed, tried = [], 0
    for system in systems():
        for part in parts(system, chars=80):
            for name, text in costumes(part).items():
                tried += 1
                missed += [] if repeats(f"Well. {text} So.", system) else [name]
    assert tried > 200
    assert missed == []


@pytest.mark.proves("SEC-10")
def test_what_people_write_about_the_same_things_is_no_leak():
    texts = [path.read_text() for path in (ROOT / "tests/samples").rglob("documents/**/*.md")]
    # Not the page that quotes what the platform adds to every prompt.
    pages = sorted(set(Path(ROOT / "docs").rglob("*.md")) - {ROOT / "docs/reference/prompt.md"})
    texts += [path.read_text() for path in pages]
    texts += [base64.b64encode(random.Random(place).randbytes(900)).decode() for place in range(20)]
    paragraphs = [part for text in texts for part in text.split("\n\n") if len(part) > 80]
    taken = [part for part in paragraphs for system in systems() if repeats(part, system)]
    assert len(paragraphs) > 100
    assert taken == []


def test_a_short_part_is_none():
    for system in systems():
        for part in parts(system, chars=55):
            assert not repeats(f"1. {part} 2.", system)
    assert not repeats("anything", "short instructions")


def test_a_run_at_the_end_is_measured_from_24_on():
    system = systems()[0]
    letters = squeezed(system)
    assert run_at_end("hello", system) == 0
    assert run_at_end(" ".join(letters[10 : 10 + HELD_CHARS - 1]), system) == 0
    assert run_at_end("zz " + " ".join(letters[10:50]), system) == 40
