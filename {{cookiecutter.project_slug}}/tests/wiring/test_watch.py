"""What looks after others in the background goes on, whatever one look runs into."""

import asyncio

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from structlog.testing import capture_logs

from app.wiring import watch


async def test_a_look_that_fails_is_told_and_the_next_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "EVERY_S", 0.01)
    looks, enough = 0, asyncio.Event()

    async def look() -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise DBAPIError("SELECT", {}, psycopg.errors.DiskFull("no space left"))
        enough.set()

    made = watch.Watch()
    with capture_logs() as logged:
        made.start(look)
        async with asyncio.timeout(30):
            await enough.wait()
    await made.stop()
    assert [(one["event"], "DiskFull" in one["error"]) for one in logged] == [("watch.failed", True)]
