"""Asks the search every question of evals/retrieval.yaml as the person named, and says where the right passages came.

No model and no answer are involved: the step `retrieve` alone, rights, screening and cuts included.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.control.roles import Roles
from app.domain.identity import Principal
from app.domain.turn import Passage, Turn
from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.evaluation import questions
from app.evaluation.questions import FORBIDDEN, NO_ANSWER, Mark, Question
from app.evaluation.ranking import DEPTH, METRICS, Figure, figure
from app.store import quality
from app.store.db import Database
from app.turn.pipeline import Step

AT_ONCE = 4
ASK_S = 60.0
SLICES = ("kind", "format", "readers")


@dataclass(frozen=True, slots=True)
class Found:
    """What the search made of one question: the place of each right passage, and what must not have come back."""

    id: str
    kind: str
    person: str
    question: str
    fingerprint: str
    places: tuple[int, ...]
    returned: int
    leaked: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    readers: tuple[str, ...] = ()

    @property
    def scores(self) -> dict[str, float]:
        """Give each figure of this question; `silence` for those to which nothing should come back."""
        if self.kind in (FORBIDDEN, NO_ANSWER):
            return {"silence": float(self.returned == 0)}
        return {name: measured(self.places) for name, measured in METRICS.items()}

    def slices(self) -> Mapping[str, tuple[str, ...]]:
        """Give the groups in which this question counts."""
        return {"kind": (self.kind,), "format": self.formats, "readers": self.readers}


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """A run of all questions of a use case; `faults` are marks that no longer fit the corpus."""

    usecase: str
    floor: float
    results: Sequence[Found]
    faults: Sequence[str] = field(default=())

    @property
    def leaks(self) -> list[Found]:
        """Give the questions to which a passage came back that the asker may not read."""
        return [found for found in self.results if found.leaked]

    @property
    def figures(self) -> dict[str, Figure]:
        """Give every figure over all questions."""
        return _figures(self.results)

    @property
    def good(self) -> bool:
        """Say whether nothing leaked and the contract's recall is reached."""
        return bool(self.results) and not self.leaks and self.figures["recall_at_5"].mean >= self.floor

    def by(self, name: str) -> dict[str, dict[str, Figure]]:
        """Give the figures by `kind`, `format` or `readers`."""
        parts: dict[str, list[Found]] = defaultdict(list)
        for found in self.results:
            for part in found.slices()[name]:
                parts[part].append(found)
        return {part: _figures(found) for part, found in sorted(parts.items())}

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        sliced = {f"by_{name}": {part: _told(figures) for part, figures in self.by(name).items()} for name in SLICES}
        return {"good": self.good, "figures": _told(self.figures), **sliced, **asdict(self)}


@dataclass(frozen=True, slots=True)
class SearchSuite:
    """The questions' way through the search; `people` are the development identities that ask."""

    retrieve: Step
    database: Database
    roles: Roles
    people: Mapping[str, Mapping[str, Any]]

    async def run(self, usecase: UseCase, *, seen: Callable[[Found], None] | None = None) -> RetrievalReport | None:
        """Ask every question; None for a use case without any. Raises CannotStart for an unknown person."""
        asked = questions.load(usecase.folder)
        if not asked:
            return None
        gate, wide = asyncio.Semaphore(AT_ONCE), _wide(usecase)

        async def one(question: Question) -> tuple[Found, list[str]]:
            async with gate:
                who = self._person(question)
                standing, faults = await self._standing(usecase.name, question, who)
                found = _found(question, await self._passages(wide, question, who), standing)
            if seen:
                seen(found)
            return found, faults

        ended = await asyncio.gather(*(one(question) for question in asked))
        return RetrievalReport(
            usecase=usecase.name,
            floor=usecase.contract.quality.recall_at_5,
            results=[found for found, _ in ended],
            faults=[fault for _, faults in ended for fault in faults],
        )

    async def _passages(self, usecase: UseCase, question: Question, who: Principal) -> tuple[Passage, ...]:
        deadline_s = asyncio.get_running_loop().time() + ASK_S
        turn = Turn(
            usecase=usecase, principal=who, question=question.question, channel="evaluation", deadline_s=deadline_s
        )
        return (await self.retrieve(turn)).passages

    async def _standing(self, usecase: str, question: Question, who: Principal) -> tuple[list[str], list[str]]:
        """Look the marks up: whose readers the right passages have, and which marks fit nothing (any more)."""
        readers: list[str] = []
        faults: list[str] = []
        for mark in question.right:
            fitting = await self._fitting(usecase, mark, who)
            readers += [row["visible_by"][0] for row in fitting[:1]]
            if not fitting:
                faults.append(f"{question.id}: {who.user_id} can read no passage like this: {mark}")
        for mark in question.never:
            others = [self._principal(name) for name in self.people if name != question.person]
            if not any([await self._fitting(usecase, mark, other) for other in others]):
                faults.append(f"{question.id}: nobody else can read a passage like this: {mark}")
        return readers, faults

    async def _fitting(self, usecase: str, mark: Mark, who: Principal) -> list[Mapping[str, Any]]:
        async with self.database.work(claims=who.claims) as work:
            rows = await quality.readable(work, usecase, mark.document, names=who.claims.names)
        return [
            row
            for row in rows
            if mark.fits(document=mark.document, text=row["text"], heading=row["heading"], page=row["page"])
        ]

    def _person(self, question: Question) -> Principal:
        if question.person not in self.people:
            known = ", ".join(self.people)
            raise CannotStart(f"question {question.id} asks as {question.person!r}; config/people.toml has: {known}")
        return self._principal(question.person)

    def _principal(self, name: str) -> Principal:
        return self.roles.principal(name, name=self.people[name]["name"], groups=tuple(self.people[name]["groups"]))


def _wide(usecase: UseCase) -> UseCase:
    # The figures look at ten places, however many an answer is given.
    known = usecase.contract.retrieval
    most = known.model_copy(update={"passages": max(DEPTH, known.passages)})
    return replace(usecase, contract=usecase.contract.model_copy(update={"retrieval": most}))


def _found(question: Question, passages: Sequence[Passage], readers: Sequence[str]) -> Found:
    places = tuple(_place(mark, passages) for mark in question.right)
    return Found(
        id=question.id,
        kind=question.kind,
        person=question.person,
        question=question.question,
        fingerprint=question.fingerprint,
        places=places,
        returned=len(passages),
        leaked=tuple(str(mark) for mark in question.never if _place(mark, passages)),
        missed=tuple(str(mark) for mark, place in zip(question.right, places, strict=True) if not place),
        formats=tuple(sorted({mark.document.rsplit(".", 1)[-1] for mark in question.right})),
        readers=tuple(sorted(set(readers))),
    )


def _place(mark: Mark, passages: Sequence[Passage]) -> int:
    for place, passage in enumerate(passages, start=1):
        if mark.fits(document=passage.uri, text=passage.text, heading=passage.heading, page=passage.page):
            return place
    return 0


def _figures(results: Sequence[Found]) -> dict[str, Figure]:
    scores = [found.scores for found in results]
    names = [*METRICS, "silence"]
    return {name: figure(name, [each[name] for each in scores if name in each]) for name in names}


def _told(figures: Mapping[str, Figure]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in figures.items() if each.count}
