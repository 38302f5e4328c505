"""Counters: all or none in one trip, never more than the limit in any window, leases that end by themselves."""

import asyncio
import random
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from app.store.limits import BUCKETS, Counter, SharedCounters, named
from app.store.limits_local import MOST_KNOWN, LocalCounters
from app.store.shared import Shared, SharedAway

pytestmark = pytest.mark.proves("SEC-2")


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


class Alone:
    """The counters of one process, called as those in Redis are."""

    def __init__(self):
        self._counters = LocalCounters()

    async def take(self, counters):
        return self._counters.take(counters)

    async def add(self, counters):
        return self._counters.add(counters)


@pytest.fixture(params=["redis", "alone"])
async def counters(request, redis_url):
    if request.param == "alone":
        yield Alone()
        return
    shared = Shared(redis_url, timeout_s=10)
    yield SharedCounters(shared)
    await shared.close()


def window(most, *, seconds=60, **more):
    return Counter(named("test", uuid4().hex), most, seconds, **more)


def lease(most, token, *, key=None, hold_s=60.0):
    return Counter(key or named("test", uuid4().hex), most, token=token, hold_s=hold_s)


async def test_so_many_are_let_in_and_the_next_is_told_when_to_come_back(counters):
    asked = window(3)
    left = [(await counters.take([asked]))[0].left for _ in range(3)]
    (refused,) = await counters.take([asked])
    assert left == [2, 1, 0]
    assert refused.is_full and 0 < refused.again_s <= 60 * (BUCKETS + 1) / BUCKETS


async def test_nothing_is_counted_when_one_of_them_has_no_room(counters):
    open_, shut = window(10), window(1)
    await counters.take([shut])
    for _ in range(3):
        first, second = await counters.take([open_, shut])
        assert not first.is_full and second.is_full
    (reading,) = await counters.take([open_])
    assert reading.left == 9


async def test_whoever_waits_as_long_as_they_were_told_is_let_in(counters):
    asked = window(2, seconds=1)
    for _ in range(2):
        await counters.take([asked])
    (refused,) = await counters.take([asked])
    assert refused.is_full
    await asyncio.sleep(refused.again_s + 0.01)
    assert not (await counters.take([asked]))[0].is_full


async def test_what_a_turn_used_is_counted_afterwards_and_shuts_out_the_next(counters):
    tokens = window(100, units=0)
    assert not (await counters.take([tokens]))[0].is_full
    assert (await counters.take([tokens]))[0].left == 100
    used = Counter(tokens.key, 100, 60, units=250)
    (after,) = await counters.add([used])
    assert after.left == -150 and after.is_full
    assert (await counters.take([tokens]))[0].is_full


async def test_an_upload_needs_room_for_all_of_it(counters):
    key = named("test", uuid4().hex)
    (first,) = await counters.take([Counter(key, 100, 3600, units=70, needs=70)])
    (second,) = await counters.take([Counter(key, 100, 3600, units=31, needs=31)])
    (third,) = await counters.take([Counter(key, 100, 3600, units=30, needs=30)])
    assert (first.left, second.is_full, third.left) == (30, True, 0)


async def test_a_lease_is_free_again_once_it_is_given_back(counters):
    one = lease(2, "one")
    two, three = (Counter(one.key, 2, token=token, hold_s=60) for token in ("two", "three"))
    assert [(await counters.take([each]))[0].is_full for each in (one, two, three)] == [False, False, True]
    await counters.add([one])
    assert not (await counters.take([three]))[0].is_full


async def test_a_lease_of_who_died_ends_by_itself(counters):
    dead = lease(2, "dead", hold_s=0.5)
    alive, other = (Counter(dead.key, 2, token=token, hold_s=60) for token in ("alive", "other"))
    # Somebody else keeps the counter itself from ending.
    for each in (dead, other):
        await counters.take([each])
    assert (await counters.take([alive]))[0].is_full
    async with asyncio.timeout(20):
        while True:
            if not (await counters.take([alive]))[0].is_full:
                break
            await asyncio.sleep(0.05)


async def test_processes_count_together(redis_url):
    first, second, asked = Shared(redis_url, timeout_s=10), Shared(redis_url, timeout_s=10), window(3)
    ends = [await SharedCounters(shared).take([asked]) for shared in (first, second, first, second)]
    assert [reading.is_full for (reading,) in ends] == [False, False, False, True]
    for shared in (first, second):
        await shared.close()


async def test_redis_learns_no_names_and_keeps_nothing_for_ever(redis_url):
    shared, redis = Shared(redis_url, timeout_s=10), Redis.from_url(redis_url)
    key, held = named("person", "requests", "sam.reyes"), named("person", "turns", "sam.reyes")
    await SharedCounters(shared).take([Counter(key, 5, 60), Counter(held, 5, token="t", hold_s=30)])
    assert "sam" not in key and len(key) < 40
    assert 60 < await redis.ttl(key) <= 140 and 30 <= await redis.ttl(held) <= 60
    await shared.close()
    await redis.aclose()


async def test_where_there_is_no_redis_one_is_told_so():
    with pytest.raises(SharedAway):
        await SharedCounters(Shared("redis://127.0.0.1:1")).take([window(1)])


@pytest.mark.parametrize("seed", range(5))
def test_no_window_ever_holds_more_than_the_limit_and_nobody_waits_much_longer_than_it(seed):
    chance, clock = random.Random(seed), Clock()
    counters, asked, let_in = LocalCounters(clock=clock), window(7), []
    for _ in range(3000):
        clock.now += chance.choice((0.01, 0.3, 2.0, 9.0))
        (reading,) = counters.take([asked])
        within = [at for at in let_in if at > clock.now - 60]
        if not reading.is_full:
            assert len(within) < 7
            let_in.append(clock.now)
        else:
            assert len([at for at in let_in if at > clock.now - 60 * (BUCKETS + 1) / BUCKETS]) >= 7
            assert 0 < reading.again_s <= 63


def test_an_attacker_with_many_addresses_gets_no_memory():
    clock = Clock()
    counters = LocalCounters(clock=clock)
    for number in range(MOST_KNOWN + 10):
        counters.take([Counter(f"k{number}", 5, 60)])
    assert len(counters._windows) <= MOST_KNOWN
    clock.now += 100
    for number in range(MOST_KNOWN):
        counters.take([Counter(f"l{number}", 5, 60)])
    assert len(counters._windows) <= MOST_KNOWN + 1
