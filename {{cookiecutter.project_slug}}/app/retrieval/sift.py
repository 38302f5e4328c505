"""What becomes of the passages that a search found: doubles, older versions, neighbours, the cut, the budget.

Reasons name no other document and no numbers: whoever looks at the evidence may not know of what a passage lost to.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from app.domain.turn import Considered, Passage
from app.llm.request import tokens
from app.store.search import Hit

# A passage that scores less than this share of the best one only distracts.
CUT = 0.35
# Neighbours that become one passage.
MOST_JOINED = 3
_SAID = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may go on: passages, and tokens of all of them together."""

    passages: int
    max_tokens: int


@dataclass(slots=True)
class Candidate:
    """A hit on its way; `because` says why it went no further, or what was done with it."""

    hit: Hit
    score: float
    rerank: float | None = None
    kept: bool = True
    because: str = ""

    def drop(self, because: str) -> None:
        """Let it go no further."""
        self.kept, self.because = False, because

    @property
    def noted(self) -> Considered:
        """Give what the evidence keeps of it."""
        named = {
            "words": self.hit.words,
            "covered": self.hit.covered,
            "vector": self.hit.near,
            "fused": self.hit.fused,
            "rerank": self.rerank,
        }
        scores = {name: score for name, score in named.items() if score is not None}
        passage = self.hit.passage
        return Considered(passage.chunk_id, passage.document_id, scores, self.kept, self.because)


def newest(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Keep one of those with the same text, of the newest document; put newer versions of a section first."""
    first: dict[tuple[str, ...], Candidate] = {}
    doubles = []
    for candidate in candidates:
        # Only what differs in nothing but case, spacing and punctuation: one word may be the whole difference.
        said = tuple(_SAID.findall(candidate.hit.passage.text.lower()))
        known = first.setdefault(said, candidate)
        if known is candidate:
            continue
        if _day(candidate) > _day(known):
            # The newer one takes the place that the older one had earned.
            candidate.score, first[said] = max(known.score, candidate.score), candidate
        double = known if first[said] is candidate else candidate
        double.drop("the same text as another passage")
        doubles.append(double)
    return [*_newer_first(list(first.values())), *doubles]


def cut(candidates: Iterable[Candidate]) -> None:
    """Drop what scores far below the best."""
    alive = [candidate for candidate in candidates if candidate.kept]
    best = max((candidate.score for candidate in alive), default=0.0)
    for candidate in alive:
        if candidate.score < CUT * best:
            candidate.drop(f"scores below {CUT:.0%} of the best")


def kept(candidates: Sequence[Candidate], bounds: Bounds) -> tuple[Passage, ...]:
    """Give the passages that go on, best first: neighbours as one, no more than the bounds allow."""
    passages: list[Passage] = []
    left = bounds.max_tokens
    for group in _joined([candidate for candidate in candidates if candidate.kept]):
        passage = _as_one(group)
        size = tokens(passage.title + passage.heading + passage.text)
        if len(passages) == bounds.passages:
            _drop(group, "there are enough better ones (retrieval.passages)")
        elif passages and size > left:
            _drop(group, "no room left (retrieval.max_tokens)")
        else:
            left -= size
            passages.append(passage)
    return tuple(passages)


def _joined(alive: Sequence[Candidate]) -> list[list[Candidate]]:
    """Group those that follow each other below one heading and on one page; in order of their best."""
    by_place = sorted(alive, key=lambda each: (str(each.hit.passage.document_id), each.hit.ordinal))
    groups: list[list[Candidate]] = []
    for candidate in by_place:
        if groups and len(groups[-1]) < MOST_JOINED and _follows(groups[-1][-1].hit, candidate.hit):
            groups[-1].append(candidate)
        else:
            groups.append([candidate])
    place = {id(candidate): number for number, candidate in enumerate(alive)}
    return sorted(groups, key=lambda group: min(place[id(candidate)] for candidate in group))


def _follows(before: Hit, after: Hit) -> bool:
    one, other = before.passage, after.passage
    return (
        one.document_id == other.document_id
        and before.ordinal + 1 == after.ordinal
        and (one.heading, one.page, one.suspicious) == (other.heading, other.page, other.suspicious)
    )


def _as_one(group: Sequence[Candidate]) -> Passage:
    best = max(group, key=lambda candidate: candidate.score)
    passage = replace(best.hit.passage, score=round(best.score, 4))
    if len(group) == 1:
        return passage
    for candidate in group:
        if candidate is not best:
            candidate.because = "joined with its neighbour"
    text = "\n".join(candidate.hit.passage.text for candidate in group)
    return replace(passage, text=text, anchor=group[0].hit.passage.anchor)


def _newer_first(ordered: list[Candidate]) -> list[Candidate]:
    """Documents of one title are versions of each other: the newest takes the best place of each section."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, candidate in enumerate(ordered):
        passage = candidate.hit.passage
        if passage.effective_on:
            places.setdefault((passage.title.casefold(), passage.heading.casefold()), []).append(place)
    arranged = list(ordered)
    for same in places.values():
        newer = sorted((ordered[place] for place in same), key=_day, reverse=True)
        for place, candidate in zip(same, newer, strict=True):
            arranged[place] = candidate
    return arranged


def _day(candidate: Candidate) -> str:
    day = candidate.hit.passage.effective_on
    return day.isoformat() if day else ""


def _drop(group: Iterable[Candidate], because: str) -> None:
    for candidate in group:
        candidate.drop(because)
