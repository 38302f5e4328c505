"""Looking back: find turns by person, time, outcome and words; what the AI cost and what it was worth."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Here, needs
from app.api.problems import declared
from app.api.shapes import FoundOut, Text
from app.domain.identity import Permission, Principal
from app.domain.moment import around
from app.domain.outcome import named
from app.errors import BadInput
from app.store.turn_search import MOST, Search
from app.turn.lookup import PER_PAGE, find
from app.work.spending import Spending

router = APIRouter(prefix="/v1/admin", tags=["admin"])
Reader = Annotated[Principal, Depends(needs(Permission.READ_ALL_TURNS))]
Accountant = Annotated[Principal, Depends(needs(Permission.READ_COSTS))]


class TurnQuery(BaseModel):
    """Which turns: left out is any."""

    model_config = ConfigDict(extra="forbid")

    person: Annotated[Text, Field(max_length=200)] = ""
    usecase: Annotated[Text, Field(max_length=100)] = ""
    outcome: Annotated[Text, Field(max_length=100, description="as in refused_budget, or a family as in failed")] = ""
    text: Annotated[
        Text,
        Field(max_length=500, description='beginnings of words, a "phrase", or the id of a turn'),
    ] = ""
    at: Annotated[Text, Field(max_length=100, description='around a time: "tuesday 14:00", or 2026-11-17T14:00')] = ""
    minutes: Annotated[float, Field(gt=0, le=24 * 60, description="so far before and after `at`")] = 30
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    before: AwareDatetime | None = Field(None, description="`older` of the last page")
    limit: Annotated[int, Field(ge=1, le=MOST)] = PER_PAGE

    @property
    def wanted(self) -> Search:
        """Give it as the ledger is asked. Raises BadInput."""
        if self.at and (self.since or self.until):
            raise BadInput("Give `at`, or `since` and `until`; not both.")
        span = around(self.at, minutes=self.minutes, now=datetime.now(UTC)) if self.at else None
        return Search(
            person=self.person,
            usecase=self.usecase,
            outcomes=named(self.outcome),
            text=self.text,
            since=span.since if span else self.since,
            until=span.until if span else self.until,
            before=self.before,
        )


class TurnsOut(BaseModel):
    """Some turns, the newest first; send `older` as `before` for those that come after, null at the end."""

    turns: list[FoundOut]
    older: datetime | None


@router.get("/turns", response_model=TurnsOut, responses=declared(403))
async def turns(service: Here, who: Reader, asked: Annotated[TurnQuery, Query()]) -> Mapping[str, Any]:
    """Find turns that you may read, the newest first.

    An answer that stands on documents which you may not read is withheld, and no word of it finds its turn.
    """
    found = await find(who, service.database, asked.wanted, usecases=service.usecases, limit=asked.limit)
    return {"turns": found.rows, "older": found.older}


@router.get("/spending", response_model=Spending, responses=declared(403))
async def spending(service: Here, _: Accountant, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Any:
    """Add up the last days: cost and savings by day, value beside cost, this month beside its budget, what stands out.

    Days and months are UTC. `value_usd` is the contract's `value.per_answer_usd` for each good answer: one that was
    given, or approved by a reviewer, and that its asker did not find bad.
    """
    return await service.lookback.accounts.look(days=days)
