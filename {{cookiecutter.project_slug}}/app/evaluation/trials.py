"""Where each candidate stands: its shadow runs side by side with what people saw, its money, its latest comparison."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.domain.identity import Permission, Principal
from app.domain.rollout import Candidate
from app.domain.usecase import UseCase
from app.errors import Forbidden, NotFound, quoted
from app.evaluation.side_by_side import SideBySide, of_runs
from app.store import comparisons, quoting, shadows
from app.store.db import Database
from app.store.quoting import WITHHELD
from app.store.shadows import Run
from app.turn.candidate import shadowed

DAYS = 30
# So many pairs are shown with their words, those that differ first.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """A candidate of a use case; `comparison` is the latest of `app evaluate --against`, None without one.

    `spent_usd` and `limit_usd` are of this month and of the use case's shadows together.
    """

    usecase: str
    candidate: str
    is_running: bool
    share: float
    waiting: int
    spent_usd: Decimal
    limit_usd: Decimal
    sides: SideBySide
    comparison: Mapping[str, Any] | None

    def as_json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {**asdict(self), "sides": self.sides.as_json()}


@dataclass(frozen=True, slots=True)
class _Seen:
    case: UseCase
    candidate: str
    runs: Sequence[Run]
    waiting: int
    spent_usd: Decimal
    comparison: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class Trials:
    """What is known of candidates, for those who may read turns; `by_rollout` names those at a stage `shadow`."""

    database: Database
    usecases: Mapping[str, UseCase]
    by_rollout: Callable[[str], Candidate | None]

    async def every(self, who: Principal, *, usecase: str | None = None, days: int = DAYS) -> list[Trial]:
        """Give each candidate that runs, ran or was compared within so many days. Raises Forbidden."""
        _needs(who)
        since = datetime.now(UTC) - timedelta(days=days)
        found = []
        async with self.database.work() as work:
            compared = {(row["usecase"], row["candidate"]): row for row in await comparisons.newest(work)}
            waiting = await shadows.counts(work)
            ran = await shadows.candidates(work)
            names = {*compared, *ran, *self._running()}
            for name, candidate in sorted(names):
                case = self.usecases.get(name)
                if case is None or usecase not in (None, name) or not case.contract.access.shows_others(who):
                    continue
                runs = await shadows.runs(work, name, candidate, since=since)
                row = compared.get((name, candidate))
                if runs or row or (name, candidate) in self._running():
                    spent = await shadows.spent(work, name)
                    found.append(_Seen(case, candidate, runs, waiting.get(name, 0), spent, row))
        return [await self._trial(each) for each in found]

    async def pairs(self, who: Principal, usecase: str, candidate: str, *, most: int = SHOWN) -> list[dict[str, Any]]:
        """Give the newest runs with both answers, those that differ first. Raises Forbidden, NotFound.

        Words that stand on documents which this person may not read are withheld.
        """
        _needs(who)
        case = self.usecases.get(usecase)
        if case is None:
            raise NotFound(f"There is no use case {quoted(usecase)}; there are: {', '.join(self.usecases)}.")
        if not case.contract.access.shows_others(who):
            raise Forbidden("You may not read other people's turns of this use case.")
        async with self.database.work(claims=who.claims) as work:
            runs = await shadows.runs(work, usecase, candidate, most=10 * most)
            shown = sorted(runs, key=lambda run: run.agrees)[:most]
            ids = [id for run in shown for id in (run.turn_id, run.shadow_id)]
            words = await shadows.words(work, ids)
            hidden = await quoting.withheld(work, ids, claims=who.claims)
        return [_told(run, words, withheld=bool({run.turn_id, run.shadow_id} & hidden)) for run in shown]

    def _running(self) -> dict[tuple[str, str], float]:
        """Give the share of the turns that each candidate answers unseen."""
        running = {}
        for name, case in self.usecases.items():
            share, candidate = case.contract.shadow.share, self.by_rollout(name)
            if candidate:
                running[name, candidate.name] = share or 1.0
            elif share and (candidate := shadowed(case.contract)):
                running[name, candidate.name] = share
        return running

    async def _trial(self, seen: "_Seen") -> Trial:
        case, candidate = seen.case, seen.candidate
        return Trial(
            usecase=case.name,
            candidate=candidate,
            is_running=(case.name, candidate) in self._running(),
            share=self._running().get((case.name, candidate), 0.0),
            waiting=seen.waiting,
            spent_usd=seen.spent_usd,
            limit_usd=case.contract.shadow_usd,
            # Some thousand draws: off the loop that turns wait for.
            sides=await asyncio.to_thread(of_runs, seen.runs),
            comparison=seen.comparison,
        )


def _told(run: Run, words: Mapping[Any, Mapping[str, Any]], *, withheld: bool) -> dict[str, Any]:
    nothing: Mapping[str, Any] = {"question": "", "answer": "", "data": None, "model": ""}
    seen, other = words.get(run.turn_id, nothing), words.get(run.shadow_id, nothing)
    told = {"question": seen["question"], "seen": seen["answer"], "other": other["answer"]}
    if withheld:
        told = {"question": seen["question"], "seen": WITHHELD, "other": WITHHELD}
    return {**asdict(run), **told, "seen_model": seen["model"], "other_model": other["model"], "withheld": withheld}


def _needs(who: Principal) -> None:
    if not who.may(Permission.READ_ALL_TURNS):
        raise Forbidden("Looking at candidates needs the permission turns.read_all.")
