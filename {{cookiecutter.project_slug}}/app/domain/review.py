"""What waits for a person: the kinds of reviews, how soon each is due, and who may not decide on one."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.domain.identity import Permission, Principal
from app.errors import Conflict, Forbidden

Kind = Literal["escalation", "advise", "action", "confidence", "incident", "complaint", "sample"]
KINDS: tuple[Kind, ...] = get_args(Kind)
# The asker has an answer already; the others hold theirs back until somebody has decided.
GIVEN: tuple[Kind, ...] = ("complaint", "sample")
# Until when a person has to decide, in hours, and how urgent it is: 1 goes first, 5 last.
HOURS: Mapping[Kind, float] = {
    "incident": 4,
    "action": 8,
    "escalation": 8,
    "advise": 24,
    "confidence": 24,
    "complaint": 24,
    "sample": 120,
}
PRIORITY: Mapping[Kind, int] = {
    "incident": 1,
    "action": 2,
    "complaint": 2,
    "escalation": 2,
    "advise": 3,
    "confidence": 3,
    "sample": 5,
}
# Begins the id of a program (app/control/accounts.py), and of whoever sits at the machine's own terminal.
_PROGRAM, _TERMINAL = "service:", "cli:"
# At most a year: who waits longer waits for nobody.
Hours = Annotated[float, Field(gt=0, le=8760)]
Share = Annotated[float, Field(ge=0, le=1)]
Urgency = Literal[1, 2, 3, 4, 5]
Second = Literal["never", "edits", "always"]


class Reviews(BaseModel):
    """How drafts are reviewed: what waits beside `advise`, how soon it is due, and who decides.

    `confidence_below`: an answer whose confidence is lower, or was not measured, waits for a person. `sample_share`: so
    many of the answers are looked at afterwards. `hours` and `priority` (1 first, 5 last) by kind of review.
    `second_person`: who writes an edit, or in any case (`always`), cannot clear it; another reviewer has to. `never`
    lets one person clear a text or data that they wrote, never arguments of a tool. `lease_minutes`: for so long is
    what a reviewer took theirs alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    confidence_below: Share = 0.0
    sample_share: Share = 0.0
    hours: dict[Kind, Hours] = {}
    priority: dict[Kind, Urgency] = {}
    second_person: Second = "edits"
    lease_minutes: Annotated[int, Field(gt=0, le=1440)] = 15

    def terms(self, kind: Kind) -> "Terms":
        """Give how soon a review of this kind is due, and how urgent it is."""
        return Terms(kind, self.priority.get(kind, PRIORITY[kind]), self.hours.get(kind, HOURS[kind]))

    def doubts(self, confidence: float | None) -> bool:
        """Say whether an answer of this confidence waits for a person; where some do, so does one without any."""
        return self.confidence_below > 0 and (confidence is None or confidence < self.confidence_below)


@dataclass(frozen=True, slots=True)
class Terms:
    """Of which kind a review is, how urgent, and in how many hours it is due."""

    kind: Kind = "escalation"
    priority: int = 3
    hours: float = 24


def is_program(user_id: str) -> bool:
    """Say whether this is the id of a program and not of a person."""
    return user_id.startswith(_PROGRAM)


def ensure_person(who: Principal) -> None:
    """Keep programs and API keys from deciding on anything. Raises Forbidden."""
    if who.key_id or is_program(who.user_id):
        raise Forbidden("Programs and API keys decide on nothing: sign in as a person.")


def person(user_id: str) -> str:
    """Give the name of whoever acts, at the terminal of the machine or elsewhere."""
    return user_id.removeprefix(_TERMINAL)


def ensure_reviewer(who: Principal, *, program: bool = False) -> None:
    """Let only reviewers pass; programs and API keys only where they look (`program`). Raises Forbidden."""
    if not who.may(Permission.DECIDE_REVIEWS):
        raise Forbidden(f"This needs the permission {Permission.DECIDE_REVIEWS.value}.")
    if not program:
        ensure_person(who)


def ensure_not_own(by: str, people: Collection[str]) -> None:
    """Keep people from what they, or a program that they stand behind, asked for or proposed. Raises Forbidden.

    `people` are all who may have done so (app/work/behind.py).
    """
    if person(by) in people:
        raise Forbidden("Nobody decides on what they asked for or proposed; another person has to.")


def ensure_free(review: Mapping[str, Any], by: str, *, now: datetime) -> None:
    """Keep reviewers out of each other's way. Raises Conflict where another one has it, or was given it."""
    taken, given = review["taken_by"], review["assigned_to"]
    if taken and taken != by and review["taken_until"] > now:
        raise Conflict(f"{taken} has taken this until {review['taken_until']:%H:%M} UTC.")
    if given and given != person(by) and review["due_at"] > now:
        raise Conflict(f"This was given to {given}; anybody may decide on it once it is overdue.")


def ensure_not_written(review: Mapping[str, Any], by: str) -> None:
    """Keep whoever wrote what is to be approved, or put it forward, from approving it. Raises Forbidden."""
    if person(by) in (*review["authors"], review["put_forward_by"]):
        raise Forbidden("You wrote or put forward what waits here; another reviewer has to approve it.")


def is_overdue(review: Mapping[str, Any], *, now: datetime) -> bool:
    """Say whether nobody has decided in time."""
    return bool(review["status"] == "open" and review["due_at"] <= now)


def holds_back(review: Mapping[str, Any]) -> bool:
    """Say whether the asker has nothing until somebody has decided."""
    return review["kind"] not in GIVEN
