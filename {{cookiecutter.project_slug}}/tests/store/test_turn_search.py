"""Turns are found by words, person, time and outcome, each by its index, and what is erased is found no more."""

import re
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql
from psycopg.types.json import Jsonb
from sqlalchemy.engine import make_url

from app.domain.outcome import FAMILIES, Outcome, named
from app.errors import BadInput
from app.store import turn_search
from app.store.db import Database
from app.store.glance import glance
from app.store.turn_search import Search, query
from ops.prove import ledger_rows

pytestmark = pytest.mark.proves("OBS-1")
NOW = datetime.now(UTC) - timedelta(minutes=5)
TURNS = 6000


class Ledger:
    """A ledger of a test's own, written and searched."""

    def __init__(self, url):
        self.url, self.database = url, Database(url, pool_size=2)

    def write(self, question="How is it?", answer="", **more):
        """Write a turn; gives its id."""
        row = {"id": uuid4(), "started_at": NOW, "usecase": "handbook", "channel": "api", "user_id": "ada"}
        row |= {"outcome": "answered_model", "question": question, "answer": answer, "latency_ms": 1.0, "data": None}
        row |= more
        names = ", ".join(row)
        with psycopg.connect(self.url, autocommit=True) as connection:
            values = ", ".join(f"%({name})s" for name in row)
            connection.execute(f"INSERT INTO turns ({names}) VALUES ({values})", row)
        return row["id"]

    async def found(self, limit=50, **asked):
        """Give the ids of the turns that a search finds."""
        async with self.database.work() as work:
            return [row["id"] for row in await turn_search.found(work, Search(**asked), limit=limit)]


@pytest.fixture
async def ledger(database_copy):
    made = Ledger(database_copy)
    yield made
    await made.database.close()


async def test_words_are_found_in_question_answer_and_data_whatever_their_case_and_ending(ledger):
    asked = ledger.write("May I carry over my VACATION days?")
    told = ledger.write(answer="The sabbatical is granted, München agrees.")
    decided = ledger.write(data=Jsonb({"queue": "warehousing", "count": 3}))
    assert await ledger.found(text="vacation") == [asked]
    assert await ledger.found(text="Sabbat") == [told] and await ledger.found(text="münch") == [told]
    assert await ledger.found(text="warehous") == [decided]
    assert await ledger.found(text="vacation days") == [asked]
    assert await ledger.found(text="vacation sabbatical") == []
    assert await ledger.found(text='"carry over my"') == [asked] and await ledger.found(text='"over carry"') == []
    assert await ledger.found(text=str(told)) == [told]


async def test_everything_that_is_asked_for_must_hold(ledger):
    early = NOW - timedelta(days=3)
    mine = ledger.write("leave", user_id="bob", started_at=early, outcome="refused_budget", usecase="triage")
    others = [ledger.write("leave"), ledger.write("leave", user_id="bob"), ledger.write("leave", started_at=early)]
    everything = {"person": "bob", "usecase": "triage", "outcomes": named("refused"), "text": "leave"}
    assert await ledger.found(**everything, since=early, until=NOW) == [mine]
    for gone in ({"person": "ada"}, {"usecase": "handbook"}, {"outcomes": named("failed")}, {"text": "stay"}):
        assert await ledger.found(**{**everything, **gone}) == []
    assert await ledger.found(since=NOW, person="bob") == [others[1]]
    assert mine not in await ledger.found(before=early) and mine in await ledger.found(until=NOW)
    assert await ledger.found(among=(), own="bob", usecase="triage") == [mine]
    assert await ledger.found(among=("handbook",), own="nobody", usecase="triage") == []


async def test_the_newest_come_first_and_a_page_goes_on_where_the_last_ended(ledger):
    ids = [ledger.write("leave", started_at=NOW - timedelta(minutes=place)) for place in range(5)]
    assert await ledger.found(limit=2) == ids[:2]
    assert await ledger.found(limit=2, before=NOW - timedelta(minutes=1)) == ids[2:4]
    assert await ledger.found(oldest_first=True, limit=1) == [ids[-1]]


@pytest.mark.proves("SEC-11")
@pytest.mark.parametrize("rare", [2, 20_000])
async def test_words_that_stand_in_few_turns_and_in_many_are_found_alike(ledger, monkeypatch, rare):
    monkeypatch.setattr(turn_search, "RARE", rare)
    times = [NOW + timedelta(seconds=number) for number in range(5)]
    ids = [ledger.write("The okapi sleeps.", started_at=at) for at in times]
    assert await ledger.found(text="okapi", limit=3) == ids[:1:-1]
    assert await ledger.found(text="okapi", limit=9, oldest_first=True) == ids
    assert await ledger.found(text="okapi", before=times[3], limit=2) == ids[2:0:-1]
    assert await ledger.found(text="okapi", person="nobody") == []


