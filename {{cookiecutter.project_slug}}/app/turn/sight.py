"""What of a turn's evidence the one who looks may know of now: no id, title, heading or count of the rest."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.domain.identity import Principal
from app.store import evidence
from app.store.db import Work

# A score made of places in a ranking: the gaps between them would count what one may not know of.
BY_PLACE = "fused"


@dataclass(frozen=True, slots=True)
class Sight:
    """Titles of the documents, and headings of the passages, that this person may read at this moment."""

    is_own: bool
    titles: Mapping[UUID, str]
    headings: Mapping[int, str] = field(default_factory=dict)

    def sees(self, pointer: Mapping[str, Any]) -> bool:
        """Say whether this person may read the document that a passage, citation or candidate points to."""
        return UUID(pointer["document_id"]) in self.titles

    def only_seen(self, pointers: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Leave out what points to documents that this person may not read."""
        return [dict(pointer) for pointer in pointers if self.sees(pointer)]


async def sight(work: Work, who: Principal, story: Mapping[str, Any]) -> Sight:
    """Look up, with the rights of `who` and in a transaction that has them, what of a turn's row they may know of."""
    ids = {UUID(each["document_id"]) for each in _pointers(story)}
    titles = await evidence.readable(work, ids, claims=who.claims) if ids else {}
    considered = {each["chunk_id"] for search in _searches(story) for each in search["considered"]}
    headings = await evidence.headings(work, considered, titles) if considered and titles else {}
    return Sight(story["user_id"] == who.user_id, titles, headings)


def shown(story: Mapping[str, Any], sight: Sight) -> dict[str, Any]:
    """Give the row with only such evidence; its asker is told how many documents are no longer readable, others not.

    Why passages were cut is told to others only who may read all that was kept: reasons compare with the better ones.
    """
    gone = {each["document_id"] for each in _pointers(story) if not sight.sees(each)}
    compares = sight.is_own or sees_all_kept(story, sight)
    return {
        **story,
        "passages": sight.only_seen(story["passages"]),
        "citations": sight.only_seen(story["citations"]),
        "retrieval": [_search(search, sight, compares=compares) for search in _searches(story)],
        "no_longer_readable": len(gone) if sight.is_own else None,
    }


def _search(search: Mapping[str, Any], sight: Sight, *, compares: bool) -> dict[str, Any]:
    seen = [_considered(each, sight, compares=compares) for each in search["considered"] if sight.sees(each)]
    gone = len(search["considered"]) - len(seen)
    counts = {"no_longer_readable": gone, "left_out": search["left_out"], "visible_chunks": search["visible_chunks"]}
    if not sight.is_own:
        counts = dict.fromkeys(counts)
    return {**search, **counts, "considered": seen}


def sees_all_kept(story: Mapping[str, Any], sight: Sight) -> bool:
    """Say whether everything that the answer stands on may be read."""
    kept = [each for search in _searches(story) for each in search["considered"] if each["kept"]]
    return all(sight.sees(each) for each in (*story["passages"], *story["citations"], *kept))


def _considered(each: Mapping[str, Any], sight: Sight, *, compares: bool) -> dict[str, Any]:
    scores = {stage: score for stage, score in each["scores"].items() if sight.is_own or stage != BY_PLACE}
    because = each["because"] if compares else ""
    titles = {"title": sight.titles[UUID(each["document_id"])], "heading": sight.headings.get(each["chunk_id"], "")}
    return {**each, **titles, "scores": scores, "because": because}


def _searches(story: Mapping[str, Any]) -> list[dict[str, Any]]:
    # Null for turns without a search, and for those recorded before searches were.
    return story["retrieval"] or []


def _pointers(story: Mapping[str, Any]) -> list[dict[str, Any]]:
    considered = [each for search in _searches(story) for each in search["considered"]]
    return [*story["passages"], *story["citations"], *considered]
