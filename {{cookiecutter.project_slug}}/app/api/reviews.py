"""The JSON of reviews: what waits for a person, and what they decide."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from app.api.shapes import Text


class DecisionIn(BaseModel):
    """A reviewer's decision; `text`, `data` and, by the place of an action, `arguments` replace the draft's."""

    model_config = ConfigDict(extra="forbid")

    approve: bool
    reason: Annotated[Text, Field(min_length=1, max_length=1000)]
    text: Annotated[Text, Field(max_length=20_000)] | None = None
    data: dict[str, Any] | None = None
    arguments: dict[int, dict[str, Any]] = Field({}, max_length=20)


class ActionOut(BaseModel):
    """A use of a tool with effects; `status` is waits, approved, running, ran, failed, unknown or rejected."""

    ordinal: int
    tool: str
    proposed: dict[str, Any]
    arguments: dict[str, Any]
    status: str
    result: str
    error: str
    started_at: datetime | None
    finished_at: datetime | None


class ReviewOut(BaseModel):
    """A draft before, or after, a person's decision; `withheld`: it stands on documents that you may not read."""

    id: UUID
    turn_id: UUID
    usecase: str
    asker: str
    question: str
    draft: str
    data: dict[str, Any] | None
    why: str
    status: str
    decided_by: str | None
    reason: str | None
    final: str | None
    final_data: dict[str, Any] | None
    actions: list[ActionOut]
    job_id: UUID | None
    withheld: bool = False
