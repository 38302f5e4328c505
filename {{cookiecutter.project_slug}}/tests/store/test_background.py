"""Tasks in the background end when they are told to."""

import asyncio

from app.store.background import ended


async def test_a_loop_whose_library_swallows_the_first_request_to_stop_ends_all_the_same() -> None:
    swallowed = []

    async def loop() -> None:
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append("once")

    task = asyncio.create_task(loop())
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await ended(task)
    assert task.cancelled() and swallowed == ["once"]


async def test_what_has_ended_already_is_not_waited_for() -> None:
    async def nothing() -> None:
        return

    task = asyncio.create_task(nothing())
    await task
    await ended(task)
    assert task.done() and not task.cancelled()