async def test_a_search_that_takes_too_long_says_what_to_add(ledger, monkeypatch):
    ledger.write("The okapi sleeps.")
    monkeypatch.setattr(turn_search, "PATIENCE_MS", 100)
    monkeypatch.setattr(turn_search, "_WORDS", f"pg_sleep(1) IS NOT NULL AND {turn_search._WORDS}")
    with pytest.raises(BadInput, match="name a person, a use case or a time"):
        await ledger.found(text="okapi")


async def test_what_was_erased_is_found_no_more(ledger):
    ledger.write("My neighbour Zebedee sings", answer="Zebedee may sing.", user_id="leaver")
    assert len(await ledger.found(text="zebedee")) == 1
    with psycopg.connect(ledger.url, autocommit=True) as connection:
        connection.execute("SELECT erase_turns('leaver', %s, 10)", ["erased:" + "0" * 32])
    assert await ledger.found(text="zebedee") == [] and await ledger.found(person="leaver") == []


async def test_a_turn_is_recorded_however_long_its_words_are(ledger):
    words = " ".join(f"word{number}" for number in range(40_000))
    long = ledger.write(words, answer=words, data=Jsonb({"all": words}))
    assert await ledger.found(text="word7") == [long]


HOSTILE = [
    "'",
    "''",
    "\\",
    "a' & !b",
    "!leave",
    "leave & | (",
    ":*",
    "<->",
    '"',
    '"" leave',
    "%s %(id)s",
    ":words",
    "\x00",
]


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_is_typed_is_text_and_no_query(ledger, text):
    one = ledger.write("leave a b id s words")
    assert await ledger.found(text=text) in ([], [one])
    async with glance(ledger.url) as work:
        rows = await turn_search.found(work, Search(text=text))
    assert [row["id"] for row in rows] in ([], [one])


@given(st.text(max_size=60))
def test_any_text_is_quoted(text):
    written = query(text)
    assert "\x00" not in written and written.count("'") % 2 == 0


async def test_nothing_but_signs_finds_nothing(ledger):
    ledger.write("leave")
    assert await ledger.found(text="?!") == [] and await ledger.found(text="  ") != []


def test_an_outcome_stands_for_itself_and_a_family_for_its_own():
    assert named("") == () and named("refused_budget") == ("refused_budget",)
    assert set(named("failed")) == {outcome.value for outcome in Outcome if outcome.family == "failed"}
    assert sum(len(named(family)) for family in FAMILIES) == len(Outcome)
    with pytest.raises(BadInput, match="refused_budget"):
        named("broken")


@pytest.fixture(scope="module")
def loaded(engines, database_template):
    """A ledger of thousands of turns; `python -m ops.prove ledger` has a million."""
    name = f"test_{uuid4().hex[:12]}"
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(database_template))
    with psycopg.connect(engines.database_url, autocommit=True) as connection:
        connection.execute(made)
        url = make_url(engines.database_url).set(database=name).render_as_string(hide_password=False)
        yield url, ledger_rows.load(url, TURNS)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def test_what_the_model_did_for_one_person_around_one_time_is_found_whole(loaded):
    url, made = loaded
    around = {"since": made.at - timedelta(minutes=30), "until": made.at + timedelta(minutes=30)}
    async with glance(url) as work:
        rows = await turn_search.found(work, Search(person=ledger_rows.PERSON, **around, oldest_first=True))
        calls = await turn_search.calls_of(work, rows)
        first = await turn_search.whole(work, UUID(made.around[0]))
    assert [str(row["id"]) for row in rows] == list(made.around) and len(rows) >= 3
    assert all(len(calls[row["id"]]) == 1 for row in rows)
    assert first["calls"][0]["model"] == "gpt-4.1-mini" and "steps" in first


PLANS = [
    ({"person": "person.7"}, "turns_by_user"),
    ({"text": "case77 dealt"}, "turns_words"),
    ({"outcomes": ("failed_internal",)}, "turns_by_outcome"),
    ({}, "turns_newest"),
]


# What the part of an index on a month is called by PostgreSQL.
PARTS = {
    "turns_words": r"Bitmap Index Scan on turns_\w+_turn_words_idx",
    "turns_newest": r"Index Scan using turns_\d+_\d+_started_at_idx1",
    "turns_by_outcome": "_outcome_started_at_idx",
    "turns_by_user": "_user_id_started_at_idx",
}


@pytest.mark.parametrize(("asked", "index"), PLANS, ids=[index for _, index in PLANS])
async def test_each_search_has_its_index_and_reads_no_table_whole(loaded, asked, index):
    url, _ = loaded
    conditions, values = turn_search._conditions(Search(**asked))
    where = " AND ".join(conditions) or "true"
    async with glance(url) as work:
        # A small table is read whole more quickly; this one stands for a large one.
        await work.sql("SET LOCAL enable_seqscan = off")
        rows = await work.sql(f"EXPLAIN SELECT id FROM turns WHERE {where} ORDER BY started_at DESC LIMIT 50", **values)
    plan = "\n".join(row["QUERY PLAN"] for row in rows.mappings())
    assert re.search(PARTS[index], plan) and "Seq Scan" not in plan, plan
