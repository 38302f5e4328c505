"""One door for all processes: slots, a fair queue, a breaker with one probe; and what is left of it without Redis."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from uuid import uuid4

import pytest
import pytest_asyncio

from app.settings import ROOT
from app.store.door import Breaker, HeldBack, Rules, Verdict
from app.store.shared import Shared
from app.store.turnstile import Busy, Place, Turnstile

# No test waits for these times; a loaded machine must not outlast them either.
SLOW = Rules(window_s=60, open_s=60, hold_s=60, patience_s=60, beat_s=10, poll_s=0.01)
QUICK = replace(SLOW, open_s=0.3, open_most_s=1.0)
GENEROUS_S = 20.0
NOWHERE = "redis://127.0.0.1:9/0"
Make = Callable[..., Turnstile]


@pytest_asyncio.fixture
async def make(redis_url: str) -> AsyncIterator[Make]:
    """Make turnstiles; each stands for a process of its own."""
    made: list[tuple[Turnstile, Shared]] = []

    def one(rules: Rules = SLOW, *, url: str = redis_url) -> Turnstile:
        shared = Shared(url, timeout_s=5)
        made.append((Turnstile(shared, rules=rules), shared))
        return made[-1][0]

    yield one
    for turnstile, shared in made:
        await turnstile.close()
        await shared.close()


@pytest.fixture
def door() -> str:
    return f"test:{uuid4().hex}"


async def enter(at: Turnstile, door: str, limit: int = 64, *, hurries: bool = True, within_s: float = 10) -> Place:
    until_s = asyncio.get_running_loop().time() + within_s
    return await at.enter(door, limit, hurries=hurries, until_s=until_s)


async def call(at: Turnstile, door: str, verdict: Verdict, *, times: int = 1, retry_after_s: float = 0.0) -> None:
    for _ in range(times):
        await leave(at, await enter(at, door), verdict, retry_after_s=retry_after_s)


async def leave(at: Turnstile, place: Place, verdict: Verdict = "good", *, retry_after_s: float = 0.0) -> None:
    """Leave, and wait until the others know."""
    await at.leave(place, verdict, retry_after_s=retry_after_s)
    await asyncio.gather(*at._leaving.values())


async def all_waiting(at: Turnstile, door: str, number: int) -> None:
    async with asyncio.timeout(GENEROUS_S):
        while (await at.look())[door].waiting < number:  # noqa: ASYNC110  others come in between
            await asyncio.sleep(0.01)


@pytest.mark.proves("REL-7")
async def test_failures_in_one_process_hold_back_the_calls_of_all(make: Make, door: str) -> None:
    one, other = make(), make()
    await call(one, door, "bad", times=4)
    await call(other, door, "none")
    await call(other, door, "bad")
    for turnstile in (one, other):
        with pytest.raises(HeldBack):
            await enter(turnstile, door)


async def test_half_of_the_calls_must_have_failed(make: Make, door: str) -> None:
    one = make()
    await call(one, door, "good", times=6)
    await call(one, door, "bad", times=5)
    await call(one, door, "bad")
    with pytest.raises(HeldBack):
        await enter(one, door)


async def test_failures_of_long_ago_do_not_count(make: Make, door: str) -> None:
    one = make(Rules(window_s=0.2))
    await call(one, door, "bad", times=4)
    await asyncio.sleep(0.5)
    await call(one, door, "bad")
    assert (await one.look())[door].held_back_s is None


@pytest.mark.proves("REL-7")
async def test_one_probe_among_all_processes_and_its_success_opens_the_door_again(make: Make, door: str) -> None:
    processes = [make(QUICK) for _ in range(8)]
    await call(processes[0], door, "bad", times=5)
    await asyncio.sleep(QUICK.open_s + 0.05)
    tried = await asyncio.gather(*(enter(one, door) for one in processes), return_exceptions=True)
    (probe,) = [place for place in tried if isinstance(place, Place)]
    assert sum(isinstance(result, HeldBack) for result in tried) == 7
    await leave(processes[3], probe, "good")
    await call(processes[6], door, "bad")
    await call(processes[7], door, "good")


@pytest.mark.proves("REL-7")
async def test_each_failed_probe_doubles_the_time_up_to_a_bound(make: Make, door: str) -> None:
    one, spans = make(QUICK), list[float]()
    await call(one, door, "bad", times=5)
    for longest_s in (0.3, 0.6, 1.0, 1.0):
        left_s = (await one.look())[door].held_back_s
        assert left_s is not None
        assert 0 < left_s <= longest_s
        spans.append(left_s)
        await asyncio.sleep(left_s + 0.05)
        await call(one, door, "bad")
    assert spans[0] < spans[1] < spans[2]


async def test_a_probe_that_says_nothing_lets_the_next_one_try(make: Make, door: str) -> None:
    one, other = make(QUICK), make(QUICK)
    await call(one, door, "bad", times=5)
    await asyncio.sleep(QUICK.open_s + 0.05)
    await call(one, door, "none")
    await call(other, door, "good")
    assert (await one.look())[door].held_back_s is None


@pytest.mark.proves("REL-7")
async def test_a_dead_prober_does_not_block_for_ever(make: Make, door: str) -> None:
    rules = replace(QUICK, hold_s=2.0)
    one, other = make(rules), make(rules)
    await call(one, door, "bad", times=5)
    await asyncio.sleep(QUICK.open_s + 0.05)
    probe = await enter(one, door)  # and dies
    with pytest.raises(HeldBack):
        await enter(other, door)
    await asyncio.sleep(rules.hold_s + 0.05)
    await call(other, door, "good")
    await leave(one, probe, "bad")  # back from the dead: it is heard no more
    await enter(other, door)


@pytest.mark.proves("REL-6", "REL-7")
async def test_the_vendors_retry_after_holds_calls_back_for_longer(make: Make, door: str) -> None:
    one = make(replace(SLOW, open_s=2))
    await call(one, door, "bad", times=5, retry_after_s=50)
    left_s = (await one.look())[door].held_back_s
    assert left_s is not None
    assert 2 < left_s <= 50


async def test_slots_are_counted_over_all_processes(make: Make, door: str) -> None:
    one, other = make(), make()
    held = [await enter(one, door, 2), await enter(other, door, 2)]
    for turnstile in (one, other):
        with pytest.raises(Busy):
            await enter(turnstile, door, 2, within_s=0.1)
    await leave(other, held[1], "good")
    assert await enter(one, door, 2)


@pytest.mark.parametrize("processes", [1, 3])
async def test_who_hurries_goes_first_and_each_kind_in_order(make: Make, door: str, processes: int) -> None:
    turnstiles = [make() for _ in range(processes)]
    held, order = await enter(turnstiles[0], door, 1), []

    async def come(number: int, hurries: bool) -> None:
        at = turnstiles[number % processes]
        place = await enter(at, door, 1, hurries=hurries, within_s=GENEROUS_S)
        order.append(number)
        await leave(at, place, "good")

    tasks = []
    for number, hurries in enumerate([False, False, True, False, True, True]):
        tasks.append(asyncio.create_task(come(number, hurries)))
        await all_waiting(turnstiles[0], door, number + 1)
    await turnstiles[0].leave(held, "good")
    await asyncio.gather(*tasks)
    assert order == [2, 4, 5, 0, 1, 3]


@pytest.mark.parametrize("away", [False, True])
async def test_who_does_not_hurry_is_not_overtaken_for_ever(make: Make, door: str, away: bool) -> None:
    rules = replace(SLOW, patience_s=1.5)
    one = make(rules, url=NOWHERE) if away else make(rules)
    held, order = await enter(one, door, 1), []

    async def come(name: str, hurries: bool) -> None:
        place = await enter(one, door, 1, hurries=hurries, within_s=GENEROUS_S)
        order.append(name)
        await leave(one, place, "good")

    batch = asyncio.create_task(come("batch", hurries=False))
    await asyncio.sleep(0.05)
    early = asyncio.create_task(come("early", hurries=True))
    await asyncio.sleep(rules.patience_s + 0.1)
    late = asyncio.create_task(come("late", hurries=True))
    await asyncio.sleep(0.05)
    await leave(one, held, "good")
    await asyncio.gather(batch, early, late)
    assert order == ["early", "batch", "late"]


async def test_a_hundred_callers_of_four_processes_never_are_more_than_the_limit(make: Make, door: str) -> None:
    processes, inside, most = [make() for _ in range(4)], 0, 0

    async def come(at: Turnstile) -> None:
        nonlocal inside, most
        place = await enter(at, door, 5, within_s=GENEROUS_S)
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0.005)
        inside -= 1
        await leave(at, place, "good")

    await asyncio.gather(*(come(processes[number % 4]) for number in range(100)))
    assert most == 5
    for turnstile in processes:
        await turnstile.close()
    sight = (await processes[0].look())[door]
    assert (sight.taken, sight.waiting) == (0, 0)


async def test_who_gives_up_waiting_leaves_no_trace(make: Make, door: str) -> None:
    one = make()
    held = await enter(one, door, 1)
    waiting = asyncio.create_task(enter(one, door, 1))
    await all_waiting(one, door, 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(Busy):
        await enter(one, door, 1, within_s=0.05)
    await asyncio.gather(*one._leaving.values())
    assert (await one.look())[door].waiting == 0
    await leave(one, held, "good")
    await one.close()
    sight = (await one.look())[door]
    assert (sight.taken, sight.waiting) == (0, 0)


async def test_who_waits_is_sent_away_when_the_door_shuts(make: Make, door: str) -> None:
    one, other = make(), make()
    held = [await enter(one, door, 5) for _ in range(5)]
    waiting = [asyncio.create_task(enter(at, door, 5, within_s=GENEROUS_S)) for at in (one, other)]
    await all_waiting(one, door, 2)
    # Slots that come free let nobody in any more once the fifth has failed.
    await asyncio.gather(*(one.leave(place, "bad") for place in held[:3]))
    places = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(place, Place) for place in places)
    late = [asyncio.create_task(enter(at, door, 2, within_s=GENEROUS_S)) for at in (one, other)]
    await all_waiting(one, door, 2)
    await asyncio.gather(*(one.leave(place, "bad") for place in held[3:]))
    for task in late:
        with pytest.raises(HeldBack):
            await task


KILLED = """
import asyncio, sys
from app.store.door import Rules
from app.store.shared import Shared
from app.store.turnstile import Turnstile

