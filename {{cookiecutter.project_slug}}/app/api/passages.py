"""The passage behind a citation, opened under the rights of whoever looks."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.deps import Asker, Here
from app.api.documents import shown
from app.api.problems import declared
from app.api.shapes import DocumentOut
from app.turn.passage import behind

router = APIRouter(prefix="/v1/turns", tags=["turns"])
Marker = Annotated[int, Query(ge=1, le=10_000, description="the number of the citation in the answer")]


class PieceOut(BaseModel):
    """A piece of the document; `suspicious`: it reads like an order to a model."""

    heading: str
    page: int | None
    text: str
    suspicious: bool
    cited: bool = Field(description="the piece that the citation points to; the others stand before and after it")


class PassageOut(BaseModel):
    """What stands behind a citation; `exact` is false where the document says something else there by now."""

    marker: int
    heading: str
    page: int | None
    exact: bool
    pieces: list[PieceOut] = Field(description="empty where the place is gone")
    document: DocumentOut


@router.get("/{turn_id}/passage", response_model=PassageOut, responses=declared(404))
async def passage(turn_id: UUID, marker: Marker, service: Here, who: Asker) -> dict[str, Any]:
    """Open the passage behind a citation of a turn that you may read, as far as you may read the document now."""
    document, found = await behind(who, service.database, (turn_id, marker), usecases=service.usecases)
    return {**found, "document": shown(document, who)}
