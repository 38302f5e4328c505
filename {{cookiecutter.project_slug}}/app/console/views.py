"""What each page shows, gathered from the rooms."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field

from app.console.charts import outcome_bars, step_bars, weighed
from app.console.words import subject_of, switch
from app.control.flags import EVERYTHING, switch_key
from app.domain.identity import Permission, Principal
from app.domain.job import Job
from app.domain.usecase import UseCase
from app.store import audit as audit_
from app.store import flags, jobs, ledger
from app.store.flags import FlagRow
from app.store.ledger import Wanted
from app.turn.story import told_to
from app.wiring.service import Service

PER_PAGE = 50
STORABLE = r"^[^\x00]*$"


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch with its last change."""

    subject: str
    title: str
    workflow: str
    is_on: bool
    row: FlagRow


class TurnFilter(BaseModel):
    """Which turns to show; `before` is where a page begins."""

    usecase: Annotated[str, Field(max_length=100, pattern=STORABLE)] = ""
    person: Annotated[str, Field(max_length=200, pattern=STORABLE)] = ""
    before: AwareDatetime | None = None


def open_to(service: Service, who: Principal) -> list[UseCase]:
    """Give the use cases that this person may ask."""
    return [case for case in service.usecases.values() if case.admits(who)]


async def overview(service: Service, who: Principal) -> dict[str, Any]:
    """Gather the last 24 hours, the open jobs, and what each dependency says."""
    health = await service.health()
    async with service.database.work() as work:
        totals = await ledger.totals(work)
        outcomes = await ledger.outcomes(work)
        open_jobs = await jobs.counts(work)
    by_name = {row["usecase"]: row for row in totals}
    names = sorted({*service.usecases, *by_name})
    return {
        "health": health,
        "rows": [(name, service.usecases.get(name), by_name.get(name)) for name in names],
        "bars": outcome_bars(outcomes),
        "turns": sum(row["turns"] for row in totals),
        "failed": sum(row["failed"] for row in totals),
        "cost": sum((row["cost_usd"] for row in totals), Decimal(0)),
        "open_jobs": open_jobs,
        "paused": _paused(service),
        "sees_costs": who.may(Permission.READ_COSTS),
    }


def _paused(service: Service) -> dict[str, str]:
    everything = service.flags.why_paused(EVERYTHING)
    if everything:
        return {EVERYTHING: everything}
    return {name: reason for name in service.usecases if (reason := service.flags.why_paused(name))}


async def switches(service: Service, *, changed: str) -> dict[str, Any]:
    """Gather the kill switches, and before and after of the one that was just turned."""
    async with service.database.work() as work:
        rows = await flags.every(work)
        latest = await audit_.history(work, subject=switch_key(changed), limit=1) if changed else []
    return {
        "switches": sorted(filter(None, (_switch(service, row) for row in rows)), key=_everything_first),
        "changed": latest[0] if latest else None,
        "break_glass": service.settings.paused,
    }


def _switch(service: Service, row: FlagRow) -> Switch | None:
    subject = subject_of(row)
    if subject == EVERYTHING:
        return Switch(subject, "Everything", "Every use case, every person, every queued job.", _is_on(row), row)
    case = service.usecases.get(subject)
    return Switch(subject, case.contract.title, case.contract.workflow, _is_on(row), row) if case else None


def _is_on(row: FlagRow) -> bool:
    return switch(row["definition"]) == "on"


def _everything_first(found: Switch) -> tuple[bool, str]:
    return found.subject != EVERYTHING, found.title


async def turns(service: Service, who: Principal, wanted: TurnFilter) -> dict[str, Any]:
    """Gather a page of turns that this person may read, the newest first; `older` is where the next page begins."""
    contracts = {name: case.contract.access for name, case in service.usecases.items()}
    among = [name for name, access in contracts.items() if access.shows_others(who)]
    asked = Wanted(wanted.usecase or None, wanted.person or None, tuple(among), who.user_id, wanted.before)
    async with service.database.work() as work:
        rows = await ledger.newest(work, asked, limit=PER_PAGE)
    return {
        "rows": rows,
        "wanted": wanted,
        "usecases": among,
        "priced": [name for name, access in contracts.items() if access.shows_cost(who)],
        "older": rows[-1]["started_at"].isoformat() if len(rows) == PER_PAGE else "",
    }


async def story(service: Service, who: Principal, turn_id: UUID) -> dict[str, Any]:
    """Gather all that is known of one turn; other people's need the permission turns.read_all."""
    told = await told_to(who, service.database, turn_id, usecases=service.usecases)
    contract = case.contract if (case := service.usecases.get(told["usecase"])) else None
    searches = [(search, weighed(search["considered"])) for search in told["retrieval"]]
    shown = {"steps": step_bars(told["steps"]), "searches": searches, "cited": _cited(told), "contract": contract}
    return {"turn": told, "sees": {part: part not in told["hidden"] for part in ("cost", "evidence")}, **shown}


def _cited(told: Mapping[str, Any]) -> set[tuple[str, str]]:
    return {(citation["document_id"], citation["heading"]) for citation in told["citations"]}


async def job_list(service: Service, who: Principal) -> list[Job]:
    """Gather jobs, the newest first: this person's, and everybody's of use cases whose turns they may read."""
    async with service.database.work() as work:
        found = await jobs.listed(work, user_id=None if who.may(Permission.READ_ALL_TURNS) else who.user_id)
    shown = {"", *(name for name, case in service.usecases.items() if case.contract.access.shows_others(who))}
    return [job for job in found if job.user_id == who.user_id or job.usecase in shown]
