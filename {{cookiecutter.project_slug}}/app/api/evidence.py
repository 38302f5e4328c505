"""The JSON of what a turn looked at; what of it is shown depends on the rights of who looks, at that moment."""

from typing import Any
from uuid import UUID

from pydantic import BaseModel


class EvidenceOut(BaseModel):
    """A passage that was considered, and by which of the asker's readers it was visible."""

    chunk_id: int
    document_id: UUID
    title: str
    heading: str
    score: float
    visible_by: list[str]
    suspicious: bool


class ConsideredOut(BaseModel):
    """A passage that a search weighed: its score per stage, whether it went on to the answer, and why not.

    `heading` is empty when the document has changed since, and this piece of it is gone.
    """

    chunk_id: int
    document_id: UUID
    title: str
    heading: str
    scores: dict[str, float]
    kept: bool
    because: str


class SearchOut(BaseModel):
    """One search as it was done: for what, with which claims as its filter, by which plan, and what it made of each.

    Counts are for the asker alone, and null for others: passages weighed that the asker may no longer read, those that
    were cut far down and not kept here, and the passages that the asker could read then.
    """

    subject: str
    filter: dict[str, Any]
    plan: str
    space: str
    without_vectors: str
    ms: float
    considered: list[ConsideredOut]
    no_longer_readable: int | None
    left_out: int | None
    visible_chunks: int | None
