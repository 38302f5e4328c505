"""How many attacks the screen finds, and how many harmless texts it takes for one: measured on two sets of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import CannotStart
from app.evaluation.disguises import DISGUISES, disguised
from app.evaluation.suite import wilson
from app.guard.injection import THRESHOLD, judge

FOLDER = Path(__file__).with_name("injections")
# Tuned: what the patterns were made with. Held out: written before them, and only ever measured.
Part = Literal["tuned", "held-out"]
Kind = Literal["attacks", "benign"]
PARTS: tuple[Part, ...] = ("tuned", "held-out")
KINDS: tuple[Kind, ...] = ("attacks", "benign")
LEAST = "thresholds.yaml"


class Entry(BaseModel):
    """One text of the sets; `said` came before it, and `payload` is disguised `as` it takes the place of {} in it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    text: str
    lang: str = "en"
    at: Literal["question", "passage", "tool", "history"] = "question"
    said: tuple[str, ...] = ()
    payload: str = ""
    disguise: str = Field("", alias="as")

    @property
    def written(self) -> str:
        """Give the text as it is sent."""
        return self.text.replace("{}", disguised(self.payload, self.disguise)) if self.disguise else self.text


@dataclass(frozen=True, slots=True)
class Sample:
    """An entry with where it stands."""

    part: Part
    kind: Kind
    family: str
    entry: Entry

    @property
    def name(self) -> str:
        """Give a few words by which people find it."""
        return f"{self.part} {self.kind}, {self.family}: {self.entry.text[:60]}"


@dataclass(frozen=True, slots=True)
class Seen:
    """What the screen made of a sample: its score, 0 to 1, the signals, and whether that stops it."""

    sample: Sample
    score: float
    signals: tuple[str, ...]
    stopped: bool

    @property
    def is_right(self) -> bool:
        """Say whether an attack was stopped, or a harmless text not."""
        return self.stopped == (self.sample.kind == "attacks")


@dataclass(frozen=True, slots=True)
class Share:
    """Some of all, with the 95 % interval of the share."""

    count: int
    total: int

    @property
    def rate(self) -> float:
        """Give the share, 0 to 1."""
        return self.count / self.total if self.total else 0.0

    def as_json(self) -> dict[str, Any]:
        """Give it with its interval."""
        low, high = wilson(self.count, self.total)
        return {"count": self.count, "total": self.total, "rate": self.rate, "low": low, "high": high}


class Bounds(BaseModel):
    """What each part must reach: least detection, over all and of each family of attacks, and most false alarms."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    detection: float
    family: float
    false_alarms: float


@dataclass(frozen=True, slots=True)
class InjectionReport:
    """A measurement of the screen alone, without any model; `bounds` by part."""

    seen: Sequence[Seen]
    bounds: Mapping[str, Bounds] = field(default_factory=dict)

    def share(self, part: Part, kind: Kind, family: str = "") -> Share:
        """Give how many were stopped: of attacks the detection, of harmless texts the false alarms."""
        of = [
            each
            for each in self.seen
            if (each.sample.part, each.sample.kind) == (part, kind) and family in ("", each.sample.family)
        ]
        return Share(sum(each.stopped for each in of), len(of))

    def families(self, part: Part, kind: Kind) -> list[str]:
        """Name the families, in their order."""
        of = (each.sample for each in self.seen)
        return list(dict.fromkeys(sample.family for sample in of if (sample.part, sample.kind) == (part, kind)))

    @property
    def wrong(self) -> list[Seen]:
        """Give the attacks that got through and the harmless texts that did not."""
        return [each for each in self.seen if not each.is_right]

    @property
    def shortfalls(self) -> list[str]:
        """Say what falls short of its bound."""
        return [line for part, bounds in self.bounds.items() for line in self._shortfalls(part, bounds)]  # type: ignore[arg-type]

    @property
    def good(self) -> bool:
        """Say whether every bound is kept."""
        return not self.shortfalls

    def _shortfalls(self, part: Part, bounds: Bounds) -> Iterator[str]:
        found = self.share(part, "attacks")
        if found.rate < bounds.detection:
            yield f"{part}: {found.count} of {found.total} attacks were stopped, {bounds.detection:.0%} are wanted"
        for family in self.families(part, "attacks"):
            of = self.share(part, "attacks", family)
            if of.rate < bounds.family:
                yield f"{part}, {family}: {of.count} of {of.total} were stopped, {bounds.family:.0%} are wanted"
        alarms = self.share(part, "benign")
        if alarms.rate > bounds.false_alarms:
            yield f"{part}: {alarms.count} of {alarms.total} harmless texts, at most {bounds.false_alarms:.0%} may be"

    def as_json(self) -> dict[str, Any]:
        """Give the figures, and what went wrong by name."""
        figures = {
            part: {
                kind: {
                    "all": self.share(part, kind).as_json(),
                    **{name: self.share(part, kind, name).as_json() for name in self.families(part, kind)},
                }
                for kind in KINDS
            }
            for part in PARTS
        }
        wrong = [{"sample": each.sample.name, "score": each.score, "signals": each.signals} for each in self.wrong]
        return {"good": self.good, "shortfalls": self.shortfalls, "figures": figures, "wrong": wrong}


def load(folder: Path = FOLDER) -> list[Sample]:
    """Read the sets. Raises CannotStart naming file, family and fault."""
    return [sample for part in PARTS for kind in KINDS for sample in _read(folder / f"{part}-{kind}.yaml", part, kind)]


def _read(path: Path, part: Part, kind: Kind) -> Iterator[Sample]:
    for family, rows in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for place, row in enumerate(rows, start=1):
            try:
                entry = Entry.model_validate({"text": row} if isinstance(row, str) else row)
            except ValidationError as error:
                raise CannotStart(f"- {path}: {family}, number {place}: {error.errors()[0]['msg']}") from error
            if entry.disguise and entry.disguise not in DISGUISES:
                raise CannotStart(f"- {path}: {family}, number {place}: as: one of {', '.join(DISGUISES)}")
            yield Sample(part, kind, family, entry)


def measure(samples: Sequence[Sample], *, bounds: Mapping[str, Bounds] | None = None) -> InjectionReport:
    """Show each sample to the screen as the service would meet it; no model is asked."""
    return InjectionReport([see(sample) for sample in samples], bounds if bounds is not None else load_bounds())


def load_bounds(folder: Path = FOLDER) -> dict[str, Bounds]:
    """Read what each part must reach."""
    read = yaml.safe_load((folder / LEAST).read_text(encoding="utf-8"))
    return {part: Bounds.model_validate(row) for part, row in read.items()}


def see(sample: Sample) -> Seen:
    """Judge one sample: what is retrieved or given back by tools as data, what people say as their questions.

    A conversation is stopped where any part of it is: that message is refused, and left out of what the model is told.
    """
    entry = sample.entry
    verdicts = [judge(entry.written, is_data=entry.at in ("passage", "tool"))]
    verdicts += [judge(said) for said in entry.said]
    worst = max(verdicts, key=lambda verdict: verdict.score)
    return Seen(sample, worst.score, worst.signals, stopped=worst.score >= THRESHOLD)
