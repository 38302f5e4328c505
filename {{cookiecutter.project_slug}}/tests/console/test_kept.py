"""Figures that are dear to count: counted once for all who look, and the page says when."""

import asyncio
import re
from collections.abc import Callable
from uuid import uuid4

import httpx2
import pytest

from app.console import kept as dear
from app.console.kept import kept
from app.errors import BadInput
from app.wiring.service import Service

Headers = dict[str, str]


@pytest.fixture(autouse=True)
def _all_is_dear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dear, "EASY_S", -1.0)


async def test_who_looks_within_a_minute_gets_what_was_counted(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, key = iter(range(10)), uuid4()

    async def count() -> int:
        await asyncio.sleep(0.01)
        return next(counts)

    both = await asyncio.gather(*(kept(service.database, key, count) for _ in range(2)))
    assert sorted((each.value, each.is_kept) for each in both) == [(0, False), (0, True)], "who comes meanwhile waits"
    assert both[0].at == both[1].at
    assert (await kept(service.database, uuid4(), count)).value == 1, "another key is counted by itself"
    monkeypatch.setattr(dear, "EASY_S", 3600.0)
    quick = uuid4()
    assert [(await kept(service.database, quick, count)).value for _ in range(2)] == [2, 3], "what is easy is not kept"
    monkeypatch.setattr(dear, "EASY_S", -1.0)
    monkeypatch.setattr(dear, "KEEP_S", 0.0)
    old = uuid4()
    assert [(await kept(service.database, old, count)).value for _ in range(2)] == [4, 5], "nor for longer than that"


async def test_what_could_not_be_counted_is_counted_again(service: Service) -> None:
    key, faults = uuid4(), [BadInput("once")]

    async def count() -> int:
        if faults:
            raise faults.pop()
        return 7

    with pytest.raises(BadInput):
        await kept(service.database, key, count)
    assert (await kept(service.database, key, count)).value == 7


@pytest.mark.parametrize("path", ["/console?hours=168", "/console/costs?days=30"])
async def test_the_pages_of_figures_say_when_they_were_counted(
    client: httpx2.AsyncClient, seen: Callable[[str], Headers], service: Service, path: str
) -> None:
    dear._PLACES.pop(service.database, None)
    first, again = [(await client.get(path, headers=seen("olga.petrov"))).text for _ in range(2)]
    dear._PLACES.pop(service.database, None)
    said = r"Counted <time datetime=\"[^\"]+\">[^<]+ UTC</time>; anew a minute later"
    assert not re.search(said, first) and re.search(said, again)
    figures = [re.findall(r"<dd[^>]*>([^<]*)</dd>", text) for text in (first, again)]
    assert figures[0] and figures[0] == figures[1]
