"""The ways a turn can end, in five families: answered, refused, escalated, paused, failed."""

from enum import StrEnum

from app.errors import BadInput, quoted


class Outcome(StrEnum):
    """How a turn ended; docs/reference/outcomes.md describes each for the people who see it."""

    ANSWERED_MODEL = "answered_model"
    ANSWERED_EXTRACTIVE = "answered_extractive"
    ANSWERED_RULES = "answered_rules"
    ANSWERED_CACHED = "answered_cached"
    REFUSED_NO_EVIDENCE = "refused_no_evidence"
    REFUSED_INPUT = "refused_input"
    REFUSED_INJECTION = "refused_injection"
    REFUSED_PRIVACY = "refused_privacy"
    REFUSED_PERMISSION = "refused_permission"
    REFUSED_RATE = "refused_rate"
    REFUSED_BUDGET = "refused_budget"
    REFUSED_BUSY = "refused_busy"
    REFUSED_CHECK = "refused_check"
    ESCALATED_REVIEW = "escalated_review"
    PAUSED_SWITCH = "paused_switch"
    FAILED_MODEL = "failed_model"
    FAILED_TIMEOUT = "failed_timeout"
    FAILED_DEPENDENCY = "failed_dependency"
    FAILED_CANCELLED = "failed_cancelled"
    FAILED_INTERNAL = "failed_internal"
    FAILED_ABANDONED = "failed_abandoned"

    @property
    def family(self) -> str:
        """Give the family: answered, refused, escalated, paused or failed."""
        return self.value.split("_", 1)[0]


FAMILIES = tuple(dict.fromkeys(outcome.family for outcome in Outcome))


def named(name: str) -> tuple[str, ...]:
    """Give the outcomes that a name stands for: itself, or all of a family such as "failed"; none for "".

    Raises BadInput.
    """
    if not name or name in set(Outcome):
        return (name,) if name else ()
    if name in FAMILIES:
        return tuple(outcome.value for outcome in Outcome if outcome.family == name)
    known = ", ".join((*FAMILIES, *(outcome.value for outcome in Outcome)))
    raise BadInput(f"{quoted(name)} is no outcome; there are: {known}.")
