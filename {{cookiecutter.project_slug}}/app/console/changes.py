"""What a page tells after a change: before and after, who and why from the audit, and the way back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.store import audit
from app.store.audit import Wanted
from app.wiring.service import Service

WORDS = {"on": "on", "off": "off", "open": "", "approved": "on", "rejected": "off", "revoked": "off", "closed": "on"}
Told = Callable[[Any], str]


@dataclass(frozen=True, slots=True)
class Undo:
    """The form that turns a change back: where it is sent, with which fields, and what its button says."""

    action: str
    fields: Mapping[str, str] = field(default_factory=dict)
    label: str = "Undo now"


@dataclass(frozen=True, slots=True)
class Change:
    """A change as `change.html` shows it; `before` and `after` are a word or two.

    `remark` is a sentence where no form takes it back: that it cannot be undone, or what does it instead.
    """

    subject: str
    before: str
    after: str
    actor: str
    reason: str
    at: datetime
    undo: Undo | None = None
    remark: str = ""

    @property
    def tone_before(self) -> str:
        """Give the colour of what stood before: on, off or none."""
        return WORDS.get(self.before, "")

    @property
    def tone_after(self) -> str:
        """Give the colour of what stands now."""
        return WORDS.get(self.after, "")


async def latest(
    service: Service,
    subject: str,
    *,
    family: str,
    told: Told = str,
    undo: Undo | None = None,
    name: str = "",
    remark: str = "",
) -> Change | None:
    """Give the newest change of a subject, as the audit has it; `told` puts what it holds in a word or two.

    `family` begins the actions that the page is about, as in "review.": the subject comes with the page's address, and
    must not show other entries. `name` is what the page calls it. Gives None where the audit knows of no such change.
    """
    if not subject:
        return None
    async with service.database.work() as work:
        rows = await audit.found(work, Wanted(subject=subject, action=family), limit=1)
    if not rows:
        return None
    row = rows[0]
    before = told(row["before"]) if row["before"] else ""
    return Change(name or subject, before, told(row["after"]), row["actor"], row["reason"], row["at"], undo, remark)
