"""Two versions on the same cases: each case is asked of the current one and of the candidate, and compared in pairs."""

import asyncio
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from app.control.rollout import challenger
from app.domain.rollout import Candidate
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import BadInput
from app.evaluation.cases import Case, load
from app.evaluation.side_by_side import Pair, SideBySide, side_by_side
from app.evaluation.suite import AT_ONCE, Result, Suite, result_of
from app.llm.gateway import Gateway
from app.turn.agreement import agreement, answer_ms, said_in
from app.turn.candidate import alone
from app.turn.preference import Preference

Z = 1.96
# A candidate that is no worse fails in one of so many comparisons by chance.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Both:
    """A case as both versions answered it."""

    case: str
    current: Result
    other: Result
    pair: Pair


@dataclass(frozen=True, slots=True)
class Versions:
    """What a comparison found; `difference` is the candidate's pass rate less the current one's, with its interval.

    `fewer` counts the cases that only the current version passed, `more` those that only the candidate passed, and
    `chance` is how likely so many of the former are when both are as good (McNemar's exact test, one-sided).
    """

    usecase: str
    candidate: str
    threshold: float
    current_revision: str
    other_revision: str
    cases: Sequence[Both]
    sides: SideBySide
    unmeasured: Sequence[str] = field(default=())

    @property
    def passed(self) -> tuple[int, int]:
        """Count the cases that each version passed."""
        return sum(each.current.passed for each in self.cases), sum(each.other.passed for each in self.cases)

    @property
    def fewer(self) -> int:
        """Count what got worse."""
        return sum(each.current.passed and not each.other.passed for each in self.cases)

    @property
    def more(self) -> int:
        """Count what got better."""
        return sum(each.other.passed and not each.current.passed for each in self.cases)

    @property
    def difference(self) -> tuple[float, float, float]:
        """Give the difference of the pass rates and its 95 % interval."""
        return paired_difference(self.more, self.fewer, of=len(self.cases))

    @property
    def chance(self) -> float:
        """Give how likely it is by chance alone that the candidate loses so many cases."""
        return one_sided(self.fewer, self.fewer + self.more)

    @property
    def good(self) -> bool:
        """Say whether the candidate reaches the contract's share, and lost no more than chance explains."""
        reaches = bool(self.cases) and self.passed[1] / len(self.cases) >= self.threshold
        return reaches and self.chance >= ALPHA

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        difference, low, high = self.difference
        numbers = {"passed": self.passed, "total": len(self.cases), "fewer": self.fewer, "more": self.more}
        paired = {"difference": difference, "low": low, "high": high, "chance": self.chance}
        told = {name: getattr(self, name) for name in ("usecase", "candidate", "threshold", "unmeasured")}
        revisions = {"current_revision": self.current_revision, "other_revision": self.other_revision}
        cases = [asdict(each) for each in self.cases]
        return {**told, **revisions, **numbers, **paired, "good": self.good, "sides": self.sides.as_json(),
                "cases": cases}  # fmt: skip


def paired_difference(more: int, fewer: int, *, of: int) -> tuple[float, float, float]:
    """Give a difference of paired shares with its 95 % interval (A. Agresti and Y. Min, Statist. Med. 24, 2005)."""
    if not of:
        return 0.0, -1.0, 1.0
    size, moved = of + 2, more - fewer
    middle = moved / size
    spread = Z * math.sqrt(max(0.0, more + fewer + 1 - moved * moved / size)) / size
    return moved / of, max(-1.0, middle - spread), min(1.0, middle + spread)


def one_sided(losses: int, changes: int) -> float:
    """Give the chance of so many losses or more among the cases that changed (Q. McNemar, Psychometrika 12, 1947)."""
    return sum(math.comb(changes, count) for count in range(losses, changes + 1)) / float(2**changes)


@dataclass(frozen=True, slots=True)
class Comparer:
    """Runs both versions; `judge` of the contract's shadow says which of two answers is better."""

    suite: Suite
    gateway: Gateway
    preference: Preference

    async def run(
        self,
        usecase: UseCase,
        candidate: Candidate,
        *,
        sealed: bool = False,
        seen: Callable[[], None] = lambda: None,
    ) -> Versions:
        """Ask every case of both, the order in turns. Raises BadInput where no model can be reached for one of them."""
        self._ensure_models(usecase, candidate)
        other = challenger(usecase, candidate)
        cases = [case for case in load(usecase.folder) if sealed or not case.sealed]
        gate = asyncio.Semaphore(AT_ONCE)

        async def one(place: int, case: Case) -> Both | str:
            async with gate:
                found = await self._both(case, usecase, other, swap=bool(place % 2))
            seen()
            return found

        ended = await asyncio.gather(*(one(place, case) for place, case in enumerate(cases)))
        both = [each for each in ended if isinstance(each, Both)]
        return Versions(
            usecase=usecase.name,
            candidate=candidate.name,
            threshold=usecase.contract.quality.pass_rate,
            current_revision=_most(each.current.revision for each in both),
            other_revision=_most(each.other.revision for each in both),
            cases=both,
            sides=await asyncio.to_thread(side_by_side, [each.pair for each in both]),
            unmeasured=[each for each in ended if isinstance(each, str)],
        )

    def _ensure_models(self, usecase: UseCase, candidate: Candidate) -> None:
        if not self.gateway.has_model(alone(usecase, candidate)):
            raise BadInput(
                f"No model can be reached for {candidate.name!r}: set APP_MODEL_PROVIDER and its key, see"
                " docs/how-to/try-a-model-in-the-shadow.md. Without one, both versions would give the same answers."
            )

    async def _both(self, case: Case, current: UseCase, other: UseCase, *, swap: bool) -> Both | str:
        turns = {}
        # Who comes second may find a warmer cache at the vendor: each does in half of the cases.
        for usecase in (other, current) if swap else (current, other):
            turn = await self.suite.pipeline.run(self.suite.turn(usecase, case))
            if turn.outcome and turn.outcome.family in ("failed", "paused"):
                return f"{case.id}: {turn.outcome.value} ({turn.reason})"
            turns[usecase is other] = turn
        return Both(
            case.id,
            result_of(case, turns[False]),
            result_of(case, turns[True]),
            await self._pair(turns[False], turns[True]),
        )

    async def _pair(self, current: Turn, other: Turn) -> Pair:
        one, two = said_in(current), said_in(other)
        alike, judge = agreement(one, two), current.usecase.contract.shadow.judge
        preference = None
        if judge and one.is_answer and two.is_answer:
            preference = (await self.preference.between(other, one.text, two.text, role=judge)).verdict
        return Pair(
            agrees=alike.agrees,
            overlap=alike.overlap,
            seen_ms=answer_ms(current),
            other_ms=answer_ms(other),
            seen_usd=_usd(current),
            other_usd=_usd(other),
            seen_ok=True,
            other_ok=True,
            preference=preference,
        )


def _usd(turn: Turn) -> float | None:
    cost = turn.tape.usage.cost_usd
    return None if cost is None else float(cost)


def _most(revisions: Iterable[str]) -> str:
    found = Counter(revision for revision in revisions if revision)
    return max(found, key=found.__getitem__, default="")
