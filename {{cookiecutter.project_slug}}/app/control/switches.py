"""What it means that things are off: for a turn, a model, a tool, and for whoever reads the banner."""

from collections.abc import Mapping

from app.control.subjects import Subjects
from app.domain.identity import Permission, Principal
from app.domain.job import Pauses
from app.domain.switch import EVERYTHING, Off

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


def told(subject: str, known: Subjects, who: Principal | None) -> str:
    """Say to this person that something is off; "" where it is none of theirs.

    Whoever may turn switches is told of every one. Without a person all pauses are told.
    """
    if subject == EVERYTHING:
        return "The AI is paused."
    kind, colon, name = subject.partition(":")
    is_keeper = who is not None and who.may(Permission.FLIP_SWITCHES)
    if kind == "unit":
        is_theirs = who is None or is_keeper or who.unit == name
        return f"The AI is paused for the business unit {name}." if is_theirs else ""
    if kind == "group":
        is_theirs = who is None or is_keeper or name in who.groups
        return f"The AI is paused for the group {name}." if is_theirs else ""
    if not colon:
        case = known.cases.get(subject)
        is_theirs = case is not None and (who is None or is_keeper or case.admits(who))
        return f"{case.contract.title} is paused." if case and is_theirs else ""
    if is_keeper:
        return f"{'Every model of' if kind == 'provider' else f'The {kind}'} {name} is turned off."
    # It stops no turn: only those who would notice are told.
    return _missed(kind, name, known, who) if who is not None else ""


def _missed(kind: str, name: str, known: Subjects, who: Principal) -> str:
    mine = [case for case in known.cases.values() if case.admits(who)]
    if kind == "tool":
        place, _, tool = name.rpartition(".")
        has_it = any(
            one.name == tool and one.admits(who) for case in mine if place in ("", case.name) for one in case.tools
        )
        return f"Some answers come without the tool {tool}." if has_it else ""
    doors = [door.partition(":") for case in mine for door in known.doors(case)]
    if name not in [provider if kind == "provider" else model for provider, _, model in doors]:
        return ""
    return f"Some answers come without {'the models of' if kind == 'provider' else 'the model'} {name}."
