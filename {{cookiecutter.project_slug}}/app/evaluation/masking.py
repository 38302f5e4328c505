"""How well personal data is found: recall and precision per kind on texts that people marked, and what it takes."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import process_time

from app.domain.masking import KINDS, Found, Masks, Rules
from app.evaluation.suite import wilson
from app.guard import pii

FOLDER = Path(__file__).with_name("marked")
# Seen while the recognisers were written, and not.
PARTS = ("seen", "held_out")
_MARK = re.compile(r"\[\[(?P<kind>[A-Z]+):(?P<value>.+?)\]\](?!\])")
_KILOBYTE = 1024


@dataclass(frozen=True, slots=True)
class Marked:
    """A text, and the personal data in it."""

    language: str
    text: str
    marks: tuple[Found, ...]


def marked(part: str, folder: Path = FOLDER) -> list[Marked]:
    """Read the texts of a part."""
    lines = (folder / f"{part}.txt").read_text(encoding="utf-8").splitlines()
    return [_read(line) for line in lines if line and not line.startswith("#")]


def _read(line: str) -> Marked:
    language, _, written = line.replace("\\n", "\n").partition("|")
    text, marks, place = "", [], 0
    for match in _MARK.finditer(written):
        text += written[place : match.start()]
        marks.append(Found(len(text), len(text) + len(match["value"]), match["kind"]))
        text += match["value"]
        place = match.end()
    return Marked(language, text + written[place:], tuple(marks))


@dataclass(slots=True)
class Score:
    """Counts of one kind: `marks` there are, `missed` of them, `pieces` that were replaced, `false` ones of them.

    A mark is missed when any letter of it is left; a piece is false when it touches no mark.
    """

    marks: int = 0
    missed: int = 0
    pieces: int = 0
    false: int = 0

    @property
    def recall(self) -> tuple[float, float, float]:
        """Give the share of marks that are replaced as a whole, with its 95 % interval."""
        return _share(self.marks - self.missed, self.marks)

    @property
    def precision(self) -> tuple[float, float, float]:
        """Give the share of pieces that had to be replaced, with its 95 % interval."""
        return _share(self.pieces - self.false, self.pieces)


@dataclass(slots=True)
class Measured:
    """What an engine found in the texts of a part; `ms_per_kb` is processor time for 1,024 letters of nothing else."""

    by_kind: dict[str, Score] = field(default_factory=lambda: {kind: Score() for kind in KINDS})
    missed: list[str] = field(default_factory=list)
    false: list[str] = field(default_factory=list)
    ms_per_kb: float = 0.0

    @property
    def whole(self) -> Score:
        """Add up all kinds."""
        scores = self.by_kind.values()
        return Score(*(sum(getattr(each, name) for each in scores) for name in ("marks", "missed", "pieces", "false")))


def measure(texts: Sequence[Marked], rules: Rules) -> Measured:
    """Look through each text as if it were the first of a conversation."""
    result = Measured()
    for one in texts:
        (pieces,) = pii.found((one.text,), Masks(rules=rules))
        _count(one, pieces, result)
    result.ms_per_kb = _ms_per_kb(texts, rules)
    return result


def _ms_per_kb(texts: Sequence[Marked], rules: Rules) -> float:
    """Take the best of three times: this machine has other things to do as well."""
    whole = "\n".join(one.text for one in texts)
    pages = [whole[start : start + _KILOBYTE] for start in range(0, len(whole), _KILOBYTE)]
    times = []
    for attempt in range(3):
        # Another text each time: what was looked through is remembered.
        anew = [f"{page}\n{attempt}" for page in pages]
        began = process_time()
        for page in anew:
            pii.found((page,), Masks(rules=rules))
        times.append(process_time() - began)
    return min(times) * 1000 / len(whole) * _KILOBYTE


def _count(one: Marked, pieces: Iterable[Found], result: Measured) -> None:
    found = list(pieces)
    for mark in one.marks:
        score = result.by_kind[mark.kind]
        score.marks += 1
        if not any(piece.start <= mark.start and mark.end <= piece.end for piece in found):
            score.missed += 1
            result.missed.append(f"{mark.kind}: {one.text}")
    for piece in found:
        score = result.by_kind.setdefault(piece.kind, Score())
        score.pieces += 1
        if not any(mark.start < piece.end and piece.start < mark.end for mark in one.marks):
            score.false += 1
            result.false.append(f"{piece.kind}: {one.text[piece.start : piece.end]!r} in {one.text}")


def _share(good: int, total: int) -> tuple[float, float, float]:
    if not total:
        return 1.0, 0.0, 1.0
    low, high = wilson(good, total)
    return good / total, low, high


def kinds(texts: Sequence[Marked]) -> Counter[str]:
    """Count the marks of each kind."""
    return Counter(mark.kind for one in texts for mark in one.marks)
