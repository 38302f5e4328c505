"""Sorts tickets without a model: words that the example tickets taught, and cues that support engineers wrote down."""

import csv
import math
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app.sdk import Draft, Outcome, Turn
from usecases.ticket_triage.labels import CATEGORIES, URGENCIES

HERE = Path(__file__).parent
TICKETS = HERE / "sample" / "tickets.csv"
_WRITTEN = tomllib.loads((HERE / "cues.toml").read_text(encoding="utf-8"))
REPLIES: dict[str, str] = _WRITTEN["replies"]
CUES = {
    about: {
        label: re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.IGNORECASE)
        for label, words in _WRITTEN[about].items()
    }
    for about in ("category", "urgency")
}
WORD = re.compile(r"[^\W_]+")
# Cutting words short joins "invoice" and "invoices" in any language.
STEM_CHARS = 6
# With some 120 examples the counts only break ties between cues.
COUNTS_WORTH = 0.07
PRIOR = 4


@dataclass(frozen=True, slots=True)
class Counts:
    """How often each word stood in tickets of each label."""

    tickets: Mapping[str, int]
    words: Mapping[str, Mapping[str, int]]

    def scores(self, words: Iterable[str], labels: tuple[str, ...]) -> dict[str, float]:
        """Give each label's log probability by naive Bayes; rare labels lean on a word's share among all tickets."""
        total = sum(self.tickets.values())
        known = [(self.words[word], sum(self.words[word].values()) / total) for word in words if word in self.words]
        return {
            label: math.log((size + 1) / (total + len(labels)))
            + sum(math.log((per_label.get(label, 0) + PRIOR * share) / (size + PRIOR)) for per_label, share in known)
            for label, size in ((label, self.tickets.get(label, 0)) for label in labels)
        }


def answer(turn: Turn) -> Draft | None:
    """Suggest labels and a reply; `confidence` is the lower of the two labels' probabilities."""
    if not turn.question.strip():
        return None
    category, sure = decide(turn.question, CATEGORIES, counts=learned("category"), cues=CUES["category"])
    urgency, sure_too = decide(turn.question, URGENCIES, counts=learned("urgency"), cues=CUES["urgency"])
    if category == "feature_request" and urgency == "urgent":
        urgency = "normal"
    data = {
        "category": category,
        "urgency": urgency,
        "reason": "Sorted by words of the ticket, without a model: look closely.",
        "reply_draft": REPLIES[category],
    }
    return Draft(
        text="",
        rung="rules",
        outcome=Outcome.ANSWERED_RULES,
        revision="rules-1",
        data=data,
        confidence=round(min(sure, sure_too), 2),
    )


def decide(
    text: str, labels: tuple[str, ...], *, counts: Counts, cues: Mapping[str, re.Pattern[str]]
) -> tuple[str, float]:
    """Give the likeliest label and its probability."""
    scores = {label: COUNTS_WORTH * score for label, score in counts.scores(stems(text), labels).items()}
    for label, cue in cues.items():
        scores[label] += len({match.lower() for match in cue.findall(text)})
    best = max(scores, key=lambda label: scores[label])
    return best, 1 / sum(math.exp(score - scores[best]) for score in scores.values())


def stems(text: str) -> set[str]:
    """Give the words of a text, cut short."""
    return {word[:STEM_CHARS] for word in WORD.findall(text.lower()) if len(word) > 2}


@cache
def learned(column: str) -> Counts:
    """Count the words of the example tickets once per process; held-out tickets are never read."""
    with TICKETS.open(newline="", encoding="utf-8") as file:
        return count((row for row in csv.DictReader(file) if row["split"] == "example"), column)


def count(rows: Iterable[Mapping[str, str]], column: str) -> Counts:
    """Count words per label of the column."""
    tickets: Counter[str] = Counter()
    words: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        tickets[row[column]] += 1
        for word in stems(f"{row['subject']}\n{row['body']}"):
            words[word][row[column]] += 1
    return Counts(tickets, words)
