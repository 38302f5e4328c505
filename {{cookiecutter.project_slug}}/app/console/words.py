"""What the pages call things: outcomes in plain words, and the position of a switch."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from app.domain.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Words:
    """A short label for lists, and a sentence for the person who asked."""

    label: str
    sentence: str


OUTCOMES: Mapping[Outcome, Words] = {
    Outcome.ANSWERED_MODEL: Words("Answered", "Answered by a model, from the documents below."),
    Outcome.ANSWERED_EXTRACTIVE: Words("Quoted", "Answered without a model: quoted from documents."),
    Outcome.ANSWERED_RULES: Words("By rules", "Answered without a model: by fixed rules."),
    Outcome.ANSWERED_CACHED: Words("From cache", "The same question was answered before; this is that answer."),
    Outcome.REFUSED_NO_EVIDENCE: Words("No evidence", "Not answered: no document that you may read says it."),
    Outcome.REFUSED_INPUT: Words("Bad input", "Not answered: the question cannot be accepted as it is."),
    Outcome.REFUSED_INJECTION: Words("Refused", "Not answered: this reads like an instruction to the system."),
    Outcome.REFUSED_PRIVACY: Words("Private", "Not answered: no outside service may be given what it holds."),
    Outcome.REFUSED_PERMISSION: Words("Not permitted", "Not answered: this use case is not open to you."),
    Outcome.REFUSED_RATE: Words("Too many", "Not answered: too many questions in a short time."),
    Outcome.REFUSED_BUDGET: Words("Over budget", "Not answered: the budget is used up."),
    Outcome.REFUSED_BUSY: Words("Busy", "Not answered: this conversation is still answering another question."),
    Outcome.REFUSED_CHECK: Words("Held back", "Not shown: the answer did not pass the checks."),
    Outcome.ESCALATED_REVIEW: Words("With a person", "A person looks at the answer before you get it."),
    Outcome.PAUSED_SWITCH: Words("Paused", "Not answered: the AI is paused."),
    Outcome.FAILED_MODEL: Words("Model failed", "Not answered: no model could answer just now."),
    Outcome.FAILED_TIMEOUT: Words("Too slow", "Not answered: it took longer than this use case allows."),
    Outcome.FAILED_DEPENDENCY: Words("Part down", "Not answered: a part of the service did not respond."),
    Outcome.FAILED_CANCELLED: Words("Stopped", "Stopped before the answer was ready."),
    Outcome.FAILED_INTERNAL: Words("Broke", "Not answered: something broke on our side."),
    Outcome.FAILED_ABANDONED: Words("Abandoned", "Not answered: the process that worked on it died."),
}


def told(outcome: str) -> str:
    """Give the short label of an outcome; the ledger may hold one that no longer exists, which stays as it is."""
    return OUTCOMES[Outcome(outcome)].label if outcome in set(Outcome) else outcome


def as_dict() -> dict[str, dict[str, str]]:
    """Give all of them for the chat page's script."""
    return {outcome.value: {**asdict(words), "family": outcome.family} for outcome, words in OUTCOMES.items()}


def switch(definition: Mapping[str, object] | None) -> str:
    """Give a switch's position in a word."""
    if not definition:
        return "—"
    return "on" if definition.get("defaultVariant") == "on" else "off"
