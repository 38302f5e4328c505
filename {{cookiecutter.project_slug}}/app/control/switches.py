"""What it means that things are off: for a turn, a model, a tool, and for whoever reads the banner."""

from collections.abc import Mapping

from app.domain.identity import Principal
from app.domain.job import Pauses
from app.domain.switch import EVERYTHING, Off
from app.domain.usecase import UseCase

Offs = Mapping[str, Off]


def pause(off: Offs, usecase: str, who: Principal | None) -> Off | None:
    """Give what stops turns of this use case, by this person; None when nothing does."""
    # Several times a turn, and nearly always nothing is off.
    if not off:
        return None
    subjects = [EVERYTHING, usecase]
    if who is not None:
        subjects += [f"unit:{who.unit}", *(f"group:{group}" for group in who.groups)]
    return next((off[subject] for subject in subjects if subject in off), None)


def pauses(off: Offs) -> Pauses:
    """Give which queued jobs wait, whoever asked for them."""
    return Pauses(EVERYTHING in off, tuple(subject for subject in off if subject != EVERYTHING and ":" not in subject))


def closed(off: Offs, door: str) -> str:
    """Say why a model, written `provider:name`, must not be called; "" when it may be."""
    if not off:
        return ""
    provider, _, model = door.partition(":")
    for subject in (EVERYTHING, f"provider:{provider}", f"model:{model}"):
        if subject in off:
            return f"{'the AI' if subject == EVERYTHING else subject.replace(':', ' ', 1)} is turned off"
    return ""


def tool_off(off: Offs, usecase: str, tool: str) -> str:
    """Say why a tool must not be used in a use case; "" when it may be."""
    if not off:
        return ""
    found = off.get(f"tool:{usecase}.{tool}") or off.get(f"tool:{tool}")
    return found.told if found else ""


def told(subject: str, cases: Mapping[str, UseCase], who: Principal | None) -> str:
    """Say to this person that something is off; "" where it is none of theirs. Without a person all pauses are told."""
    kind, _, name = subject.partition(":")
    if subject == EVERYTHING:
        return "The AI is paused."
    if kind == "unit" and (who is None or who.unit == name):
        return f"The AI is paused for the business unit {name}."
    if kind == "group" and (who is None or name in who.groups):
        return f"The AI is paused for the group {name}."
    case = cases.get(subject)
    return f"{case.contract.title} is paused." if case and (who is None or case.admits(who)) else ""
