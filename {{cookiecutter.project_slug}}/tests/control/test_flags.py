"""Switches and flags: full history, ends that come by themselves, and what holds when nothing can be read."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from redis.asyncio import Redis
from sqlalchemy.exc import DBAPIError

from app.control.flag_sources import OwnTable
from app.control.flags import CHANNEL, Flags, switch_definition
from app.control.subjects import Subjects
from app.domain.identity import Principal
from app.domain.switch import switch_key
from app.errors import BadInput, DependencyDown, NotFound
from app.store import audit
from app.store import flags as table
from app.store.broadcast import Broadcast
from tests.control.flag_ground import BY, SEEDS, Ground, ground, past, seed, until

BREAKS = 3
NOWHERE = "redis://127.0.0.1:1/0"
SAM = Principal("sam.reyes", groups=("sales",), unit="Sales")
HANA = Principal("hana.lind", groups=("hr",), unit="People")


class Away:
    """A source that never answers."""

    where = ""

    async def read(self) -> list[table.FlagRow]:
        raise DependencyDown("away")

    async def aclose(self) -> None:
        """Hold nothing."""


class Breaking:
    """A source that breaks once as a list of known errors would not have it, and reads well before and after."""

    where = ""

    def __init__(self, source: OwnTable, *, breaks: int = BREAKS) -> None:
        self.source, self.breaks, self.reads = source, breaks, 0

    async def read(self) -> list[table.FlagRow]:
        self.reads += 1
        if self.reads == self.breaks:
            raise DBAPIError("SELECT", {}, psycopg.errors.QueryCanceled("canceling statement"))
        return await self.source.read()

    async def aclose(self) -> None:
        """Hold nothing."""


class Held(Breaking):
    """A source whose first answer is long on its way."""

    def __init__(self, source: OwnTable) -> None:
        super().__init__(source, breaks=0)
        self.has_read, self.go_on = asyncio.Event(), asyncio.Event()

    async def read(self) -> list[table.FlagRow]:
        rows = await super().read()
        if self.reads == 1:
            self.has_read.set()
            await self.go_on.wait()
        return rows


@pytest.fixture
async def land(database_copy: str, redis_url: str) -> AsyncIterator[Ground]:
    """Flags over a database of their own."""
    async with ground(database_copy, redis_url) as made:
        yield made


@pytest.mark.proves("CTL-1")
async def test_every_change_stands_in_the_history_with_who_when_why_before_and_after(land: Ground) -> None:
    flags, key = await land.flags(), switch_key("handbook")
    await flags.flip("handbook", enabled=False, **BY)
    await flags.flip("handbook", enabled=True, by="maya.okafor", because="repaired")
    newest, middle, first = await past(land, key)
    assert [row["version"] for row in (first, middle, newest)] == [1, 2, 3]
    assert (middle["actor"], middle["reason"]) == (BY["by"], BY["because"])
    assert middle["before"] == first["after"] == switch_definition(enabled=True)
    assert middle["after"] == newest["before"] == switch_definition(enabled=False)
    assert first["before"] is None and newest["at"] >= middle["at"]
    async with land.database.work() as work:
        noted = await audit.history(work, subject=key)
    assert [(row["actor"], row["reason"]) for row in noted] == [("maya.okafor", "repaired"), tuple(BY.values())]


@pytest.mark.proves("CTL-1")
async def test_every_other_process_hears_of_it_and_without_redis_within_its_poll(land: Ground) -> None:
    here, told, polling = await land.flags(), await land.flags(), await land.flags(redis_url=NOWHERE)
    await here.flip("ai", enabled=False, **BY)
    async with asyncio.timeout(30):
        await told.until_paused("handbook")
        await polling.until_paused("handbook")
    assert told.why_paused("handbook") == "wrong prices (olga.petrov)"


@pytest.mark.proves("CTL-1")
async def test_no_error_of_the_database_ends_the_poll(land: Ground) -> None:
    breaking = Breaking(OwnTable(land.database, SEEDS))
    here, there = await land.flags(), await land.flags(source=breaking, redis_url=NOWHERE)
    await until(lambda: breaking.reads > BREAKS)
    await here.flip("ai", enabled=False, **BY)
    async with asyncio.timeout(30):
        assert (await there.until_paused("handbook")).because == BY["because"]


async def listeners(redis: Redis) -> set[str]:
    """Give the connections that listen to a channel; those of other tests come and go."""
    return {one["id"] for one in await redis.client_list(_type="pubsub")}


@pytest.mark.proves("CTL-1")
async def test_a_message_that_nobody_can_read_ends_no_listening(database_copy: str, redis_url: str) -> None:
    async with ground(database_copy, redis_url, poll_s=3600) as land, Redis.from_url(redis_url) as redis:
        others = await listeners(redis)
        here, there = await land.flags(), await land.flags()
        async with asyncio.timeout(30):
            while len(await listeners(redis) - others) < 2:  # noqa: ASYNC110 - Redis tells nobody
                await asyncio.sleep(0.1)
            await redis.publish(CHANNEL, b"\xff")
            await here.flip("ai", enabled=False, **BY)
            assert (await there.until_paused("handbook")).because == BY["because"]


@pytest.mark.proves("CTL-1")
async def test_a_first_reading_that_breaks_leaves_a_process_paused_until_the_next(land: Ground) -> None:
    flags = await land.flags(source=Breaking(OwnTable(land.database, SEEDS), breaks=1), redis_url=NOWHERE)
    assert flags.why_paused("handbook")
    await until(lambda: not flags.why_paused("handbook"))


@pytest.mark.proves("CTL-1")
async def test_a_column_more_stops_no_process_that_reads_the_table(database_copy: str, redis_url: str) -> None:
    async with ground(database_copy, redis_url) as land:
        there = await land.flags(redis_url=NOWHERE)
        # psycopg prepares by itself what a connection has run a few times.
        for _ in range(20):
            await there.refresh()
        with psycopg.connect(database_copy, autocommit=True) as connection:
            connection.execute("ALTER TABLE flags ADD COLUMN colour text")
        await there.refresh()
        await (await land.flags()).flip("ai", enabled=False, **BY)
        async with asyncio.timeout(30):
            assert (await there.until_paused("handbook")).because == BY["because"]


async def test_a_late_old_reading_does_not_overwrite_a_newer_one(land: Ground) -> None:
    here, held = await land.flags(), Held(OwnTable(land.database, SEEDS))
    there = Flags(held, Broadcast(NOWHERE), poll_s=3600, database=land.database, subjects=Subjects(land.database))
    late = asyncio.create_task(there.refresh())
    await held.has_read.wait()
    await here.flip("ai", enabled=False, **BY)
    await there.refresh()
    assert there.why_paused("handbook")
    held.go_on.set()
    await late
    assert there.why_paused("handbook"), "the older reading came last, and counts no more"


@pytest.mark.proves("CTL-1")
async def test_with_redis_away_a_flip_counts_in_every_process_within_three_seconds(
    database_copy: str, redis_url: str
) -> None:
    # The poll of production, and the broadcast of nobody.
    async with ground(database_copy, redis_url, poll_s=1.0) as land:
        here, there = await land.flags(redis_url=NOWHERE), await land.flags(redis_url=NOWHERE)
        await here.flip("ai", enabled=False, **BY)
        async with asyncio.timeout(3):
            await there.until_paused("handbook")
        assert there.why_paused("handbook")


async def test_what_was_never_read_is_paused_and_what_was_read_holds_when_all_is_gone(land: Ground) -> None:
    flags = await land.flags()
    await flags.flip("handbook", enabled=False, **BY)
    read_at = flags.age_s

    flags._source = Away()
    await until(lambda: flags.age_s > read_at + 0.5)
    assert flags.why_paused("handbook") and not flags.why_paused("triage"), "the last known values hold"
    blind = await land.flags(source=Away())
    found = blind.pause("triage")
    assert found is not None and found.hard and "could not be read" in found.told
    assert blind.why_closed("openai:large") == "", "a command that embeds documents asks nobody"


@pytest.mark.parametrize("subject", ["model:large", "provider:openai", "group:sales", "unit:Sales"])
async def test_a_switch_is_made_for_what_exists_and_the_rest_is_refused_with_the_list(
    land: Ground, subject: str
) -> None:
    flags = await land.flags()
    await flags.flip(subject, enabled=False, **BY)
    assert flags.off[subject].because == "wrong prices"
    assert [row["version"] for row in await past(land, switch_key(subject))] == [2, 1]
    kind = subject.partition(":")[0]
    with pytest.raises(BadInput, match=re.escape(subject)):
        await flags.flip(f"{kind}:moon", enabled=False, **BY)


async def test_a_group_and_a_unit_are_paused_for_their_people_alone(land: Ground) -> None:
    flags = await land.flags()
    await flags.flip("group:sales", enabled=False, **BY)
    assert flags.why_paused("handbook", SAM) and not flags.why_paused("handbook", HANA)
    assert not flags.why_paused("handbook"), "nobody in particular is in no group"
    assert [notice.text for notice in flags.notice(SAM)] == ["The AI is paused for the group sales."]
    assert flags.notice(HANA) == ()
    await flags.flip("group:sales", enabled=True, **BY)
    await flags.flip("unit:Sales", enabled=False, **BY)
    assert flags.why_paused("handbook", SAM) and not flags.why_paused("handbook", HANA)


async def test_a_model_and_a_provider_close_their_doors(land: Ground) -> None:
    flags = await land.flags()
    await flags.flip("model:large", enabled=False, **BY)
    assert flags.why_closed("openai:large") and not flags.why_closed("openai:small")
    await flags.flip("provider:anthropic", enabled=False, **BY)
    assert "provider anthropic" in flags.why_closed("anthropic:other") and not flags.why_closed("openai:small")
    await flags.flip("ai", enabled=False, **BY)
    assert flags.why_closed("openai:small")


async def test_a_tool_is_off_everywhere_or_in_one_use_case(land: Ground) -> None:
    flags = await land.flags(seeds=[*SEEDS, seed(switch_key("tool:desk.refund"), switch_definition(enabled=True)),
                                    seed(switch_key("tool:look_up"), switch_definition(enabled=True))])  # fmt: skip
    await flags.flip("tool:desk.refund", enabled=False, **BY)
    assert flags.why_tool_off("desk", "refund") and not flags.why_tool_off("triage", "refund")
    await flags.flip("tool:look_up", enabled=False, **BY)
    assert flags.why_tool_off("desk", "look_up") and flags.why_tool_off("triage", "look_up")


async def test_the_file_pauses_everything_without_anything_else_and_takes_back_with_it(
    land: Ground, tmp_path: Path
) -> None:
    file = tmp_path / "PAUSED"
    flags = await land.flags(file=file)
    assert not flags.why_paused("handbook")
    file.touch()
    async with asyncio.timeout(30):
        found = await flags.until_paused("handbook", hard=True)
    assert found.hard and str(file) in found.told
    assert flags.why_closed("openai:large") and flags.notice(SAM)[0].subject == "ai"
    file.unlink()
    await until(lambda: not flags.why_paused("handbook"))


async def test_a_file_that_is_there_at_the_start_counts_from_the_start(land: Ground, tmp_path: Path) -> None:
    file = tmp_path / "PAUSED"
    file.touch()
    assert (await land.flags(file=file)).why_paused("handbook")


async def test_a_flag_of_ones_own_has_a_type_and_keeps_it(land: Ground) -> None:
    flags = await land.flags()
    assert flags.value("greeting", "none") == "Hi"
    longer = {"state": "ENABLED", "variants": {"short": "Hi", "long": "Good morning"}, "defaultVariant": "long"}
    await flags.set("greeting", longer, **BY)
    assert flags.value("greeting", "none") == "Good morning"
    with pytest.raises(BadInput, match="string"):
        await flags.set("greeting", switch_definition(enabled=True), **BY)
    with pytest.raises(NotFound):
        await flags.set("nothing", longer, **BY)
    assert flags.value("greeting", 3) == 3, "a value of another type is not handed out"
    assert flags.value("nothing", {"a": 1}) == {"a": 1}


async def test_a_flag_made_while_the_service_runs_stands_in_every_process_and_is_made_once(land: Ground) -> None:
    flags, other = await land.flags(), await land.flags()
    how = {"owner": "ada", "expires_on": date(2099, 1, 1), "definition": {**SEEDS[2]["definition"]}}
    await flags.define("farewell", **how)
    await until(lambda: other.value("farewell", "") == "Hi")
    await flags.define("farewell", **{**how, "definition": {**how["definition"], "defaultVariant": "long"}})
    assert flags.value("farewell", "") == "Hi" and len(await past(land, "farewell")) == 1
    assert next(row for row in flags.rows if row["key"] == "farewell")["kind"] == "string"


async def test_a_flag_past_its_day_of_review_is_named(land: Ground) -> None:
    old = seed("old", switch_definition(enabled=True), expires_on=date(2020, 1, 1))
    flags = await land.flags(seeds=[*SEEDS, old])
    assert [row["key"] for row in flags.expired()] == ["old"]


async def test_without_a_reason_nothing_changes(land: Ground) -> None:
    flags = await land.flags()
    for because in ("", "  "):
        with pytest.raises(BadInput, match="Say why"):
            await flags.flip("ai", enabled=False, by="olga.petrov", because=because)
    assert not flags.why_paused("")


async def test_a_row_that_somebody_wrote_past_us_takes_no_other_flag_down(land: Ground) -> None:
    flags = await land.flags()
    async with land.database.work() as work:
        await work.sql(
            "UPDATE flags SET definition = '{\"state\": \"MAYBE\"}', version = version + 1 WHERE key = 'greeting'"
        )
    await flags.refresh()
    assert flags.value("greeting", "none") == "none" and not flags.why_paused("handbook")
    await flags.flip("ai", enabled=False, **BY)
    assert flags.why_paused("handbook")
