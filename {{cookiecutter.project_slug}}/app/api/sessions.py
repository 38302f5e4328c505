"""The caller's conversations: listed, read again, renamed, deleted."""

from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.deps import Asker, Here
from app.api.problems import declared
from app.api.shapes import CitationOut, Text
from app.errors import BadInput
from app.store import sessions
from app.turn.story import conversation

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


class SessionOut(BaseModel):
    """A conversation in a list."""

    id: UUID
    usecase: str
    title: str
    created_at: datetime
    updated_at: datetime


class MessageOut(BaseModel):
    """One thing said; of what the service said, how the turn ended, which rung spoke, and what you thought of it."""

    role: Literal["user", "assistant"]
    text: str
    turn_id: UUID
    citations: list[CitationOut]
    created_at: datetime
    outcome: str = ""
    rung: str = ""
    model: str = ""
    age_s: float | None = None
    reviewed: bool = Field(False, description="people were asked about it: GET /v1/turns/{turn_id} says what they made")
    thumbs: Literal["", "up", "down"] = ""
    correction: str = ""


class TranscriptOut(SessionOut):
    """A conversation with everything said in it."""

    messages: list[MessageOut]


class TitleIn(BaseModel):
    """Another title of a conversation."""

    model_config = ConfigDict(extra="forbid")

    title: Annotated[Text, Field(min_length=1, max_length=200)]


@router.get("", response_model=list[SessionOut], responses=declared())
async def list_sessions(
    service: Here,
    who: Asker,
    before: Annotated[AwareDatetime | None, Query(description="the `updated_at` of the last one you have")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Any:
    """List your conversations, the newest first."""
    async with service.database.work() as work:
        found = await sessions.listed(work, user_id=who.user_id, limit=limit, before=before)
    return [asdict(row) for row in found]


@router.get("/{session_id}", response_model=TranscriptOut, responses=declared(404))
async def read_session(session_id: UUID, service: Here, who: Asker) -> Any:
    """Give one of your conversations with everything said in it; what you may no longer read is not cited."""
    row, said = await conversation(who, service.database, session_id)
    return {**asdict(row), "messages": said}


@router.patch("/{session_id}", response_model=SessionOut, responses=declared(404, 409))
async def rename_session(session_id: UUID, body: TitleIn, service: Here, who: Asker) -> Any:
    """Give one of your conversations another title."""
    title = body.title.strip()
    if not title:
        raise BadInput("A title needs at least one letter.", errors=[{"field": "title", "wrong": "empty"}])
    async with service.database.work() as work:
        return asdict(await sessions.rename(work, session_id, title, user_id=who.user_id))


@router.delete("/{session_id}", status_code=204, responses=declared(404, 409))
async def delete_session(session_id: UUID, service: Here, who: Asker) -> None:
    """Delete one of your conversations."""
    async with service.database.work() as work:
        await sessions.delete(work, session_id, user_id=who.user_id)
