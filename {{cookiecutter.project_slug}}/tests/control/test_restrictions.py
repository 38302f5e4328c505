"""Restrictions: set once, they hold in every process; each change has its reason in the audit."""

from uuid import uuid4

import psycopg
import pytest

from app.control.restrictions import Restrictions
from app.domain.identity import Principal
from app.errors import BadInput, NotFound, Restricted
from app.store import audit
from app.store import restrictions as table
from app.store.broadcast import Broadcast
from app.store.db import Database
from tests.api.serving import until

pytestmark = pytest.mark.proves("SEC-2", "REL-5")


class Process:
    """What one process knows of restrictions."""

    def __init__(self, database_url, redis_url, *, poll_s=60.0):
        self.database, self.broadcast = Database(database_url, pool_size=2), Broadcast(redis_url)
        self.restrictions = Restrictions(self.database, self.broadcast, poll_s=poll_s)

    async def close(self):
        await self.restrictions.stop()
        await self.broadcast.close()
        await self.database.close()


@pytest.fixture
async def process(database_url, redis_url):
    """Make processes; ended after the test."""
    made = []

    async def make(url=redis_url, **more):
        made.append(Process(database_url, url, **more))
        await made[-1].restrictions.start()
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def name():
    return f"someone-{uuid4().hex}"


def refuses(process, who, *, asks=True):
    try:
        process.restrictions.ensure_person(who, asks=asks)
    except Restricted:
        return True
    return False


@pytest.mark.parametrize("told_by", ["redis", "poll"])
async def test_it_holds_in_every_process_and_so_does_its_end(process, name, told_by):
    away = "redis://127.0.0.1:1"
    here = await process(*([away] if told_by == "poll" else []))
    there = await process(*([away] if told_by == "poll" else []), poll_s=0.2 if told_by == "poll" else 60.0)
    who = Principal(name)
    made = await here.restrictions.restrict(f"user:{name}", minutes=10, by="olga", because="a script")
    assert refuses(here, who)
    await until(lambda: refuses(there, who))
    await here.restrictions.lift(made.id, by="olga", because="it was honest")
    assert not refuses(here, who)
    await until(lambda: not refuses(there, who))


async def test_a_column_more_stops_no_process_that_reads_the_table(database_copy, redis_url, name):
    there = Process(database_copy, "redis://127.0.0.1:1", poll_s=60.0)
    # psycopg prepares by itself what a connection has run a few times.
    for _ in range(20):
        await there.restrictions.refresh()
    with psycopg.connect(database_copy, autocommit=True) as connection:
        connection.execute("ALTER TABLE restrictions ADD COLUMN colour text")
    here = Process(database_copy, redis_url)
    await here.restrictions.restrict(f"user:{name}", minutes=10, by="olga", because="a script")
    await there.restrictions.refresh()
    assert refuses(there, Principal(name))
    for each in (here, there):
        await each.close()


async def test_keeping_somebody_from_asking_leaves_them_their_own_data(process, name):
    here, who = await process(), Principal(name)
    await here.restrictions.restrict(f"user:{name}", what="ask", minutes=10, by="olga", because="a script")
    assert refuses(here, who, asks=True) and not refuses(here, who, asks=False)
    await here.restrictions.restrict(f"user:{name}", what="everything", minutes=10, by="olga", because="stolen token")
    assert refuses(here, who, asks=False)


async def test_a_key_is_kept_out_and_its_owner_is_not(process, name):
    here = await process()
    await here.restrictions.restrict(f"key:{name}", what="everything", minutes=None, by="olga", because="leaked")
    assert refuses(here, Principal("ada", key_id=name)) and not refuses(here, Principal("ada"))


@pytest.mark.parametrize(
    ("subject", "inside", "outside"),
    [
        ("address:198.51.100.9", "198.51.100.9", "198.51.100.10"),
        ("address:198.51.100.77/28", "198.51.100.64", "198.51.100.80"),
        ("address:2001:db8:7:7::9", "2001:db8:7:7::", "2001:db8:7:8::"),
    ],
)
async def test_an_address_or_a_network_is_kept_out(process, subject, inside, outside):
    here = await process()
    made = await here.restrictions.restrict(subject, what="everything", minutes=5, by="olga", because="a flood")
    with pytest.raises(Restricted):
        here.restrictions.ensure_address(inside)
    here.restrictions.ensure_address(outside)
    await here.restrictions.lift(made.id, by="olga", because="over")
    here.restrictions.ensure_address(inside)


async def test_the_person_is_told_until_when_and_not_what_operators_wrote(process, name):
    here = await process()
    await here.restrictions.restrict(f"user:{name}", minutes=10, by="olga", because="smells like a bot, watch him")
    with pytest.raises(Restricted) as caught:
        here.restrictions.ensure_person(Principal(name), asks=True)
    problem = caught.value.problem()
    assert problem["status"] == 429 and "UTC" in problem["detail"] and "bot" not in str(problem)
    assert 0 < caught.value.retry_after_s <= 601


async def test_each_change_stands_in_the_audit_with_what_was_before(process, name):
    here, subject = await process(), f"user:{name}"
    await here.restrictions.restrict(subject, minutes=10, by="olga", because="first")
    second = await here.restrictions.restrict(subject, what="everything", minutes=None, by="hana", because="second")
    await here.restrictions.lift(second.id, by="olga", because="third")
    async with here.database.work() as work:
        entries = await audit.history(work, subject=subject)
    assert [(entry["action"], entry["actor"], entry["reason"]) for entry in reversed(entries)] == [
        ("restriction.set", "olga", "first"),
        ("restriction.set", "hana", "second"),
        ("restriction.lift", "olga", "third"),
    ]
    lifted, replaced, _ = entries
    assert replaced["before"]["what"] == "ask" and replaced["after"]["what"] == "everything"
    assert lifted["before"]["reason"] == "second"


async def test_one_that_is_over_is_over_without_anybody_doing_anything(process, name, database_url):
    here = await process()
    made = await here.restrictions.restrict(f"user:{name}", minutes=1, by="olga", because="short")
    async with here.database.work() as work:
        past = "UPDATE restrictions SET created_at = now() - interval '1 hour', until = now() WHERE id = :id"
        await work.sql(past, id=made.id)
    await here.restrictions.refresh()
    assert not refuses(here, Principal(name))
    with pytest.raises(NotFound):
        await here.restrictions.lift(made.id, by="olga", because="late")
    async with here.database.work() as work:
        assert made.id in {one.id for one in await table.latest(work)}


@pytest.mark.parametrize(
    ("subject", "minutes", "because"),
    [
        ("sam.reyes", 5, "why"),
        ("user:", 5, "why"),
        ("address:everywhere", 5, "why"),
        ("user:sam\x00", 5, "why"),
        ("user:sam", 0, "why"),
        ("user:sam", 5, "  "),
    ],
)
async def test_what_cannot_be_meant_is_refused(process, subject, minutes, because):
    here = await process()
    with pytest.raises(BadInput):
        await here.restrictions.restrict(subject, minutes=minutes, by="olga", because=because)
