"""Pages about turns: a search by person, time, use case, outcome and words; and the whole story of one turn."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, BaseModel, Field, StringConstraints, field_validator

from app.console.charts import step_bars, weighed
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, Visitor, needs
from app.domain.identity import Permission, Principal
from app.domain.moment import around
from app.domain.outcome import FAMILIES, Outcome, named
from app.errors import BadInput
from app.store import aftermath
from app.store.turn_search import Search
from app.telemetry.scrub import mask
from app.turn.lookup import Page, find
from app.turn.story import told_to
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
TurnReader = Annotated[Principal, Depends(needs(Permission.READ_ALL_TURNS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=200, strip_whitespace=True)]
CHANNELS = ("api", "openai", "job", "evaluation", "shadow")
# Turns around one time are few, and shown whole: question, answer, model calls.
WIDEST_MINUTES = 24 * 60


class TurnFilter(BaseModel):
    """Which turns to show; "" is any, days begin at midnight (UTC), and `before` is where a page begins."""

    text: Words = ""
    person: Words = ""
    usecase: Words = ""
    outcome: Words = ""
    channel: Words = ""
    at: Words = ""
    minutes: Annotated[float, Field(ge=1, le=WIDEST_MINUTES)] = 30
    since: date | None = None
    until: date | None = None
    before: AwareDatetime | None = None

    @field_validator("since", "until", "before", "minutes", mode="before")
    @classmethod
    def _none_given(cls, value: object, info: Any) -> object:
        return (30 if info.field_name == "minutes" else None) if value == "" else value

    @property
    def is_narrow(self) -> bool:
        """Say whether it leaves anything out."""
        return bool(self.model_dump(exclude_defaults=True))

    def address(self, **changes: object) -> str:
        """Give the address of the page with these changes; what is None or as by default is left out."""
        kept = {**self.model_dump(exclude_defaults=True), **changes}
        return "?" + urlencode({name: value for name, value in kept.items() if value is not None})

    @property
    def wanted(self) -> Search:
        """Give it as the ledger is asked. Raises BadInput for a time or an outcome that is none."""
        span = around(self.at, minutes=self.minutes, now=datetime.now(UTC)) if self.at else None
        return Search(
            person=self.person,
            usecase=self.usecase,
            channel=self.channel,
            outcomes=named(self.outcome),
            text=self.text,
            since=span.since if span else _midnight(self.since),
            until=span.until if span else _midnight(self.until, days=1),
            before=self.before,
        )


def _midnight(day: date | None, *, days: int = 0) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=days) if day else None


@router.get("/console/turns")
async def turns(request: Request, service: Here, who: TurnReader, asked: Annotated[TurnFilter, Query()]) -> Response:
    """Show turns, the newest first; those around one time with all that the model did."""
    found, fault = Page((), None, ()), ""
    try:
        found = await find(who, service.database, asked.wanted, usecases=service.usecases)
    except BadInput as error:
        fault = mask(error.detail)
    shown = page(request, "turns.html", who, wanted=asked, fault=fault, **_listed(service, who, found, asked))
    shown.status_code = 422 if fault else 200
    return shown


def _listed(service: Service, who: Principal, found: Page, asked: TurnFilter) -> dict[str, Any]:
    return {
        "rows": found.rows,
        "usecases": [name for name, case in service.usecases.items() if case.contract.access.shows_others(who)],
        "families": FAMILIES,
        "kinds": [outcome.value for outcome in Outcome],
        "channels": CHANNELS,
        "is_whole": bool(asked.at),
        "newest": asked.address(before=None) if asked.before else "",
        "older": asked.address(before=found.older.isoformat()) if found.older else "",
    }


@router.get("/console/turns/{turn_id}")
async def story(request: Request, turn_id: UUID, service: Here, who: Visitor) -> Response:
    """Show what happened in one turn: to the person who asked, and to those who may read every turn."""
    told = await told_to(who, service.database, turn_id, usecases=service.usecases)
    return page(request, "turn.html", who, turn=told, **await _story(service, who, told))


async def _story(service: Service, who: Principal, told: Mapping[str, Any]) -> dict[str, Any]:
    contract = case.contract if (case := service.usecases.get(told["usecase"])) else None
    async with service.database.work() as work:
        after = await aftermath.of_turn(
            work, told["id"], session_id=told["session_id"], user_id=told["user_id"], at=told["started_at"]
        )
    return {
        "sees": {part: part not in told["hidden"] for part in ("cost", "evidence")},
        "steps": step_bars(told["steps"]),
        "searches": [(search, weighed(search["considered"])) for search in told["retrieval"]],
        "cited": {(citation["document_id"], citation["heading"]) for citation in told["citations"]},
        "contract": contract,
        "after": after,
        "decides": who.may(Permission.DECIDE_REVIEWS),
    }
