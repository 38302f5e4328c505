"""What a month will cost: from the ledger when it knows enough, else from an estimate that says what it assumed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.contract import Traffic
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Route, Tape, Turn, Usage
from app.llm.catalog import ModelRef, Price
from app.work import forecast
from app.work.estimate import Asked
from tests.turn import spending

TWO = Decimal(2)


@pytest.fixture
async def one(database_url, redis_url, tmp_path):
    """A service over a use case of its own: 10 turns expected a day, 1 a minute at the peak, $30 a month."""
    contract = {"expected_per_day": "10", "peak_per_minute": "1", "per_month_usd": '"30"', "per_user_day_usd": '"900"'}
    home, name = spending.folder(tmp_path, **contract)
    built = spending.service(home, {"database_url": database_url, "redis_url": redis_url})
    yield replace(built, usecases={"mine": built.usecases[name]})
    await built.stop()


async def live(one, turns, *, cost="0.05", channel="api", days_ago=1, **tape):
    """Write turns with one call each into the ledger."""
    price = Decimal(cost) if cost else None
    for _ in range(turns):
        made = Tape(calls=[Call("standard", "openai", "m", "r", 1, Usage(9, 9, price))], **tape)
        turn = Turn(
            usecase=one.usecases["mine"],
            principal=Principal("ada"),
            question="?",
            channel=channel,
            started_at=datetime.now(UTC) - timedelta(days=days_ago),
            tape=made,
            outcome=Outcome.ANSWERED_MODEL,
        )
        await one.pipeline.record(turn)


def months(made):
    (found,) = made.usecases
    return {volume.name: (volume.turns, volume.cost_usd) for volume in found.volumes}


@pytest.mark.proves("CST-1")
def test_the_volumes_of_a_month_are_what_the_page_says():
    traffic = Traffic(expected_per_day=500, peak_per_minute=30)
    assert forecast.turns_a_month(traffic) == {"expected": 15_200, "peak": 316_800, "5x": 76_000, "10x": 152_000}


@pytest.mark.proves("CST-1", "CST-5")
async def test_a_ledger_that_knows_enough_is_believed_with_what_cache_and_routes_saved(one):
    await live(one, 60, cost="0.04", saved_usd=Decimal("0.01"))
    await live(one, 40, cost="0.04", route=Route("cheap", "short", Decimal("0.02")))
    await live(one, 10, cost="0.04", channel="shadow")
    await live(one, 10, cost="9", channel="evaluation")
    await live(one, 10, cost="9", days_ago=31)

    made = await one.forecaster.make()

    (found,) = made.usecases
    assert (found.basis, found.sample_turns) == ("ledger", 100)
    assert found.per_turn_usd == Decimal("0.04"), "shadows have a budget of their own"
    assert months(made) == {
        "expected": (304, Decimal("12.16")),
        "peak": (10_560, Decimal("422.40")),
        "5x": (1_520, Decimal("60.80")),
        "10x": (3_040, Decimal("121.60")),
    }
    expected = found.volumes[0]
    assert (expected.saved_by_cache_usd, expected.saved_by_routes_usd) == (Decimal("1.82"), Decimal("2.43"))
    assert [volume.within_budget for volume in found.volumes] == [True, False, False, False]
    assert found.breaks_at_turns == 751 and 750 * found.per_turn_usd <= 30 < 751 * found.per_turn_usd
    assert made.breaks == () and made.unknown == ()
    assert made.totals[0].cost_usd == Decimal("12.16")


@pytest.mark.proves("CST-1")
async def test_an_expected_month_that_breaks_its_budget_is_named(one):
    await live(one, 100, cost="0.10")
    made = await one.forecaster.make()
    assert made.breaks == (one.usecases["mine"].name,)


@pytest.mark.proves("CST-1")
async def test_calls_without_a_price_are_unknown_and_never_free(one):
    await live(one, 100, cost="")
    unpriced = await one.forecaster.make()
    assert months(unpriced)["expected"] == (304, None) and unpriced.unknown == (one.usecases["mine"].name,)
    assert unpriced.totals[0].unknown == unpriced.unknown
    await live(one, 100, cost="0.10")
    partly = await one.forecaster.make()
    assert months(partly)["expected"] == (304, Decimal("15.20")) and partly.usecases[0].volumes[0].within_budget is None
    assert "50.0% of the calls have no known price" in partly.usecases[0].said


async def test_a_ledger_that_knows_too_little_gives_way_to_an_estimate_that_says_so(one):
    await live(one, 99)
    (found,) = (await one.forecaster.make()).usecases
    assert (found.basis, found.sample_turns, found.per_turn_usd) == ("estimate", 0, 0)
    assert "no model can be reached" in found.said


def priced(one, *asked, cost=TWO):
    """Give a forecaster as if one model were there, which costs so many dollars for a million tokens, in or out."""
    ref = ModelRef("openai", "own")
    prices = {"own": Price(input_usd=cost, output_usd=cost)} if cost else {}
    catalog = one.forecaster.catalog.model_copy(update={"prices": prices})
    return replace(one.forecaster, catalog=catalog, refs=lambda role, _: ref, asked=lambda _: list(asked))


@pytest.mark.proves("CST-1")
async def test_before_launch_the_prompt_is_measured_on_the_evaluation_cases(one):
    asked = [Asked("Short?", {}), Asked("A question of about three hundred and fifty letters. " * 7, {})]
    (measured,) = (await priced(one, *asked).make()).usecases
    (longest,) = (await priced(one).make()).usecases
    assert "measured on 2 evaluation cases" in measured.said and "openai:own" in measured.said
    assert "a prompt of 6000 tokens, the longest allowed" in longest.said
    assert longest.per_turn_usd == Decimal("0.013"), "6000 tokens in, 500 out, at $2 a million"
    assert Decimal("0.001") < measured.per_turn_usd < Decimal("0.003")


async def test_an_estimate_for_a_model_without_a_price_is_unknown(one):
    made = await priced(one, cost=None).make()
    assert made.usecases[0].per_turn_usd is None and made.unknown


async def test_an_estimate_never_passes_what_one_turn_may_cost(one):
    (found,) = (await priced(one, cost=Decimal(2000)).make()).usecases
    assert found.per_turn_usd == Decimal("0.05")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_a_provider_can_be_assumed_before_there_is_a_key(one, provider):
    (found,) = (await one.forecaster.make(assume=provider)).usecases
    model = one.forecaster.catalog.model_for(provider, "standard")
    assert found.basis == "estimate" and str(model) in found.said and found.per_turn_usd > 0
