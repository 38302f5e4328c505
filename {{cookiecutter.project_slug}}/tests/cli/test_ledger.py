"""`app ledger`, as an operator calls it over a real ledger: by person, time, outcome and words, and in sums."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.outcome import Outcome

TUESDAY = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)


@pytest.mark.proves("OBS-1")
async def test_what_the_model_did_on_tuesday_at_two_for_a_person_is_one_command(desk):
    mine = await desk.live(at=TUESDAY + timedelta(minutes=3))
    await desk.live(at=TUESDAY + timedelta(minutes=3), who="maya.okafor", question="Something else?")
    await desk.live(at=TUESDAY + timedelta(hours=3))
    code, said = await desk.run("ledger", "--user", "sam.reyes", "--usecase", desk.name, "--at", "2026-11-17T14:00")
    assert code == 0, said
    for seen in (
        str(mine.id),
        "2026-11-17 14:03:00",
        "How much leave?",
        "25 days",
        "openai:gpt-x",
        "12+5 tokens",
        "0.05",
    ):
        assert seen in said, said
    assert "Something else" not in said and "17:00" not in said
    code, said = await desk.run("ledger", "--turn", str(mine.id), "--json")
    (story,) = json.loads(said)
    assert (story["id"], story["calls"][0]["model"]) == (str(mine.id), "gpt-x")


@pytest.mark.proves("OBS-3", "CST-3")
@pytest.mark.parametrize(
    ("by", "key", "spent"), [("user", "{}-ada", "0.15"), ("unit", "{}-unit", "0.25"), ("usecase", "{}", "0.25")]
)
async def test_the_ledger_adds_up_by_person_unit_and_use_case(desk, by, key, spent):
    unit = f"{desk.name}-unit"
    await desk.live(who=f"{desk.name}-ada", unit=unit, times=3)
    await desk.live(who=f"{desk.name}-bob", unit=unit, times=2)
    await desk.live(who=f"{desk.name}-ada", unit=unit, cost="")
    code, said = await desk.run("ledger", "--by", by, "--json")
    rows = {row[by]: row for row in json.loads(said)}
    row = rows[key.format(desk.name)]
    assert code == 0 and Decimal(row["cost_usd"]) == Decimal(spent) and row["unpriced"] == 1


async def test_sums_by_model_are_a_table(desk):
    await desk.live()
    code, said = await desk.run("ledger", "--by", "model", "--hours", "1")
    assert code == 0 and "openai:gpt-x" in said and "unpriced calls" in said


@pytest.mark.parametrize("words", [("--by", "user", "--user", "sam.reyes"), ("--by", "shoe size"), ("--at", "teatime")])
async def test_a_call_that_is_wrong_exits_2_and_says_what_is_allowed(desk, words):
    code, said = await desk.run("ledger", *words)
    assert code == 2 and re.search(r"leave out|'unit'|2026-11-17T14:00", said), said


@pytest.mark.proves("OBS-1")
async def test_turns_are_found_by_words_and_outcome_with_the_zone_of_who_asks(desk):
    mine = await desk.live(at=TUESDAY, question="May I sell my gizmotron?")
    held = await desk.live(at=TUESDAY, outcome=Outcome.REFUSED_BUDGET, draft=None, question="And what of two?")
    berlin = ("--usecase", desk.name, "--at", "2026-11-17 15:00 Europe/Berlin", "--json")
    for words, found in (
        (("--text", "gizmo"), mine),
        (("--outcome", "refused"), held),
        (("--outcome", "refused_budget", "--person", "sam.reyes"), held),
    ):
        code, said = await desk.run("ledger", *words, *berlin)
        assert code == 0 and [row["id"] for row in json.loads(said)] == [str(found.id)], said
    code, said = await desk.run("ledger", "--outcome", "sunny")
    assert code == 2 and "refused_budget" in said


@pytest.mark.proves("OBS-1")
def test_the_command_loads_nothing_that_would_keep_an_operator_waiting():
    heavy = ("sqlalchemy", "fastapi", "celery", "openai", "opentelemetry.sdk", "httpx2", "pydantic_ai", "app.wiring")
    look = f"import sys, app.cli.ledger; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout
