"""Changes of a flag that end, and that are taken back: what stood before holds again, with all that belonged to it."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta

import pytest

from app.control.flags import Flags, switch_definition
from app.domain.switch import switch_key
from app.errors import BadInput, Conflict
from app.store import audit
from app.store import flags as table
from tests.control.flag_ground import BY, SEEDS, Ground, ground, past, seed, until


@pytest.fixture
async def land(database_copy: str, redis_url: str) -> AsyncIterator[Ground]:
    """Flags over a database of their own."""
    async with ground(database_copy, redis_url) as made:
        yield made


async def test_an_end_comes_by_itself_in_every_process_and_is_written_down_later(land: Ground) -> None:
    flags, other = await land.flags(), await land.flags()
    end = datetime.now(UTC) + timedelta(seconds=3)
    await flags.flip("ai", enabled=False, until=end, **BY)
    (notice,) = flags.notice()
    assert notice.subject == "ai" and notice.until == end
    await until(lambda: any(row["until"] == end for row in other.rows))
    await until(lambda: not other.why_paused("handbook") and not flags.why_paused("handbook"))
    assert datetime.now(UTC) >= end
    async with land.database.work() as work:
        assert await table.settle(work) == [switch_key("ai")]
        assert await table.settle(work) == []
    newest = (await past(land, switch_key("ai")))[0]
    assert newest["actor"] == table.CLOCK and "wrong prices" in newest["reason"]
    assert newest["after"] == switch_definition(enabled=True)
    async with land.database.work() as work:
        assert (await audit.history(work, subject=switch_key("ai"), limit=1))[0]["actor"] == table.CLOCK


async def test_a_longer_pause_still_goes_back_to_what_stood_before_the_first(land: Ground) -> None:
    flags, soon = await land.flags(), datetime.now(UTC) + timedelta(seconds=5)
    await flags.flip("handbook", enabled=False, until=soon + timedelta(hours=1), **BY)
    await flags.flip("handbook", enabled=False, until=soon, **BY)
    assert flags.why_paused("handbook")
    await until(lambda: not flags.why_paused("handbook"))
    await flags.flip("handbook", enabled=False, **BY)
    versions = [row["actor"] for row in await past(land, switch_key("handbook"))]
    assert versions == [BY["by"], table.CLOCK, BY["by"], BY["by"], "config/flags.toml"], (
        "what was over is settled first"
    )
    await until(lambda: flags.why_paused("handbook"))


@pytest.mark.parametrize("wrong", [timedelta(seconds=-1), timedelta(days=400)])
async def test_an_end_in_the_past_or_far_away_is_refused(land: Ground, wrong: timedelta) -> None:
    flags = await land.flags()
    with pytest.raises(BadInput, match="in the future"):
        await flags.flip("ai", enabled=False, until=datetime.now(UTC) + wrong, **BY)
    assert not flags.why_paused("")


async def test_an_end_holds_for_what_is_off_already(land: Ground) -> None:
    flags, key = await land.flags(), switch_key("handbook")
    await flags.flip("handbook", enabled=False, **BY)
    end = datetime.now(UTC) + timedelta(seconds=3)
    await flags.flip("handbook", enabled=False, until=end, **BY)
    assert flags.off["handbook"].until == end and (await past(land, key))[0]["until"] == end
    await until(lambda: not flags.why_paused("handbook"))
    async with land.database.work() as work:
        await table.settle(work)
    assert (await past(land, key))[0]["after"] == switch_definition(enabled=True)


async def test_after_its_end_a_switch_that_was_off_from_the_start_is_on_and_one_that_is_on_is_off(land: Ground) -> None:
    off = seed(switch_key("triage"), switch_definition(enabled=False))
    flags, end = await land.flags(seeds=[*SEEDS, off]), datetime.now(UTC) + timedelta(hours=1)
    await flags.flip("triage", enabled=False, until=end, **BY)
    await flags.flip("handbook", enabled=False, until=end, **BY)
    await flags.flip("handbook", enabled=True, until=end, **BY)
    back = {row["key"]: row["back"] for row in flags.rows if row["until"] == end}
    assert back == {
        switch_key("triage"): switch_definition(enabled=True),
        switch_key("handbook"): switch_definition(enabled=False),
    }


async def test_an_end_after_which_nothing_could_hold_is_refused(land: Ground) -> None:
    flags, end = await land.flags(), datetime.now(UTC) + timedelta(hours=1)
    with pytest.raises(BadInput, match="nothing could hold"):
        await flags.choose("greeting", "short", until=end, **BY)
    await flags.choose("greeting", "long", **BY)
    await flags.choose("greeting", "long", until=end, **BY)
    (row,) = [row for row in flags.rows if row["key"] == "greeting"]
    assert row["until"] == end and row["back"]["defaultVariant"] == "short"


async def undone(flags: Flags, key: str) -> table.FlagRow:
    """Take the latest change back, and give the flag as it stands then."""
    row = next(row for row in flags.rows if row["key"] == key)
    await flags.undo(key, version=row["version"], by="maya.okafor", because="a mistake")
    return next(row for row in flags.rows if row["key"] == key)


@pytest.mark.parametrize("later", [timedelta(hours=2), None])
async def test_undo_gives_back_an_end_that_was_moved_or_taken_away(land: Ground, later: timedelta | None) -> None:
    flags, now = await land.flags(), datetime.now(UTC)
    await flags.flip("handbook", enabled=False, until=now + timedelta(hours=1), **BY)
    await flags.flip("handbook", enabled=False, until=now + later if later else None, **BY)
    row = await undone(flags, switch_key("handbook"))
    assert row["until"] == now + timedelta(hours=1) and row["back"] == switch_definition(enabled=True)
    assert flags.off["handbook"].until == row["until"]


async def test_undo_after_the_former_end_gives_back_what_would_hold_by_now(land: Ground) -> None:
    flags, soon = await land.flags(), datetime.now(UTC) + timedelta(seconds=1)
    await flags.flip("handbook", enabled=False, until=soon, **BY)
    await flags.flip("handbook", enabled=False, **BY)
    await asyncio.sleep((soon - datetime.now(UTC)).total_seconds() + 0.1)
    row = await undone(flags, switch_key("handbook"))
    assert not flags.why_paused("handbook") and row["until"] is None


async def test_undo_of_what_the_clock_did_turns_it_off_until_somebody_acts(land: Ground) -> None:
    flags, soon = await land.flags(), datetime.now(UTC) + timedelta(seconds=1)
    await flags.flip("handbook", enabled=False, until=soon, **BY)
    await until(lambda: not flags.why_paused("handbook"))
    async with land.database.work() as work:
        await table.settle(work)
    await flags.refresh()
    assert (await undone(flags, switch_key("handbook")))["until"] is None and flags.why_paused("handbook")


async def test_undo_of_a_review_gives_back_the_day_and_flips_nothing(land: Ground) -> None:
    flags, key = await land.flags(), switch_key("handbook")
    await flags.flip("handbook", enabled=False, **BY)
    before = next(row for row in flags.rows if row["key"] == key)
    await flags.review(key, date(2031, 1, 1), **BY)
    row = await undone(flags, key)
    assert row["expires_on"] == before["expires_on"] and row["definition"] == before["definition"]
    async with land.database.work() as work:
        entry = (await audit.history(work, subject=key, limit=1))[0]
        told = await work.sql("SELECT count(*) FROM events WHERE subject = :it", it=f"switches/{key}")
    assert (entry["before"]["expires_on"], entry["after"]["expires_on"]) == ("2031-01-01", str(before["expires_on"]))
    assert told.scalar_one() == 1, "of the flip alone"


async def test_undo_gives_back_what_stood_before_and_never_over_somebody_elses_change(land: Ground) -> None:
    flags, key = await land.flags(), switch_key("handbook")
    with pytest.raises(Conflict, match="nothing to undo"):
        await flags.undo(key, version=1, by="olga.petrov", because="a mistake")
    await flags.flip("handbook", enabled=False, **BY)
    with pytest.raises(Conflict, match=r"olga\.petrov"):
        await flags.undo(key, version=1, by="maya.okafor", because="a mistake")
    await flags.undo(key, version=2, by="maya.okafor", because="the wrong one")
    assert not flags.why_paused("handbook")
    assert (await past(land, key))[0]["actor"] == "maya.okafor"
