"""One connection carries everybody's scripts: together, in order, each with its own reply."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from app.store import shared as module
from app.store.shared import Shared, SharedAway

ECHO = "return ARGV[1]"
APPEND = "redis.call('RPUSH', KEYS[1], ARGV[1]) return redis.call('LLEN', KEYS[1])"
KEY = "test:shared"


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    client = Redis.from_url(redis_url)
    await client.delete(KEY)
    yield client
    await client.delete(KEY)
    await client.aclose()


@pytest.fixture
async def shared(redis_url: str, redis: Redis) -> AsyncIterator[Shared]:
    made = Shared(redis_url, timeout_s=10)
    yield made
    await made.close()


async def sent(redis: Redis) -> int:
    """Count the pieces that came over the network, by what Redis has read events."""
    return int((await redis.info("stats"))["total_reads_processed"])


async def test_everybody_gets_the_reply_to_his_own_script(shared: Shared) -> None:
    asked = [f"word {number} äöü\r\n" for number in range(200)]
    said = await asyncio.gather(*(shared.run(ECHO, [], [word]) for word in asked))
    assert [reply.decode() for reply in said] == asked


async def test_scripts_run_in_the_order_in_which_they_came(shared: Shared, redis: Redis) -> None:
    assert await asyncio.gather(*(shared.run(APPEND, [KEY], [n]) for n in range(50))) == list(range(1, 51))
    assert [int(each) for each in await redis.lrange(KEY, 0, -1)] == list(range(50))


async def test_those_who_come_together_go_together(shared: Shared, redis: Redis) -> None:
    await shared.run(ECHO, [], ["once"])
    before = await sent(redis)
    await asyncio.gather(*(shared.run(ECHO, [], [n]) for n in range(100)))
    # The question itself is one; a hundred scripts are few.
    assert await sent(redis) - before < 20


async def test_who_stops_waiting_leaves_the_others_their_replies(shared: Shared, redis: Redis) -> None:
    asks = [asyncio.create_task(shared.run(APPEND, [KEY], [n])) for n in range(10)]
    await asyncio.sleep(0)
    for impatient in asks[::2]:
        impatient.cancel()
    said = await asyncio.gather(*asks, return_exceptions=True)
    assert said[1::2] == [2, 4, 6, 8, 10]
    assert await shared.run(ECHO, [], ["still in step"]) == b"still in step"


async def test_a_redis_that_has_forgotten_a_script_is_told_it_again(shared: Shared, redis: Redis) -> None:
    assert await shared.run(APPEND, [KEY], [1]) == 1
    await redis.script_flush()
    assert await asyncio.gather(shared.run(APPEND, [KEY], [2]), shared.run(APPEND, [KEY], [3])) == [2, 3]


@pytest.mark.proves("REL-9")
async def test_a_connection_that_was_closed_while_it_rested_is_opened_again(
    shared: Shared, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shared.run(ECHO, [], ["a"])
    for client in await redis.client_list():
        if client["cmd"].lower().startswith("eval"):
            await redis.client_kill_filter(_id=client["id"])
    await asyncio.sleep(0.5)  # until the end of the connection has come here
    monkeypatch.setattr(module, "RESTED_S", 0.0)
    assert await shared.run(ECHO, [], ["b"]) == b"b"


async def test_a_script_that_fails_is_the_trouble_of_who_sent_it(shared: Shared) -> None:
    good, bad = await asyncio.gather(
        shared.run(ECHO, [], ["good"]), shared.run("return redis.call('ODD')", []), return_exceptions=True
    )
    assert (good, type(bad)) == (b"good", SharedAway)
    assert not shared.is_away


@pytest.mark.proves("REL-9")
async def test_a_redis_that_hangs_costs_one_timeout_and_then_a_pause() -> None:
    seen = 0

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen += 1
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    shared = Shared(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", timeout_s=0.2, pause_s=600)
    asks = [asyncio.create_task(shared.run(ECHO, [], [n])) for n in range(5)]
    said = await asyncio.wait_for(asyncio.gather(*asks, return_exceptions=True), 20)
    assert [type(each) for each in said] == [SharedAway] * 5
    assert shared.is_away
    with pytest.raises(SharedAway):
        await shared.run(ECHO, [], ["at once"])
    await shared.close()
    server.close()
    assert seen == 1


@pytest.mark.proves("REL-9")
async def test_a_process_that_was_busy_itself_does_not_take_redis_for_away(redis_url: str) -> None:
    shared = Shared(redis_url, timeout_s=0.2)
    await shared.run(ECHO, [], ["known"])
    for number in range(5):
        asked = asyncio.create_task(shared.run(ECHO, [], [number]))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # it is on its way
        time.sleep(0.5)  # noqa: ASYNC251 - a burst of first requests, or a machine that stood still
        assert await asked == str(number).encode()
    assert not shared.is_away
    await shared.close()


@pytest.mark.proves("REL-9")
async def test_a_redis_that_hangs_keeps_a_process_that_is_always_busy_no_longer_than_twice() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def busy() -> None:
        while True:
            time.sleep(0.3)  # noqa: ASYNC251 - later than any bell
            await asyncio.sleep(0)

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    shared = Shared(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0", timeout_s=0.2, pause_s=600)
    other = asyncio.create_task(busy())
    with pytest.raises(SharedAway):
        await asyncio.wait_for(shared.run(ECHO, [], ["anybody?"]), 5)
    other.cancel()
    await shared.close()
    server.close()


async def test_where_there_is_no_redis_nobody_waits() -> None:
    shared = Shared("redis://127.0.0.1:1/0")
    with pytest.raises(SharedAway):
        await shared.run(ECHO, [], ["anybody?"])
    assert shared.is_away
    await shared.close()
