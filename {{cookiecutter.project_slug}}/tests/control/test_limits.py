"""Rates: shared over Redis, local while it is away."""

from uuid import uuid4

import pytest

from app.control.limits import Rates
from app.domain.outcome import Outcome
from app.domain.turn import Turn


async def test_the_limit_holds_over_processes_and_says_when_to_come_back(redis_url):
    user, first, second = uuid4().hex, Rates(redis_url), Rates(redis_url)
    allowed = [(await rates.hit("case", user, per_minute=3)).allowed for rates in (first, second, first)]
    refused = await second.hit("case", user, per_minute=3)
    assert allowed == [True] * 3
    assert not refused.allowed and 0 < refused.reset_s <= 60
    assert (await first.hit("case", "another", per_minute=3)).allowed


async def test_without_redis_each_process_counts_for_itself():
    rates = Rates("redis://127.0.0.1:1")
    assert [(await rates.hit("case", "ada", per_minute=2)).allowed for _ in range(3)] == [True, True, False]


@pytest.mark.proves("SEC-2")
async def test_the_429_comes_back_through_the_door(client, as_, service, monkeypatch):
    limits = service.usecases["slow"].contract.limits
    monkeypatch.setitem(limits.__dict__, "per_user_per_minute", 2)
    statuses = []
    for _ in range(3):
        body = {"question": "1 words"}
        statuses.append(await client.post("/v1/usecases/slow/turns", json=body, headers=as_("tom.becker")))
    assert [response.status_code for response in statuses] == [200, 200, 429]
    assert int(statuses[-1].headers["retry-after"]) > 0
    assert statuses[-1].json()["outcome"] == Outcome.REFUSED_RATE and Turn
