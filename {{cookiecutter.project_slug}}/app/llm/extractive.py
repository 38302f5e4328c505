"""Answers without a model: picks the statements of the passages that fit the question best, and cites them."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from app.domain.outcome import Outcome
from app.domain.turn import Draft, Passage
from app.llm.citations import citation
from app.llm.request import visible
from app.llm.sentences import Sentence, of_passage
from app.llm.words import stems

REVISION = "extractive-1"
RUNG = "extractive"
# Below this share of the question's weight, a statement is about something else.
WEAKEST = 0.67
MOST_SENTENCES = 3
ALSO = 0.75
HEADING_WORTH = 0.7
TITLE_WORTH = 0.6
OWN_LEAST = 0.25
KIND_WORTH = 0.1
NEWEST_WORTH = 0.05
FIRST_WORTH = 0.05
# A figure in the question is rarely one of the document's.
FIGURE_WORTH = 0.5
MEASURE = re.compile(
    r"\bhow (?:many|much|long|often|fast|quickly|soon|far|deep|big|old)\b|\bwhen\b"
    r"|\b(?:what|which) (?:times?|dates?|days?|amounts?|numbers?|share|percentage)\b",
    re.IGNORECASE,
)
PRICE = re.compile(r"\bhow much\b|\b(?:cost|costs|price|prices|pay|paid|fee|salary|budget|bonus)\b", re.IGNORECASE)
MONEY = re.compile(r"(?:\b(?:EUR|USD|GBP)|[$\N{EURO SIGN}\N{POUND SIGN}]) ?\d")
NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve|half|double|twice)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Candidate:
    """A statement with the share of the question that it meets, 0 to 1, and its rank among the others."""

    number: int
    passage: Passage
    sentence: Sentence
    met: float
    rank: float


def answer(question: str, passages: Sequence[Passage]) -> Draft | None:
    """Give one to three cited sentences; None when the passages say too little about the question."""
    ranked = _ranked(question, visible(tuple(passages)))
    if not ranked or ranked[0].met < WEAKEST:
        return None
    chosen = _chosen(ranked)
    text = "\n".join(f"{_spoken(candidate)} [{candidate.number}]" for candidate in chosen)
    cited = {candidate.number: candidate for candidate in reversed(chosen)}
    return Draft(
        text=text,
        rung=RUNG,
        outcome=Outcome.ANSWERED_EXTRACTIVE,
        revision=REVISION,
        citations=tuple(
            citation(number, candidate.passage, quote=candidate.sentence.source)
            for number, candidate in sorted(cited.items())
        ),
        confidence=round(min(1.0, ranked[0].met), 2),
    )


def _ranked(question: str, numbered: list[tuple[int, Passage]]) -> list[Candidate]:
    wanted = list(dict.fromkeys(stems(MEASURE.sub(" ", question))))
    statements = [(number, passage, sentence) for number, passage in numbered for sentence in of_passage(passage)]
    weights = _weights(wanted, [{*s.stems, *s.heading_stems, *stems(p.title)} for _, p, s in statements])
    total = sum(weights.values())
    if not total:
        return []
    fits = _fitting(question)
    newest = max((passage.effective_on for _, passage in numbered if passage.effective_on), default=None)
    candidates = []
    for number, passage, sentence in statements:
        own, met = _met(weights, sentence, title=passage.title)
        if own < OWN_LEAST * total:
            continue
        rank = met / total * (1 + KIND_WORTH * sum(bool(kind.search(sentence.text)) for kind in fits))
        rank += NEWEST_WORTH * (passage.effective_on == newest) + FIRST_WORTH / number
        candidates.append(Candidate(number, passage, sentence, met / total, rank))
    return sorted(candidates, key=lambda candidate: -candidate.rank)


def _fitting(question: str) -> list[re.Pattern[str]]:
    """Give the kinds of figures that an answer to the question would hold."""
    asked = [(MEASURE, NUMBER), (PRICE, MONEY)]
    return [kind for cue, kind in asked if cue.search(question)]


def _weights(wanted: list[str], statements: list[set[str]]) -> dict[str, float]:
    """Weigh each wanted stem by its rarity; one that stands nowhere weighs most, for then something is missing."""
    count = len(statements)
    return {
        word: math.log(1 + count / (0.5 + sum(word in statement for statement in statements)))
        * (FIGURE_WORTH if word.isdigit() else 1.0)
        for word in wanted
    }


def _met(weights: dict[str, float], sentence: Sentence, *, title: str) -> tuple[float, float]:
    """Give the weight that the statement's own words meet, and the same with its heading and title counted in."""
    own, above, name = set(sentence.stems), set(sentence.heading_stems), set(stems(title))
    worths = [
        (weight, 1.0 if word in own else HEADING_WORTH if word in above else TITLE_WORTH if word in name else 0.0)
        for word, weight in weights.items()
    ]
    return sum(weight for weight, worth in worths if worth == 1.0), sum(weight * worth for weight, worth in worths)


def _chosen(ranked: list[Candidate]) -> list[Candidate]:
    best = ranked[0]
    chosen = [best]
    for candidate in ranked[1:]:
        near = candidate.passage.document_id == best.passage.document_id
        if len(chosen) == MOST_SENTENCES or candidate.rank < best.rank * ALSO or not near:
            continue
        if not any(_alike(candidate.sentence, other.sentence) for other in chosen):
            chosen.append(candidate)
    return chosen


def _alike(one: Sentence, other: Sentence) -> bool:
    first, second = set(one.stems), set(other.stems)
    return len(first & second) > 0.7 * min(len(first), len(second)) if first and second else one.text == other.text


def _spoken(candidate: Candidate) -> str:
    sentence = candidate.sentence
    about = sentence.heading.rsplit(" > ", 1)[-1] or candidate.passage.title
    return f"{about}: {sentence.text}" if sentence.is_row else sentence.text
