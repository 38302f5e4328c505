"""The pieces of a document in their order, and which of them a citation points to; read under the reader's rights."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.domain.access import Claims
from app.store.chunks import HEADING_SEPARATOR, stored_heading
from app.store.db import Work
from app.store.documents import MAY_READ, claimed
from app.store.search import anchor_of

# Of a document as long as a shelf only so many pieces are looked through for the one that was cited.
MOST_PIECES = 5000


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece of a document; `anchor` names its place and words for good."""

    heading: str
    page: int | None
    text: str
    suspicious: bool
    anchor: str


async def pieces(work: Work, document_id: UUID, *, title: str, claims: Claims) -> list[Piece]:
    """Give the pieces of a document that these claims may read, in order."""
    rows = await work.sql(
        "SELECT c.document_id, c.heading, c.page, c.text, c.suspicious FROM chunks c"  # noqa: S608 - a constant
        f" WHERE c.document_id = :id AND c.acl_id {MAY_READ} ORDER BY c.ordinal LIMIT :most",
        id=document_id,
        most=MOST_PIECES,
        **claimed(claims),
    )
    return [_piece(dict(row), title) for row in rows.mappings()]


def _piece(row: Mapping[str, Any], title: str) -> Piece:
    heading = row["heading"].removeprefix(title).removeprefix(HEADING_SEPARATOR)
    return Piece(heading, row["page"], row["text"], row["suspicious"], anchor_of(row))


def place_of(found: Sequence[Piece], pointer: Mapping[str, Any], *, title: str) -> tuple[int | None, bool]:
    """Give the place of the piece that a citation points to, and whether its words are still those that were cited.

    Where the words have changed since, the first piece under the same heading and on the same page stands for it.
    """
    anchor = pointer.get("anchor", "")
    for place, piece in enumerate(found):
        if anchor and piece.anchor == anchor:
            return place, True
    for place, piece in enumerate(found):
        same_heading = stored_heading(title, piece.heading) == stored_heading(title, pointer["heading"])
        if same_heading and piece.page == pointer["page"]:
            return place, False
    return None, False
