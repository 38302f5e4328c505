"""Events: what other systems may be told, by kind, with the fields that each may hold.

An event points at things by their ids. It holds nobody's words, except for the fields in WORDS, which leave only to
receivers that may have words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

# Fields that name a person; erasure and export find events by them.
PEOPLE = ("user_id", "by", "assignee")
# Fields that people wrote themselves.
WORDS = ("reason",)
# Written down only while somebody listens: one for each turn is many.
ONLY_HEARD = ("answer.given",)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of event: what it says, and the fields of its data."""

    what: str
    fields: Sequence[str]


_TURN = ("turn_id", "outcome", "channel", "user_id", "session_id", "job_id", "rung", "model", "latency_ms", "arm")
_REVIEW = ("review_id", "turn_id", "kind", "user_id", "assignee", "priority", "due_at", "job_id")
_STAGE = ("candidate", "stage", "percent", "before_stage", "before_percent")
# Add a kind, or a field to one, here; docs/reference/events.md is made from it.
KINDS: Mapping[str, Kind] = {
    "answer.given": Kind("a turn was answered", _TURN),
    "job.finished": Kind(
        "a job has ended; `status` is succeeded, failed or cancelled",
        ("job_id", "kind", "status", "total", "done", "attempts", "user_id"),
    ),
    "review.opened": Kind("a person has to decide", _REVIEW),
    "review.decided": Kind(
        "a person has decided; `decision` is approved or rejected", (*_REVIEW, "decision", "edited", "by", "reason")
    ),
    "review.overdue": Kind("nobody has decided in time", _REVIEW),
    "incident.opened": Kind(
        "something that must not leave, or come in, was stopped",
        ("incident_id", "kind", "turn_id", "channel", "user_id"),
    ),
    "budget.warned": Kind(
        "a budget has passed its alert share",
        ("budget", "name", "period", "spent_usd", "limit_usd", "alert_share"),
    ),
    "switch.flipped": Kind(
        "a switch was turned; `before` and `after` are what it said",
        ("switch", "before", "after", "until", "by", "reason"),
    ),
    "flag.changed": Kind(
        "a flag that is no switch was changed; `before` and `after` are its variants for nobody in particular",
        ("flag", "before", "after", "until", "by", "reason"),
    ),
    "rollout.changed": Kind("a rollout went to another stage", (*_STAGE, "by", "reason")),
    "rollout.halted": Kind(
        "a rollout was halted by its guard, and went back",
        (*_STAGE, "owner", "metric", "current", "measured", "limit", "turns", "reason"),
    ),
    "complaint.filed": Kind("an asker complained about an answer", ("review_id", "turn_id", "user_id")),
    "webhook.tested": Kind("somebody tries whether events arrive; sent to one receiver alone", ("webhook_id", "by")),
}


def checked(kind: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the data of an event, without what is None. Raises ValueError for what its kind does not hold."""
    if kind not in KINDS:
        raise ValueError(f"no event of the kind {kind!r}; app/domain/event.py lists them")
    if strange := sorted(set(data) - set(KINDS[kind].fields)):
        raise ValueError(f"{kind} holds no {', '.join(strange)}; app/domain/event.py lists its fields")
    return {name: value for name, value in data.items() if value is not None}


def people(data: Mapping[str, Any]) -> list[str]:
    """Give the persons whom the data of an event names."""
    return sorted({str(data[name]) for name in PEOPLE if data.get(name)})


def without_words(data: Mapping[str, Any]) -> dict[str, Any]:
    """Give the data of an event for receivers that may not have what people wrote."""
    return {name: value for name, value in data.items() if name not in WORDS}
