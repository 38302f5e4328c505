"""`app forecast`, as an operator calls it over a real ledger."""

import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from app.domain.turn import Call, Usage
from app.store import booking, costs


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
