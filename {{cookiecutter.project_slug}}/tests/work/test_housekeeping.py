"""Housekeeping: each step is taken, whatever becomes of the others."""

from dataclasses import replace
from uuid import UUID

import pytest
from structlog.testing import capture_logs

from app.errors import DependencyDown
from app.telemetry import metrics

URL = "/v1/usecases/handbook/turns"


class Broken:
    """A step that breaks, for want of a database or for any other reason."""

    def __init__(self, error):
        self.error = error

    async def look(self):
        raise self.error


def failures(step):
    shown = metrics.render()[0].decode()
    start = f'housekeeping_failures_total{{step="{step}"}} '
    return next(float(line.removeprefix(start)) for line in shown.splitlines() if line.startswith(start))


@pytest.mark.parametrize("error", [RuntimeError("no good"), DependencyDown("it takes too long")])
async def test_a_step_that_breaks_keeps_no_other_from_being_taken(error, client, as_, service):
    asked = {"question": "How many days of annual leave do employees have?"}
    told = (await client.post(URL, json=asked, headers=as_("sam.reyes"))).json()
    said = {"thumbs": "down", "correction": "It is 26 days, says Erin Holt."}
    await client.post(f"/v1/turns/{told['turn_id']}/feedback", json=said, headers=as_("sam.reyes"))
    await service.housekeeping.often()
    before = failures("rollouts")
    async with service.database.work() as work:
        await work.sql("UPDATE captured_cases SET is_masked = false WHERE turn_id = :id", id=UUID(told["turn_id"]))
    with capture_logs() as logs:
        await replace(service.housekeeping, rollouts=Broken(error)).often()
    async with service.database.work() as work:
        of = "SELECT is_masked FROM captured_cases WHERE turn_id = :id"
        assert (await work.sql(of, id=UUID(told["turn_id"]))).scalar_one(), "a later step was taken"
    assert failures("rollouts") == before + 1 and failures("captures") == 0
    (broke,) = [entry for entry in logs if entry["event"] == "housekeeping.broke"]
    assert broke["step"] == "rollouts" and broke["log_level"] == "error"
