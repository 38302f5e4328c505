"""Limits: whose they are, what they count, and what happens while Redis is away."""

import asyncio
import tomllib
from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest
from structlog.testing import capture_logs

from app.control.allowed import Allowed, parse
from app.control.limits import Limits
from app.domain.identity import Principal
from app.domain.quota import Visit
from app.domain.turn import Call, Turn, Usage
from app.errors import CannotStart, DependencyDown, OverRate
from app.settings import ROOT
from app.store.shared import Shared
from app.telemetry import metrics
from ops.local.redis import Redis

pytestmark = pytest.mark.proves("SEC-2")
STATED = {
    "concurrent_turns": "turns",
    "requests_per_minute": "requests",
    "tokens_per_minute": "tokens",
}
# The requests of an address are counted before anybody is asked who they are: tests/control/test_addresses.py.
EACH = [
    (scope, kind)
    for scope in ("person", "key", "usecase", "address")
    for kind in STATED
    if (scope, kind) != ("address", "requests_per_minute")
]


@pytest.fixture
async def shared(redis_url):
    opened = Shared(redis_url, timeout_s=10)
    yield opened
    await opened.close()


@pytest.fixture
def someone():
    return Principal(f"someone-{uuid4().hex}", key_id=f"key-{uuid4().hex}")


@pytest.fixture
def turn(service, someone):
    """Make turns of one person in one use case from one address, all of which nobody else has."""
    case, address = replace(service.usecases["slow"], name=f"slow-{uuid4().hex}"), uuid4().hex

    def made(**limits):
        contract = case.contract.model_copy(update={"limits": case.contract.limits.model_copy(update=limits)})
        return Turn(usecase=replace(case, contract=contract), principal=someone, question="?", address=address)

    return made


def used(turn, tokens):
    usage = Usage(tokens, 0, Decimal(0))
    turn.tape.calls.append(Call(rung="standard", provider="p", model="m", revision="r", usage=usage, latency_ms=1))


async def left(limits, turn):
    """Nobody waits for it, but whoever wants to see what became of it."""
    limits.leave(turn)
    await limits.close()


async def refused(limits, turn):
    with pytest.raises(OverRate) as caught:
        await limits.enter(turn)
    return caught.value


@pytest.mark.parametrize(("scope", "kind"), EACH)
async def test_each_subject_has_its_limits(shared, turn, scope, kind):
    limits = Limits(Allowed.model_validate({scope: {kind: 1}}), shared)
    first, second = turn(), turn()
    await limits.enter(first)
    if kind == "tokens_per_minute":
        used(first, 5)
        await left(limits, first)
    error = await refused(limits, second)
    assert error.extra["limit"]["policy"] == f"{scope}-{STATED[kind]}"
    assert error.extra["violated-policies"] == [f"{scope}-{STATED[kind]}"]
    assert error.retry_after_s >= 1 and str(error.retry_after_s) in error.detail
    await limits.close()


@pytest.mark.parametrize(
    ("stated", "policy"),
    [
        ("per_user_per_minute", "asker-requests"),
        ("concurrent_per_user", "asker-turns"),
        ("tokens_per_user_per_minute", "asker-tokens"),
        ("per_minute", "usecase-requests"),
        ("concurrent", "usecase-turns"),
        ("tokens_per_minute", "usecase-tokens"),
    ],
)
async def test_a_contract_states_limits_of_its_own(shared, turn, stated, policy):
    limits, first = Limits(Allowed(), shared), turn(**{stated: 1})
    await limits.enter(first)
    if policy.endswith("tokens"):
        used(first, 5)
        await left(limits, first)
    error = await refused(limits, turn(**{stated: 1}))
    assert error.extra["limit"]["policy"] == policy and "in 'Slow'" in error.detail
    await limits.close()


async def test_a_place_is_free_again_when_the_turn_has_ended(shared, turn):
    limits = Limits(Allowed(), shared)
    first = turn(concurrent_per_user=1)
    await limits.enter(first)
    await refused(limits, turn(concurrent_per_user=1))
    await left(limits, first)
    await limits.enter(turn(concurrent_per_user=1))
    await limits.close()


async def test_the_turn_that_was_refused_takes_nothing_from_anybody(shared, turn):
    limits = Limits(Allowed.model_validate({"person": {"requests_per_minute": 5}}), shared)
    await limits.enter(turn(per_user_per_minute=1))
    for _ in range(3):
        await refused(limits, turn(per_user_per_minute=1))
    last = turn(per_user_per_minute=100)
    await limits.enter(last)
    assert {quota.policy: quota.left for quota in last.tape.quotas}["person-requests"] == 3
    await limits.close()


