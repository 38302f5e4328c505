"""Who is let in while money is short: exactly as many as a budget allows, and the others are told why."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from uuid import UUID, uuid4

import pytest

from app.domain.turn import Turn
from tests.turn import spending

ALLOWED = 7


@dataclass
class Gate:
    """Holds admitted turns before their answer, until it is opened."""

    answer: object
    opened: asyncio.Event

    async def __call__(self, turn: Turn) -> Turn:
        await self.opened.wait()
        return await self.answer(turn)


@pytest.fixture
def urls(database_url, redis_url):
    return {"database_url": database_url, "redis_url": redis_url}


async def started(made, *services):
    for one in services:
        await one.start()
        made.append(one)


@pytest.fixture
async def made():
    """Services of a test, stopped after it."""
    services = []
    yield services
    for one in services:
        await one.stop()


def question(name, **more):
    return {"url": f"/v1/usecases/{name}/turns", "json": {"question": "Say something", **more}}


@pytest.mark.proves("CST-2", "REL-5")
async def test_of_forty_at_once_at_two_services_exactly_as_many_are_answered_as_the_budget_allows(
    urls, vendor, tmp_path, as_, made
):
    budget = Decimal("0.05") * ALLOWED
    home, name = spending.folder(tmp_path, per_turn_usd='"0.05"', per_user_day_usd=f'"{budget}"')
    opened = asyncio.Event()
    pair = [spending.service(home, urls, vendor_url=vendor.url) for _ in range(2)]
    pair = [replace(one, pipeline=replace(one.pipeline, answer=Gate(one.pipeline.answer, opened))) for one in pair]
    await started(made, *pair)
    doors = [spending.client(one) for one in pair]

    asking = [asyncio.create_task(doors[n % 2].post(**question(name), headers=as_("sam.reyes"))) for n in range(40)]
    try:
        async with asyncio.timeout(60):
            for refused in islice(asyncio.as_completed(asking), 40 - ALLOWED):
                assert (await refused).status_code == 402
        during = await spending.budgets(pair[0].database, name)
    finally:
        opened.set()
    answers = await asyncio.gather(*asking)

    assert sorted(answer.status_code for answer in answers) == [200] * ALLOWED + [402] * (40 - ALLOWED)
    assert during["person"] == (0, budget), "all of it is held while they run"
    assert vendor.state.count == ALLOWED
    after, turns = await spending.budgets(pair[0].database, name), await spending.ledger(pair[0].database, name)
    spent = sum(turn.spent for turn in turns)
    assert 0 < spent < budget and len(turns) == 40
    assert {after[kind] for kind in ("person", "usecase")} == {(spent, 0)}
    for door in doors:
        await door.aclose()


@pytest.mark.proves("CST-2")
async def test_a_budget_is_spent_to_its_end_and_never_beyond_it(urls, vendor, tmp_path, as_, made):
    prices = '[roles.openai]\nstandard = "dear"\n[prices]\ndear = { input_usd = "0", output_usd = "1000" }\n'
    config = tmp_path / "config"
    spending.shutil.copytree(spending.ROOT / "config", config)
    (config / "models.toml").write_text(prices)
    home, name = spending.folder(
        tmp_path, per_turn_usd='"0.10"', per_user_day_usd='"0.33"', max_output_tokens="100", timeout_s="30"
    )
    one = spending.service(home, urls, vendor_url=vendor.url, config_dir=config)
    await started(made, one)
    async with spending.client(one) as door:
        answers = [await door.post(**question(name), headers=as_("sam.reyes")) for _ in range(60)]
        other = await door.post(**question(name), headers=as_("maya.okafor"))

    codes = [answer.status_code for answer in answers]
    assert codes == sorted(codes) and {200, 402} == set(codes)
    kept = await spending.budgets(one.database, name)
    mine = [turn for turn in await spending.ledger(one.database, name) if turn.user_id == "sam.reyes"]
    assert Decimal("0.23") < sum(turn.spent for turn in mine) <= Decimal("0.33")
    assert kept["usecase"][1] == 0
    assert other.status_code == 200, "one person's day is nobody else's"


async def spend(service, name, who, cost):
    """Let a person have spent so much today, with its row in the ledger."""
    from app.domain.identity import Principal
    from app.domain.outcome import Outcome
    from app.domain.turn import Call, Tape, Usage

    call = Call("standard", "openai", "m", "r", 1, Usage(1, 1, Decimal(cost)))
    turn = Turn(
        usecase=service.usecases[name],
        principal=Principal(who, unit="Sales"),
        question="?",
        channel="evaluation" if who == "team" else "api",
        tape=Tape(calls=[call]),
        outcome=Outcome.ANSWERED_MODEL,
    )
    await service.pipeline.record(turn)


@pytest.mark.proves("CST-2")
async def test_who_is_over_budget_reads_whose_budget_it_is_what_is_used_and_when_it_is_renewed(
    urls, tmp_path, as_, made
):
    home, name = spending.folder(tmp_path)
    one = spending.service(home, urls)
    await started(made, one)
    await spend(one, name, "sam.reyes", "1.25")
    async with spending.client(one) as door:
        refused = await door.post(**question(name), headers=as_("sam.reyes"))
    problem = refused.json()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    assert refused.status_code == 402 and refused.headers["content-type"] == "application/problem+json"
    assert (problem["type"], problem["outcome"]) == ("/problems/over-budget", "refused_budget")
    assert "Your budget for today in 'Slow' is used up: $1.25 of $1.00 are spent" in problem["detail"]
    assert f"renewed on {tomorrow}" in problem["detail"]
    assert problem["budget"]["kind"] == "person" and problem["budget"]["renewed_at"] == f"{tomorrow}T00:00:00Z"
    assert "retry-after" not in refused.headers, "a budget is no rate"


@pytest.mark.proves("CST-2")
async def test_a_use_cases_month_and_a_units_month_refuse_their_people_and_nobody_else(urls, tmp_path, as_, made):
    config = tmp_path / "config"
    spending.shutil.copytree(spending.ROOT / "config", config)
    (config / "budgets.toml").write_text('[units]\nSales = "1000000"\n')
    home, name = spending.folder(tmp_path, per_month_usd='"2"', per_user_day_usd='"90"')
    wide = spending.service(home, urls, config_dir=config)
    (config / "budgets.toml").write_text('[units]\nSales = "0.01"\n')
    tight = spending.service(home, urls, config_dir=config)
    await started(made, wide, tight)
    await spend(wide, name, "team", "1.5")
    async with spending.client(wide) as door, spending.client(tight) as strict:
        unit = (await strict.post(**question(name), headers=as_("sam.reyes"))).json()
        others = await strict.post(**question(name), headers=as_("priya.nair"))
        before = await door.post(**question(name), headers=as_("sam.reyes"))
        await spend(wide, name, "team", "0.5")
        month = (await door.post(**question(name), headers=as_("priya.nair"))).json()
    assert unit["budget"]["kind"] == "unit" and "the unit 'Sales'" in unit["detail"]
    assert before.json()["outcome"] == others.json()["outcome"] == "failed_model", (
        "let in; there is nothing to answer with"
    )
    assert month["budget"]["kind"] == "usecase" and month["budget"]["spent_usd"] == "2.00000000"
    assert month["budget"]["renewed_at"].endswith("-01T00:00:00Z") and "its owner can raise it" in month["detail"]


async def test_a_refused_turn_leaves_no_session_behind(urls, tmp_path, as_, made):
    home, name = spending.folder(tmp_path)
    one = spending.service(home, urls)
    await started(made, one)
    await spend(one, name, "sam.reyes", "1.25")
    async with spending.client(one) as door:
        assert (await door.post(**question(name), headers=as_("sam.reyes"))).status_code == 402
    async with one.database.work() as work:
        opened = await work.sql("SELECT count(*) FROM sessions WHERE usecase = :name", name=name)
        assert opened.scalar_one() == 0


async def test_what_cannot_cost_anything_holds_nothing(urls, tmp_path, as_, made):
    home, name = spending.folder(tmp_path)
    one = spending.service(home, urls)
    await started(made, one)
    async with spending.client(one) as door:
        await door.post(**question(name), headers=as_("sam.reyes"))
    assert await spending.budgets(one.database, name) == {}


@pytest.mark.parametrize("channel", ["openai", "shadow", "evaluation"])
async def test_only_the_api_starts_sessions(urls, tmp_path, made, channel):
    from app.domain.identity import Permission, Principal

    home, name = spending.folder(tmp_path)
    one = spending.service(home, urls)
    await started(made, one)
    who = Principal(f"p-{uuid4()}", permissions=frozenset({Permission.ASK}))
    turn = Turn(usecase=one.usecases[name], principal=who, question="?", channel=channel)
    assert (await one.pipeline.admit(turn)).session_id is None


async def test_the_rate_holds_for_the_openai_door_too(urls, tmp_path, made):
    from app.domain.identity import Permission, Principal
    from app.domain.turn import StopTurn

    home, name = spending.folder(tmp_path, per_user_per_minute="1")
    one = spending.service(home, urls)
    await started(made, one)
    who = Principal(f"p-{uuid4()}", permissions=frozenset({Permission.ASK}))
    turn = Turn(usecase=one.usecases[name], principal=who, question="?", channel="openai")
    await one.pipeline.admit(turn)
    with pytest.raises(StopTurn) as refused:
        await one.pipeline.admit(replace(turn, id=UUID(int=1)))
    assert refused.value.error.status == 429


@pytest.mark.parametrize("written", ['[units]\nSales = "0"\n', '[units]\nSales = "much"\n', "alert_shares = 0.8\n"])
def test_a_budget_that_is_none_stops_the_start_with_file_key_and_cure(written):
    import tomllib

    from app.control import budgets
    from app.errors import CannotStart

    with pytest.raises(CannotStart) as told:
        budgets.parse(tomllib.loads(written))
    assert "config/budgets.toml: " in told.value.detail and "US dollars per month" in told.value.detail
