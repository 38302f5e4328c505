"""The approved run of the questions to the search, and what a later run changed, question by question."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import BadInput, CannotStart
from app.evaluation.ranking import METRICS, Change, change
from app.evaluation.retrieval import Found, RetrievalReport

FILE = Path("evals") / "retrieval-approved.toml"
HEAD = """\
# Where the right passages came (0: not among the first ten) when a person last approved the search; later runs are
# compared with it, question by question. Written by `uv run app evaluate --approve "why"`; not by hand.
"""


class _Approved(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    because: str
    figures: dict[str, float]
    question: dict[str, "_Row"]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)
    of: str
    kind: str
    places: tuple[int, ...]
    returned: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A question whose right passages came at other places than in the approved run."""

    id: str
    question: str
    before: tuple[int, ...]
    after: tuple[int, ...]
    is_worse: bool


@dataclass(frozen=True, slots=True)
class Comparison:
    """This run beside the approved one; `fresh` are new or changed questions, which nothing is known about."""

    because: str
    changes: Sequence[Change]
    moved: Sequence[Moved] = field(default=())
    fresh: Sequence[str] = field(default=())
    gone: Sequence[str] = field(default=())

    @property
    def good(self) -> bool:
        """Say whether no figure fell by more than chance explains."""
        return not any(each.is_worse for each in self.changes)

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {"good": self.good, **asdict(self)}


def compare(folder: Path, report: RetrievalReport) -> Comparison | None:
    """Set a run beside the approved one; None where none is approved. Raises CannotStart for a broken file."""
    approved = _read(folder)
    if approved is None:
        return None
    pairs = [
        (_before(found, approved.question[found.id]), found)
        for found in report.results
        if found.id in approved.question and approved.question[found.id].of == found.fingerprint
    ]
    changes = []
    for metric in (*METRICS, "silence"):
        values = [(old.scores[metric], new.scores[metric]) for old, new in pairs if metric in new.scores]
        changes += [change(metric, values)] if values else []
    known = {new.id for _, new in pairs}
    return Comparison(
        because=approved.because,
        changes=changes,
        moved=[_moved(old, new) for old, new in pairs if old.scores != new.scores],
        fresh=[found.id for found in report.results if found.id not in known],
        gone=sorted(approved.question.keys() - {found.id for found in report.results}),
    )


def approve(folder: Path, report: RetrievalReport, *, because: str) -> None:
    """Make a run the approved one. Raises BadInput where it leaked, misses the contract's recall, or has faults."""
    if not because.strip():
        raise BadInput('An approval says why: `app evaluate --approve "new reranker, read the ten that moved"`.')
    if report.faults or not report.good:
        raise BadInput("Not approved: something leaked, recall is below the contract's, or marks fit nothing.")
    lines = [f"because = {_quoted(because)}\n\n[figures]\n"]
    lines += [f"{name} = {figure.mean}\n" for name, figure in report.figures.items() if figure.count]
    lines += ["\n[question]\n"]
    for found in sorted(report.results, key=lambda each: each.id):
        row = f"of = {_quoted(found.fingerprint)}, kind = {_quoted(found.kind)}, places = {list(found.places)}"
        lines += [f"{found.id} = {{ {row}, returned = {found.returned} }}\n"]
    (folder / FILE).write_text(HEAD + "".join(lines), encoding="utf-8")


def _read(folder: Path) -> _Approved | None:
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return _Approved.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, ValidationError) as error:
        raise CannotStart(f"- {path}: {error}; write it anew with `app evaluate --approve`") from error


def _before(found: Found, row: _Row) -> Found:
    return Found(found.id, row.kind, found.person, found.question, row.of, places=row.places, returned=row.returned)


def _moved(old: Found, new: Found) -> Moved:
    before, after = (sum(each.scores.values()) for each in (old, new))
    if new.places:
        return Moved(new.id, new.question, old.places, new.places, is_worse=after < before)
    return Moved(new.id, new.question, (old.returned,), (new.returned,), is_worse=after < before)


def _quoted(text: str) -> str:
    # A JSON string is a basic string of TOML.
    return orjson.dumps(text).decode()


def told(report: RetrievalReport, compared: Comparison | None) -> Mapping[str, Any]:
    """Give a run and its comparison as the evaluation report keeps them."""
    return {**report.as_json(), "compared": compared.as_json() if compared else None}
