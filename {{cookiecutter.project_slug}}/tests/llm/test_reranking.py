"""A reranker puts passages into its order, in both shapes; away, late or broken it is done without, on the record."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from decimal import Decimal

import pytest

from app.domain.turn import Tape
from app.errors import CannotStart
from app.llm import catalog
from app.llm.reranking import Reranker, Server
from app.store.turnstile import Turnstile
from app.wiring.reranking import reranker as wired
from tests.conftest import make_settings
from tests.fakes.fixtures import RunningVendor
from tests.fakes.reranker import LIKED

TEXTS = ["Lunch is at noon.", f"The tide table hangs in the office; {LIKED}.", "The tide is high."]
Make = Callable[..., Reranker]


@pytest.fixture
async def make(vendor: RunningVendor) -> AsyncIterator[Make]:
    made = []

    def make(url: str = "", prices: dict[str, object] | None = None, **choice: object) -> Reranker:
        models = {"roles": {}, "rerank": {"model": "judge", "timeout_ms": 5000, **choice}, "prices": prices or {}}
        known = catalog.parse(models)
        made.append(Reranker(known.rerank, Server(url or f"{vendor.url}/v1"), known, turnstile=Turnstile(None)))
        return made[-1]

    yield make
    for each in made:
        await each.aclose()


@pytest.mark.parametrize("shape", ["documents", "texts"])
async def test_texts_are_scored_in_the_order_in_which_they_came(make: Make, vendor: RunningVendor, shape: str) -> None:
    tape = Tape()
    scores = await make(shape=shape).rerank("tide table", TEXTS, tape=tape)
    assert scores is not None
    assert scores[1] > scores[2] > scores[0] >= 0
    assert [(call.purpose, call.provider, call.model, call.error) for call in tape.calls] == [
        ("rerank", "rerank", "judge", "")
    ]
    assert ("texts" in vendor.requests[0]) == (shape == "texts")


async def test_a_call_is_priced_by_tokens_or_by_search(make: Make) -> None:
    tape = Tape()
    await make().rerank("tide", TEXTS, tape=tape)
    await make(prices={"judge": {"input_usd": "1000000", "output_usd": "0"}}).rerank("tide", TEXTS, tape=tape)
    await make(usd_per_search="0.002").rerank("tide", TEXTS, tape=tape)
    unknown, tokens, search = tape.calls
    assert (unknown.price, unknown.usage.cost_usd) == ("unpriced", None)
    assert (tokens.price, tokens.usage.cost_usd) == ("own", Decimal(tokens.usage.input_tokens))
    assert (search.price, search.usage.cost_usd) == ("own", Decimal("0.002"))


@pytest.mark.parametrize("fault", ["500", "429", "401", "malformed"])
async def test_a_reranker_that_fails_is_done_without(make: Make, vendor: RunningVendor, fault: str) -> None:
    vendor.will(fault)
    tape = Tape()
    assert await make().rerank("tide", TEXTS, tape=tape) is None
    assert len(tape.calls) == 1
    assert tape.calls[0].error


async def test_a_reranker_that_is_late_is_not_waited_for(make: Make, vendor: RunningVendor) -> None:
    vendor.will("hang:20")
    tape = Tape()
    started = asyncio.get_running_loop().time()
    assert await make(timeout_ms=100).rerank("tide", TEXTS, tape=tape) is None
    assert asyncio.get_running_loop().time() - started < 10
    assert [call.error for call in tape.calls] == ["timeout"]


async def test_the_deadline_of_the_turn_is_kept(make: Make, vendor: RunningVendor) -> None:
    vendor.will("hang:20")
    until_s = asyncio.get_running_loop().time() + 0.1
    assert await make(timeout_ms=60_000).rerank("tide", TEXTS, until_s=until_s) is None
    assert asyncio.get_running_loop().time() - until_s < 10


async def test_a_reranker_that_keeps_failing_is_not_called_for_a_while(make: Make) -> None:
    away, tape = make(url="http://127.0.0.1:9"), Tape()
    for _ in range(30):
        assert await away.rerank("tide", TEXTS, tape=tape) is None
    assert len(tape.calls) < 30


async def plain(texts: Sequence[str]) -> list[str]:
    return list(texts)


def test_a_reranker_without_an_address_stops_the_start() -> None:
    models = catalog.parse({"roles": {}, "rerank": {"model": "judge"}})
    with pytest.raises(CannotStart, match=r"models.toml: rerank.model is 'judge'.*set RERANK_BASE_URL"):
        wired(models, make_settings("", ""), Turnstile(None), plain)
    assert wired(catalog.parse({"roles": {}}), make_settings("", ""), Turnstile(None), plain) is None
