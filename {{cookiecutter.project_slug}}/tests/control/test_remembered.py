"""Look-ups that are remembered for a moment: one for all who ask, and none from before a change."""

import asyncio

import pytest

from app.control import remembered
from app.control.remembered import Remembered
from app.errors import DependencyDown


class Shelf:
    """Something to look up, which can be held."""

    def __init__(self) -> None:
        self.value, self.asked, self.way, self.begun = "old", 0, asyncio.Event(), asyncio.Event()
        self.way.set()

    async def look(self, _: bytes) -> str | None:
        self.asked += 1
        self.begun.set()
        found = self.value
        await self.way.wait()
        if found == "broken":
            raise DependencyDown
        return found or None


async def test_one_look_up_serves_all_who_ask_at_once_and_soon_after() -> None:
    shelf = Shelf()
    known = Remembered(shelf.look)
    assert set(await asyncio.gather(*(known.get(b"a") for _ in range(50)))) == {"old"}
    assert await known.get(b"a") == "old" and shelf.asked == 1
    await known.get(b"b")
    assert shelf.asked == 2


async def test_it_is_looked_up_again_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "FRESH_S", -1.0)
    shelf = Shelf()
    known = Remembered(shelf.look)
    assert await known.get(b"a") == "old"
    shelf.value = ""
    assert await known.get(b"a") is None


async def test_that_there_is_none_is_remembered_too() -> None:
    shelf = Shelf()
    shelf.value = ""
    known = Remembered(shelf.look)
    assert [await known.get(b"a") for _ in range(3)] == [None] * 3
    assert shelf.asked == 1


async def test_an_answer_from_before_a_change_is_kept_by_nobody() -> None:
    shelf = Shelf()
    known = Remembered(shelf.look)
    shelf.way.clear()
    early = asyncio.create_task(known.get(b"a"))
    await shelf.begun.wait()
    shelf.value = "new"
    known.forget()
    shelf.way.set()
    assert (await early, await known.get(b"a")) == ("old", "new")


async def test_who_asks_after_a_change_does_not_join_a_look_from_before_it() -> None:
    shelf = Shelf()
    known = Remembered(shelf.look)
    shelf.way.clear()
    early = asyncio.create_task(known.get(b"a"))
    await shelf.begun.wait()
    shelf.value = "new"
    known.forget()
    late = asyncio.create_task(known.get(b"a"))
    shelf.way.set()
    assert (await early, await late, await known.get(b"a")) == ("old", "new", "new")


async def test_one_who_hangs_up_ends_it_for_nobody_else_and_errors_are_not_kept() -> None:
    shelf = Shelf()
    known = Remembered(shelf.look)
    shelf.way.clear()
    leaves, stays = (asyncio.create_task(known.get(b"a")) for _ in range(2))
    await shelf.begun.wait()
    leaves.cancel()
    shelf.way.set()
    assert await stays == "old" and shelf.asked == 1
    known.forget()
    shelf.value = "broken"
    with pytest.raises(DependencyDown):
        await known.get(b"a")
    shelf.value = "well"
    assert await known.get(b"a") == "well"


async def test_strangers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remembered, "MOST", 10)
    known = Remembered(Shelf().look)
    for number in range(100):
        await known.get(str(number).encode())
    assert len(known._held) <= 10
