"""Looking back through the HTTP door: turns by person, time, outcome and words; money and its worth."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest

from tests.api.asking import LEAVE, ask

URL, SPENDING = "/v1/admin/turns", "/v1/admin/spending"


@pytest.fixture
async def marked(client, as_):
    """Two turns of two people with a word of their own: that word, and each turn's id."""
    mark = f"mark{uuid4().hex[:8]}"
    ids = {}
    for person in ("sam.reyes", "tom.becker"):
        asked = {"question": f"How many days of annual leave are there, {mark}?"}
        told = await client.post("/v1/usecases/handbook/turns", json=asked, headers=as_(person))
        ids[person] = told.json()["turn_id"]
    return mark, ids


async def found(client, headers, **asked):
    response = await client.get(URL, params=asked, headers=headers)
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.proves("OBS-1")
async def test_what_the_model_did_for_a_person_around_a_time_is_one_query(client, as_, marked):
    mark, ids = marked
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M")
    told = await found(client, as_("olga.petrov"), person="sam.reyes", at=now, minutes=5, text=mark)
    (turn,) = told["turns"]
    assert turn["id"] == ids["sam.reyes"] and turn["user_id"] == "sam.reyes" and mark in turn["question"]
    for known in ("outcome", "answer", "rung", "revision", "latency_ms", "trace_id", "calls", "tools"):
        assert known in turn
    before = (datetime.now(UTC) - timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    assert (await found(client, as_("olga.petrov"), text=mark, at=before))["turns"] == []


@pytest.mark.proves("OBS-1")
async def test_pages_follow_each_other_and_outcomes_narrow(client, as_, marked):
    mark, ids = marked
    first = await found(client, as_("olga.petrov"), text=mark, limit=1)
    rest = await found(client, as_("olga.petrov"), text=mark, limit=1, before=first["older"])
    assert [first["turns"][0]["id"], rest["turns"][0]["id"]] == [ids["tom.becker"], ids["sam.reyes"]]
    assert len((await found(client, as_("olga.petrov"), text=mark, outcome="refused"))["turns"]) == 2
    assert (await found(client, as_("olga.petrov"), text=mark, outcome="failed"))["turns"] == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"outcome": "sunny"}, "refused_budget"),
        ({"at": "teatime"}, "tuesday 14:00"),
        ({"at": "14:00", "since": "2026-11-17T14:00:00Z"}, "not both"),
        ({"since": "yesterday"}, "since"),
        ({"limit": "1000"}, "limit"),
        ({"shoe": "9"}, "shoe"),
    ],
)
async def test_what_cannot_be_looked_for_is_told(client, as_, asked, said):
    response = await client.get(URL, params=asked, headers=as_("olga.petrov"))
    assert response.status_code == 422 and said in response.text


@pytest.mark.proves("SEC-3")
async def test_nobody_searches_or_counts_without_permission(client, as_, marked):
    for url in (URL, SPENDING):
        assert (await client.get(url, headers=as_("sam.reyes"))).status_code == 403
        assert (await client.get(url)).status_code == 401


@pytest.mark.proves("CST-3", "CST-6")
async def test_spending_tells_days_worth_months_and_what_stands_out(client, as_, marked):
    for name in ("sam.reyes", "tom.becker"):
        await ask(client, as_(name), LEAVE)
    response = await client.get(SPENDING, params={"days": 1}, headers=as_("olga.petrov"))
    told = response.json()
    assert response.status_code == 200 and set(told) == {"since", "days", "worth", "months", "anomalies", "kept"}
    handbook = next(one for one in told["worth"] if one["usecase"] == "handbook")
    assert handbook["good"] >= 2 and handbook["asked"] >= handbook["good"] and Decimal(handbook["cost_usd"]) >= 0
    assert any(month["usecase"] == "handbook" and Decimal(month["budget_usd"]) > 0 for month in told["months"])
    assert (await client.get(SPENDING, params={"days": 0}, headers=as_("olga.petrov"))).status_code == 422