async def main(url, door):
    turnstile = Turnstile(Shared(url, timeout_s=5), rules=Rules(hold_s=1.0, beat_s=1.0))
    until_s = asyncio.get_running_loop().time() + 30
    await turnstile.enter(door, 1, hurries=True, until_s=until_s)
    waits = asyncio.create_task(turnstile.enter(door, 1, hurries=True, until_s=until_s))
    while not (await turnstile.look())[door].waiting:
        await asyncio.sleep(0.01)
    print("inside", flush=True)
    await waits

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.proves("REL-9")
async def test_a_killed_process_gives_its_slots_and_its_place_in_the_queue_back(
    make: Make, door: str, redis_url: str
) -> None:
    other = subprocess.Popen(  # noqa: ASYNC220  it is waited for below
        [sys.executable, "-c", KILLED, redis_url, door], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert await asyncio.to_thread(other.stdout.readline) == "inside\n"
    other.kill()
    other.wait(timeout=10)
    at = make(replace(SLOW, hold_s=1.0, beat_s=1.0))
    async with asyncio.timeout(GENEROUS_S):
        while True:
            # Others come and go all the time, so that nothing ends only because nobody came.
            tried = await asyncio.gather(*(enter(at, door, 3, within_s=0.3) for _ in range(3)), return_exceptions=True)
            places = [place for place in tried if isinstance(place, Place)]
            if len(places) == 3:
                break
            await asyncio.gather(*(leave(at, place) for place in places))


@pytest.mark.proves("REL-7", "REL-9")
async def test_without_redis_each_process_keeps_its_door_by_itself(make: Make, door: str) -> None:
    one, other = make(replace(QUICK, open_s=1.0), url=NOWHERE), make(url=NOWHERE)
    await call(one, door, "bad", times=5)
    with pytest.raises(HeldBack):
        await enter(one, door)
    await call(other, door, "good")
    await asyncio.sleep(1.05)
    probe = await enter(one, door)
    with pytest.raises(HeldBack):
        await enter(one, door)
    await leave(one, probe, "good")
    held = [await enter(one, door, 2), await enter(one, door, 2)]
    with pytest.raises(Busy):
        await enter(one, door, 2, within_s=0.05)
    await leave(one, held[0], "good")
    assert await enter(one, door, 2)


@pytest.mark.proves("REL-7", "REL-9")
async def test_when_redis_goes_away_what_was_agreed_on_still_holds(
    make: Make, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = make(), make()
    await call(one, door, "bad", times=5)
    with pytest.raises(HeldBack):
        await enter(other, door)
    assert other._shared is not None
    monkeypatch.setattr(other._shared, "_away_until", float("inf"))
    with pytest.raises(HeldBack):
        await enter(other, door)


async def test_who_waits_when_redis_goes_away_waits_at_home(
    make: Make, door: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = make()
    await enter(one, door, 1)
    waiting = asyncio.create_task(enter(one, door, 1, within_s=GENEROUS_S))
    await all_waiting(one, door, 1)
    assert one._shared is not None
    monkeypatch.setattr(one._shared, "_away_until", float("inf"))
    place = await asyncio.wait_for(waiting, GENEROUS_S)
    assert not place.is_shared


def test_a_lone_breaker_follows_the_same_rules() -> None:
    now = 0.0
    breaker = Breaker(Rules(), clock=lambda: now)
    for number in range(5):
        breaker.pass_through(f"c{number}")
        breaker.judge(f"c{number}", "bad")
    waits = []
    for number in range(7):
        waits.append(breaker.held_back_s)
        now += breaker.held_back_s
        assert breaker.pass_through(f"p{number}")
        with pytest.raises(HeldBack):
            breaker.pass_through("too early")
        breaker.judge(f"p{number}", "bad")
    assert waits == [2, 4, 8, 16, 32, 60, 60]
    now += breaker.held_back_s
    breaker.pass_through("last")
    breaker.judge("last", "good")
    assert not breaker.is_shut


async def test_a_burst_does_not_look_like_a_redis_that_is_away(make: Make, door: str) -> None:
    one = make()
    places = await asyncio.gather(*(enter(one, door, 1000, within_s=GENEROUS_S) for _ in range(400)))
    assert all(place.is_shared for place in places)
    await asyncio.gather(*(leave(one, place) for place in places))
    assert (await one.look())[door].taken == 0
