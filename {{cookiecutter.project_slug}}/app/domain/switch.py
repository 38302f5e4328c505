"""Switches: what can be turned off, how people name it, and what is said to those whom it concerns."""

from dataclasses import dataclass
from datetime import datetime

EVERYTHING = "ai"
# Written before the name, as in "model:gpt-5"; a name without one of these is a use case.
KINDS = ("model", "provider", "tool", "group", "unit")
_SUFFIX = ".enabled"


@dataclass(frozen=True, slots=True)
class Off:
    """Something that is turned off: why and by whom (for colleagues), and until when; None: until somebody acts.

    A `hard` one stops the rungs without a model too: the glass is broken, or nobody knows how the switches stand.
    """

    subject: str
    because: str
    by: str
    until: datetime | None = None
    hard: bool = False

    @property
    def told(self) -> str:
        """Say it for the ledger and for operators."""
        return f"{self.because} ({self.by})" if self.by else self.because


@dataclass(frozen=True, slots=True)
class Notice:
    """What people read while something is off for them; `until` is None where nobody has said when it ends."""

    subject: str
    text: str
    until: datetime | None = None


def switch_key(subject: str) -> str:
    """Give the key of a kill switch: of everything, a use case, or `model: provider: tool: group: unit:` and a name."""
    if subject == EVERYTHING:
        return EVERYTHING + _SUFFIX
    kind, colon, name = subject.partition(":")
    return f"{kind}.{name}{_SUFFIX}" if colon and kind in KINDS else f"usecase.{subject}{_SUFFIX}"


def subject_of(key: str) -> str:
    """Give what a kill switch turns off, "" where the key is that of another flag."""
    if not key.endswith(_SUFFIX):
        return ""
    kind, dot, name = key.removesuffix(_SUFFIX).partition(".")
    if not dot:
        return EVERYTHING if kind == EVERYTHING else ""
    if kind == "usecase":
        return name
    return f"{kind}:{name}" if kind in KINDS else ""


def described(subject: str, title: str = "") -> str:
    """Name a subject in a sentence; `title` is what a use case is called."""
    if subject == EVERYTHING:
        return "everything"
    kind, colon, name = subject.partition(":")
    return f"the {kind} {name}" if colon else title or subject