async def test_one_trip_counts_everything(shared, turn, monkeypatch):
    everything = {"requests_per_minute": 9, "concurrent_turns": 9, "tokens_per_minute": 9}
    limits = Limits(Allowed.model_validate(dict.fromkeys(("person", "key", "usecase", "address"), everything)), shared)
    trips, run = [], shared.run

    async def counted(script, keys, values=()):
        trips.append(len(keys))
        return await run(script, keys, values)

    monkeypatch.setattr(shared, "run", counted)
    await limits.enter(turn(concurrent_per_user=9))
    # Asker 2; person, key and use case 3 each; the address' requests were counted before.
    assert trips == [13]
    await limits.close()


async def test_uploads_are_counted_by_number_and_by_size(shared, someone):
    limits = Limits(Allowed.model_validate({"person": {"uploads_per_hour": 3, "upload_bytes_per_hour": 100}}), shared)
    visit = Visit()
    await limits.upload(someone, "slow", visit, size_bytes=60)
    assert {quota.policy: quota.left for quota in visit.quotas} == {"person-uploads": 2, "person-upload-bytes": 40}
    with pytest.raises(OverRate) as caught:
        await limits.upload(someone, "slow", Visit(), size_bytes=41)
    assert caught.value.extra["limit"]["unit"] == "upload-bytes"
    for _ in range(2):
        await limits.upload(someone, "slow", Visit(), size_bytes=1)
    with pytest.raises(OverRate) as caught:
        await limits.upload(someone, "slow", Visit(), size_bytes=1)
    assert caught.value.extra["limit"]["policy"] == "person-uploads"


async def test_queueing_a_job_is_one_request_and_holds_no_place(shared, service, someone):
    limits = Limits(Allowed.model_validate({"person": {"requests_per_minute": 1, "concurrent_turns": 1}}), shared)
    await limits.submit(someone, service.usecases["slow"], Visit())
    with pytest.raises(OverRate):
        await limits.submit(someone, service.usecases["slow"], Visit())


async def test_without_redis_each_process_counts_for_itself_and_says_so(tmp_path, turn):
    redis = Redis(tmp_path / "redis")
    redis.start()
    shared = Shared(redis.url, timeout_s=5, pause_s=0.05)
    limits = Limits(Allowed.model_validate({"person": {"requests_per_minute": 2, "concurrent_turns": 2}}), shared)
    try:
        first = turn()
        await limits.enter(first)
        redis.stop()
        before = unshared("allow")
        with capture_logs() as logs:
            second, third = turn(), turn()
            await limits.enter(second)
            await limits.enter(third)
            await refused(limits, turn())
        assert unshared("allow") == before + 3
        assert any(line["event"] == "limits.unshared" and line["policy"] == "allow" for line in logs)
        for each in (first, second, third):
            limits.leave(each)
        redis.start()
        async with asyncio.timeout(30):
            while True:
                again = turn()
                before = unshared("allow")
                try:
                    await limits.enter(again)
                except OverRate:
                    await asyncio.sleep(0.05)
                    continue
                if unshared("allow") == before:
                    break
        await limits.close()
    finally:
        redis.stop()


async def test_where_nobody_may_be_let_in_uncounted_redis_away_refuses(turn):
    limits = Limits(Allowed(when_redis_is_away="refuse"), Shared("redis://127.0.0.1:1"))
    before = unshared("refuse")
    with pytest.raises(DependencyDown) as caught:
        await limits.enter(turn())
    assert caught.value.retry_after_s and unshared("refuse") == before + 1


def unshared(policy):
    shown = metrics.render()[0].decode()
    lines = [line for line in shown.splitlines() if line.startswith(f'limits_unshared_total{{policy="{policy}"')]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


def test_a_project_without_the_file_has_no_new_limits():
    allowed = parse({})
    for part in (allowed.person, allowed.key, allowed.usecase):
        assert [*part.turns(), *part.uploads()] == []
    assert allowed.when_redis_is_away == "allow" and allowed.address.failed_sign_ins_per_minute == 30


def test_the_file_that_comes_along_is_read():
    assert parse(tomllib.loads((ROOT / "config" / "limits.toml").read_text())).person.requests_per_minute == 600


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"person": {"request_per_minute": 5}}, "person.request_per_minute"),
        ({"person": {"requests_per_minute": 0}}, "person.requests_per_minute"),
        ({"address": {"exempt": ["10.0.0.0/99"]}}, "address.exempt.0"),
        ({"when_redis_is_away": "hope"}, "when_redis_is_away"),
    ],
)
def test_what_cannot_be_meant_stops_the_start_with_file_key_and_cure(raw, named):
    with pytest.raises(CannotStart) as caught:
        parse(raw)
    assert "config/limits.toml" in caught.value.detail and named in caught.value.detail
    assert "docs/how-to/limit-use.md" in caught.value.detail
