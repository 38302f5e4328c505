"""What is off, for whoever asks; and for operators: every flag with its history, and the ways to change one."""

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Asker, Here, needs
from app.api.problems import declared
from app.api.shapes import Text
from app.domain.identity import Permission, Principal
from app.domain.plan import PREFIX
from app.errors import Conflict
from app.store import flags as table

router = APIRouter(prefix="/v1", tags=["switches"])
Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
Reason = Annotated[Text, Field(min_length=1, max_length=500, description="why; kept in history and audit")]
Key = Annotated[Text, Field(min_length=1, max_length=300, examples=["ai.enabled", "usecase.policy_answers.enabled"])]
Until = Annotated[AwareDatetime | None, Field(description="when it goes back by itself; left out: when somebody acts")]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class FlipIn(_In):
    """A change of a kill switch.

    `subject` is "ai" for everything, a use case, or `model:`, `provider:`, `tool:`, `group:`, `unit:` with a name.
    """

    subject: Annotated[Text, Field(max_length=200)]
    enabled: bool
    reason: Reason
    until: Until = None


class DefineIn(_In):
    """Another definition of a flag, in flagd's format and of the flag's own type."""

    key: Key
    definition: dict[str, Any]
    reason: Reason
    until: Until = None


class UndoIn(_In):
    """Take back the change that made `version`; refused when somebody has changed the flag since."""

    key: Key
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Reason


class FlagOut(BaseModel):
    """A flag as it stands; `until` is when its latest change ends by itself, and `back` what holds then."""

    key: str
    definition: dict[str, Any]
    kind: str
    owner: str
    expires_on: date
    version: int
    changed_by: str
    reason: str
    changed_at: datetime
    until: datetime | None
    back: dict[str, Any] | None


class PastOut(BaseModel):
    """One change of a flag."""

    version: int
    at: datetime
    actor: str
    reason: str
    before: dict[str, Any] | None
    after: dict[str, Any]
    until: datetime | None


class NoticeOut(BaseModel):
    """Something that is off for you: in words, and until when (null: nobody has said)."""

    subject: str
    text: str
    until: datetime | None


class StatusOut(BaseModel):
    """Whether everything is paused, and all that is off for you."""

    paused: bool
    notices: list[NoticeOut]


@router.get("/status", response_model=StatusOut, responses=declared())
async def status(service: Here, who: Asker) -> dict[str, Any]:
    """Say what is turned off for you now, and until when."""
    found = service.flags.notice(who)
    told = [{"subject": one.subject, "text": one.text, "until": one.until} for one in found]
    return {"paused": bool(service.flags.pause("", who)), "notices": told}


@router.get("/admin/flags", response_model=list[FlagOut], responses=declared(403))
async def list_flags(service: Here, _: Flipper) -> Any:
    """List every flag as it stands."""
    await service.flags.refresh()
    return service.flags.rows


@router.post("/admin/flags", status_code=204, responses=declared(403, 409))
async def flip(body: FlipIn, service: Here, who: Flipper) -> None:
    """Turn something off or on again, with `until` for a while; streams in flight stop, queued jobs wait."""
    await service.flags.flip(body.subject, enabled=body.enabled, by=who.user_id, because=body.reason, until=body.until)


@router.put("/admin/flags", status_code=204, responses=declared(403, 404, 409))
async def define(body: DefineIn, service: Here, who: Flipper) -> None:
    """Give a flag another definition; rollouts have routes of their own, which ask for an evaluation first."""
    _ensure_no_rollout(body.key)
    await service.flags.set(body.key, body.definition, by=who.user_id, because=body.reason, until=body.until)


@router.post("/admin/flags/undo", status_code=204, responses=declared(403, 404, 409))
async def undo(body: UndoIn, service: Here, who: Flipper) -> None:
    """Give a flag back what it said before its latest change."""
    _ensure_no_rollout(body.key)
    await service.flags.undo(body.key, version=body.version, by=who.user_id, because=body.reason)


@router.get("/admin/flags/history", response_model=list[PastOut], responses=declared(403))
async def history(
    service: Here,
    _: Flipper,
    key: Annotated[Text, Query(min_length=1, max_length=300)],
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> Any:
    """List the changes of a flag, the newest first: who, when, why, before and after."""
    async with service.database.work() as work:
        return await table.history(work, key, limit=limit)


@router.get("/admin/flags/subjects", response_model=dict[str, str], responses=declared(403))
async def subjects(service: Here, _: Flipper) -> dict[str, str]:
    """List what can be turned off, each in words."""
    return await service.flags.subjects()


def _ensure_no_rollout(key: str) -> None:
    if key.startswith(PREFIX):
        raise Conflict("A rollout is changed at /v1/admin/rollouts, which keeps its stages in order.")
