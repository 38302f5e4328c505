"""What stands behind a citation: the piece of the document and its neighbours, as whoever looks may read them now."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.errors import NotFound
from app.store import documents, passages
from app.store.db import Database
from app.store.documents import Document
from app.store.passages import Piece
from app.turn.story import told_to

# Pieces shown before and after the one that is cited.
AROUND = 2


async def behind(
    who: Principal, database: Database, citation: tuple[UUID, int], *, usecases: Mapping[str, UseCase]
) -> tuple[Document, dict[str, Any]]:
    """Give the document and the pieces behind a `citation`, which is a turn and the marker of one of its citations.

    Whoever looks needs a right to the turn and, at this moment, to the document. `exact` is false where the document
    says something else there by now. Raises NotFound.
    """
    turn_id, marker = citation
    told = await told_to(who, database, turn_id, usecases=usecases)
    pointer = next((each for each in told["citations"] if each["marker"] == marker), None)
    if pointer is None:
        raise NotFound(f"This turn cites nothing as [{marker}] that you may read.")
    async with database.work(claims=who.claims) as work:
        document = await documents.get(work, UUID(pointer["document_id"]), claims=who.claims)
        title = document.facts.title
        found = await passages.pieces(work, document.id, title=title, claims=who.claims)
    place, exact = passages.place_of(found, pointer, title=title)
    return document, {
        "marker": marker,
        "heading": pointer["heading"],
        "page": pointer["page"],
        "exact": exact,
        "pieces": _window(found, place),
    }


def _window(found: list[Piece], place: int | None) -> list[dict[str, Any]]:
    if place is None:
        return []
    first = max(0, place - AROUND)
    return [
        {
            "heading": piece.heading,
            "page": piece.page,
            "text": piece.text,
            "suspicious": piece.suspicious,
            "cited": first + offset == place,
        }
        for offset, piece in enumerate(found[first : place + AROUND + 1])
    ]
