"""Runs the cases of a use case through the real pipeline, and says with its uncertainty how many pass."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.control.roles import Roles
from app.domain.identity import Principal
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import CannotStart
from app.evaluation.cases import Case, load
from app.evaluation.scorers import score
from app.turn.pipeline import Pipeline

AT_ONCE = 4
# For a 95 % interval.
Z = 1.96


@dataclass(frozen=True, slots=True)
class Result:
    """One case: which scorers passed, and what was answered."""

    case: str
    passed: bool
    scores: Mapping[str, bool]
    outcome: str
    rung: str
    revision: str
    answer: str
    latency_ms: float
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """A run over one use case; `unmeasured` cases broke on something that is no fault of the answer.

    `revision` names the prompt, model and parameters that gave most of the answers, `revisions` all with their number,
    as the ledger knows them; without an answer it is the prompt's own hash.
    """

    usecase: str
    revision: str
    revisions: Mapping[str, int]
    rungs: Mapping[str, int]
    threshold: float
    results: Sequence[Result]
    unmeasured: Sequence[str] = field(default=())

    @property
    def passed(self) -> int:
        """Count the cases that passed."""
        return sum(result.passed for result in self.results)

    @property
    def rate(self) -> float:
        """Give the share that passed, 0 to 1."""
        return self.passed / len(self.results) if self.results else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Give the 95 % interval of that share."""
        return wilson(self.passed, len(self.results))

    @property
    def good(self) -> bool:
        """Say whether the contract's share is reached."""
        return bool(self.results) and self.rate >= self.threshold

    def by_tag(self) -> dict[str, tuple[int, int]]:
        """Give passed and all cases per tag."""
        every = Counter(tag for result in self.results for tag in result.tags)
        passed = Counter(tag for result in self.results for tag in result.tags if result.passed)
        return {tag: (passed[tag], every[tag]) for tag in sorted(every)}

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        low, high = self.interval
        numbers = {"passed": self.passed, "total": len(self.results), "pass_rate": self.rate, "low": low, "high": high}
        return {**numbers, "good": self.good, "by_tag": self.by_tag(), **asdict(self)}


def wilson(passed: float, total: int) -> tuple[float, float]:
    """Give the 95 % interval of a share (E. B. Wilson, JASA 22, 1927): honest for few cases and near 0 or 1."""
    if not total:
        return 0.0, 1.0
    share = passed / total
    middle = share + Z * Z / (2 * total)
    spread = Z * math.sqrt(share * (1 - share) / total + Z * Z / (4 * total * total))
    scale = 1 + Z * Z / total
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


@dataclass(frozen=True, slots=True)
class Suite:
    """The cases' way through the pipeline; `people` are the development identities the cases ask as."""

    pipeline: Pipeline
    roles: Roles
    people: Mapping[str, Mapping[str, Any]]

    async def run(
        self, usecase: UseCase, *, sealed: bool = False, seen: Callable[[Result], None] | None = None
    ) -> Report:
        """Run every case, the sealed ones only when asked. Raises CannotStart for an unknown person."""
        cases = [case for case in load(usecase.folder) if sealed or not case.sealed]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(case: Case) -> Result | str:
            async with gate:
                turn = await self.pipeline.run(self.turn(usecase, case))
            if turn.outcome and turn.outcome.family in ("failed", "paused"):
                return f"{case.id}: {turn.outcome.value} ({turn.reason})"
            result = result_of(case, turn)
            if seen:
                seen(result)
            return result

        ended = await asyncio.gather(*(one(case) for case in cases))
        results = [result for result in ended if isinstance(result, Result)]
        chosen = usecase.contract.prompt
        revisions = Counter(result.revision for result in results if result.revision)
        prompt = usecase.prompts[f"{chosen.name}.v{chosen.version}"].revision
        return Report(
            usecase=usecase.name,
            revision=max(revisions, key=revisions.__getitem__, default=prompt),
            revisions=dict(revisions),
            rungs=dict(Counter(result.rung for result in results if result.rung)),
            threshold=usecase.contract.quality.pass_rate,
            results=results,
            unmeasured=[result for result in ended if isinstance(result, str)],
        )

    def turn(self, usecase: UseCase, case: Case) -> Turn:
        """Give the turn in which a case is asked. Raises CannotStart for an unknown person."""
        return Turn(
            usecase=usecase,
            principal=self._person(case),
            question=case.question,
            fields=case.fields,
            channel="evaluation",
        )

    def _person(self, case: Case) -> Principal:
        person = self.people.get(case.person)
        if person is None:
            raise CannotStart(
                f"case {case.id} asks as {case.person!r}; config/people.toml has: {', '.join(self.people)}"
            )
        return self.roles.principal(case.person, name=person["name"], groups=tuple(person["groups"]))


def result_of(case: Case, turn: Turn) -> Result:
    """Score a case by the turn that came of it."""
    scores = score(case.expect, turn)
    return Result(
        case=case.id,
        passed=all(scores.values()),
        scores=scores,
        outcome=turn.outcome.value if turn.outcome else "",
        rung=turn.draft.rung if turn.draft else "",
        revision=turn.draft.revision if turn.draft else "",
        answer=turn.draft.text if turn.draft else turn.answer,
        latency_ms=round(turn.latency_ms, 1),
        tags=case.tags,
    )
