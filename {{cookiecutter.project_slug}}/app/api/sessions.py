"""The caller's conversations."""

from dataclasses import asdict
from typing import Any
from uuid import UUID

from fastapi import APIRouter

from app.api.deps import Asker, Here
from app.api.problems import declared
from app.api.shapes import SessionOut, TranscriptOut
from app.store import sessions
from app.turn.story import conversation

router = APIRouter(prefix="/v1/sessions", tags=["sessions"])


@router.get("", response_model=list[SessionOut], responses=declared())
async def list_sessions(service: Here, who: Asker) -> Any:
    """List your conversations, the newest first."""
    async with service.database.work() as work:
        return [asdict(row) for row in await sessions.listed(work, user_id=who.user_id)]


@router.get("/{session_id}", response_model=TranscriptOut, responses=declared(404))
async def read_session(session_id: UUID, service: Here, who: Asker) -> Any:
    """Give one of your conversations with everything said in it; what you may no longer read is not cited."""
    row, said = await conversation(who, service.database, session_id)
    return {**asdict(row), "messages": said}


@router.delete("/{session_id}", status_code=204, responses=declared(404))
async def delete_session(session_id: UUID, service: Here, who: Asker) -> None:
    """Delete one of your conversations."""
    async with service.database.work() as work:
        await sessions.delete(work, session_id, user_id=who.user_id)
