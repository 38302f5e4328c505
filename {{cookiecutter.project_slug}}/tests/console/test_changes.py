"""What a page tells after a change: before and after, and the way back, of what the page is about and nothing else."""

from uuid import uuid4

import pytest

from app.console.changes import Undo, latest
from app.console.html import ENVIRONMENT
from app.store import audit
from app.wiring.service import Service

WAY_BACK = Undo("/console/probes", {"subject": "<b>"}, "Turn it back")


@pytest.fixture
async def subject(service: Service) -> str:
    """Something that was changed twice, and of which another page's audit entry tells, too."""
    name = f"thing-{uuid4().hex[:8]}"
    async with service.database.work() as work:
        for before, after in (("on", "off"), ("off", "on")):
            change = {"before": {"is": before}, "after": {"is": after}}
            await audit.note(work, actor="olga.petrov", action="probe.turned", subject=name, reason="<i>why", **change)
        await audit.note(work, actor="dana.weiss", action="person.erased", subject=name, reason="not for this page")
    return name


async def test_the_newest_change_of_the_page_is_told_with_the_way_back(service: Service, subject: str) -> None:
    change = await latest(service, subject, family="probe.", told=lambda held: held["is"], undo=WAY_BACK, name="Thing")
    assert change is not None
    assert (change.before, change.after, change.tone_before, change.tone_after) == ("off", "on", "off", "on")
    shown = ENVIRONMENT.get_template("change.html").render(change=change)
    assert "&lt;i&gt;why" in shown and "Turn it back" in shown and 'value="&lt;b&gt;"' in shown
    assert 'name="reason" required' in shown, "a way back asks why, too"


async def test_nothing_is_told_of_what_was_not_changed(service: Service, subject: str) -> None:
    assert await latest(service, "", family="probe.") is None
    assert await latest(service, subject, family="other.") is None
    assert ENVIRONMENT.get_template("change.html").render(change=None).strip() == ""
