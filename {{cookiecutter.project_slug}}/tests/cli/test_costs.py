"""`app forecast` and `app ledger`, as an operator calls them over a real ledger."""

import asyncio
import json
import os
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from app.cli.costs import moment
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Draft, Tape, Turn, Usage
from app.errors import BadInput
from app.settings import ROOT
from app.store import booking, costs
from tests.conftest import SECRET
from tests.turn import spending

NOW = datetime(2026, 11, 18, 9, 0, tzinfo=UTC)
TUESDAY = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)


class Desk:
    """An operator's terminal, beside a service whose ledger can be written."""

    def __init__(self, service, name, urls, home):
        self.service, self.name = service, name
        self.env = {
            **os.environ,
            "DATABASE_URL": urls[0],
            "REDIS_URL": urls[1],
            "APP_USECASES_DIR": str(home),
            "APP_SECRET_KEY": SECRET,
            "COLUMNS": "260",
        }

    async def live(self, *, who="sam.reyes", unit="Sales", cost="0.05", times=1, at=None, **changes):
        """Write turns into the ledger; gives the last."""
        for _ in range(times):
            call = Call("standard", "openai", "gpt-x", "r1", 1, Usage(12, 5, Decimal(cost) if cost else None))
            turn = Turn(
                usecase=self.service.usecases[self.name],
                principal=Principal(who, unit=unit),
                started_at=at or datetime.now(UTC) - timedelta(minutes=1),
                tape=Tape(calls=[call]),
                outcome=Outcome.ANSWERED_MODEL,
                **{
                    "question": "How much leave?",
                    "draft": Draft("25 days", "standard", Outcome.ANSWERED_MODEL),
                    **changes,
                },
            )
            await self.service.pipeline.record(turn)
        return turn

    async def run(self, *words):
        """Run a command; gives its exit code and what it printed."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", *words),
            cwd=ROOT,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, errors = await made.communicate()
        return made.returncode, printed.decode() or errors.decode()


@pytest.fixture
async def desk(database_url, redis_url, tmp_path):
    contract = {"expected_per_day": "10", "per_month_usd": '"30"', "per_user_day_usd": '"900"'}
    home, name = spending.folder(tmp_path, **contract)
    service = spending.service(home, {"database_url": database_url, "redis_url": redis_url})
    yield Desk(service, name, (database_url, redis_url), home)
    await service.stop()


@pytest.mark.proves("CST-1", "CST-5")
async def test_the_forecast_is_a_table_and_a_drawing_and_exits_0_within_the_budget(desk, tmp_path):
    await desk.live(times=100, cost="0.044")
    chart = tmp_path / "months.svg"
    code, said = await desk.run("forecast", "--chart", str(chart))
    assert code == 0, said
    assert re.search(rf"{desk.name} .*expected .*304 .*\$13.38", said), said
    assert "the month's budget of $30.00 holds 682 (2.2 x expected) turns" in said
    assert "a turn; ledger: 100 turns of the last 30 days, 100 calls" in said
    drawing = ElementTree.parse(chart).getroot()
    told = {child.tag.split("}")[1]: child.text for child in drawing}
    assert drawing.get("role") == "img" and drawing.get("aria-labelledby") == "title desc"
    assert told["title"] and f"{desk.name}, from 100 turns of the ledger" in told["desc"] and "$13.38" in told["desc"]
    assert not any("script" in element.tag for element in drawing.iter())


@pytest.mark.proves("CST-1")
async def test_a_forecast_that_breaks_a_budget_exits_1_and_one_that_nobody_knows_exits_2(desk):
    await desk.live(times=100, cost="")
    assert (await desk.run("forecast"))[0] == 2
    await desk.live(times=100, cost="0.5")
    code, said = await desk.run("forecast", "--json")
    told = json.loads(said)
    assert code == 1
    assert [volume["name"] for volume in told["usecases"][0]["volumes"]] == ["expected", "peak", "5x", "10x"]
    assert told["usecases"][0]["volumes"][0]["cost_usd"] == "76.00" and told["totals"][0]["unknown"] == [desk.name]


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


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tuesday 14:00", TUESDAY),
        ("Wednesday 08:00", NOW - timedelta(hours=1)),
        ("wednesday 10:00", NOW - timedelta(days=7) + timedelta(hours=1)),
        ("2026-11-17T14:00", TUESDAY),
        ("2026-11-17T15:00+01:00", TUESDAY),
    ],
)
def test_times_are_read_as_people_say_them(text, expected):
    assert moment(text, now=NOW) == expected


def test_what_is_no_time_is_told_how_times_are_written():
    with pytest.raises(BadInput, match="tuesday 14:00"):
        moment("tuesday at two", now=NOW)


@pytest.mark.proves("CST-1", "CST-3")
async def test_what_jobs_spent_on_documents_counts_in_the_ledger_the_budget_and_the_forecast(desk):
    payer = booking.Payer(uuid4(), desk.name, f"{desk.name}-ada", unit=f"{desk.name}-unit")
    made = [Call("embed", "openai", "text-x", "", 1, Usage(900, 0, Decimal("4.5")), purpose="embed", price="list")] * 2
    await desk.live(times=100, cost="0.01", who=f"{desk.name}-ada", unit=f"{desk.name}-unit")
    async with desk.service.database.work() as work:
        await booking.book(work, payer, made)
        assert not await booking.has_room(work, desk.name, most_usd=Decimal(10))
        assert await booking.has_room(work, desk.name, most_usd=Decimal("10.01"))
    for by, key in (("user", f"{desk.name}-ada"), ("unit", f"{desk.name}-unit"), ("usecase", desk.name)):
        async with desk.service.database.work() as work:
            rows = {row[by]: row for row in await costs.sums(work, by=by, since=datetime.now(UTC) - timedelta(hours=1))}
        assert (rows[key]["cost_usd"], rows[key]["turns"], rows[key]["calls"]) == (Decimal(10), 100, 102)
    code, said = await desk.run("forecast", "--json")
    (told,) = (row for row in json.loads(said)["usecases"] if row["usecase"] == desk.name)
    assert code == 0 and told["documents_usd"] == "9.00000000"
    assert told["volumes"][0]["cost_usd"] == "12.04", "304 turns at a cent, and the documents of a month"
    assert told["breaks_at_turns"] == 2101
    code, said = await desk.run("ledger", "--usecase", desk.name)
    assert code == 0 and str(payer.job_id) in said and "1,800" in said and "$9.00" in said
