"""The audit's chain: it grows whole under many writers, and shows whoever changes it, or a turn that it seals."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest

from app.domain.identity import Permission, Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Tape, Turn, Usage
from app.errors import BadInput, Forbidden
from app.store import audit, chain, ledger
from app.store.chain import Head
from app.store.db import Database
from app.work import auditing
from app.work.audit import AuditKeeper
from app.work.auditing import Auditing
from tests.llm import turns as samples

Owner = Callable[..., None]


@pytest.fixture
async def database(database_copy: str) -> AsyncIterator[Database]:
    opened = Database(database_copy)
    yield opened
    await opened.close()


@pytest.fixture
def owner(database_copy: str) -> Owner:
    """Run SQL as the database's owner, with every trigger turned off: the one who tampers."""

    def run(*statements: str) -> None:
        with psycopg.connect(database_copy, autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)

    return run


async def note(database: Database, subject: str = "thing", **more: object) -> None:
    async with database.work() as work:
        await audit.note(work, actor="olga", action="thing.changed", subject=subject, reason="because", **more)


async def some(database: Database, count: int = 5) -> None:
    for number in range(count):
        await note(database, f"thing {number}", before={"n": number}, after={"n": number + 1, "ä": "ö"})


def turn(at: datetime | None = None) -> Turn:
    call = Call("standard", "openai", "gpt", "r", 12.5, Usage(10, 5))
    return Turn(
        usecase=samples.usecase("standard"),
        principal=Principal("sam"),
        question="how?",
        screened="how?",
        started_at=at or datetime.now(UTC),
        tape=Tape(calls=[call]),
        outcome=Outcome.ANSWERED_MODEL,
        latency_ms=3.14159,
    )


async def recorded(database: Database, count: int = 4, at: datetime | None = None) -> list[UUID]:
    made = [turn(at) for _ in range(count)]
    for one in made:
        async with database.work() as work:
            await ledger.record(work, one, None)
    return [one.id for one in made]


async def broken(database: Database, **more: object) -> str:
    verdict = await AuditKeeper(database).verify(whole=True, **more)
    return verdict.broken


@pytest.mark.proves("SEC-6", "OBS-7")
async def test_an_untouched_audit_is_good_as_a_whole_and_from_the_last_time_on(database: Database):
    keeper = AuditKeeper(database)
    await some(database)
    first = await keeper.verify(whole=True)
    assert (first.broken, first.entries, first.head.seq) == ("", 6, 6), "the first entry is the beginning of the chain"
    await some(database, 2)
    second = await keeper.verify(whole=False)
    assert (second.broken, second.entries, second.head.seq) == ("", 2, 8)


async def test_what_was_rolled_back_leaves_no_gap(database: Database):
    with pytest.raises(RuntimeError):
        async with database.work() as work:
            await audit.note(work, actor="a", action="b", subject="c", reason="d")
            raise RuntimeError
    await some(database, 1)
    assert await broken(database) == ""


@pytest.mark.proves("SEC-6")
async def test_eight_writers_at_once_make_one_chain(database_copy: str, database: Database):
    others = [Database(database_copy, pool_size=2) for _ in range(8)]

    async def write(which: Database, name: int) -> None:
        for number in range(12):
            async with which.work() as work:
                await audit.note(work, actor=f"w{name}", action="race", subject=str(number), reason="race")
                await asyncio.sleep(0.001)
                await audit.note(work, actor=f"w{name}", action="race.again", subject=str(number), reason="race")

    await asyncio.gather(*(write(which, name) for name, which in enumerate(others)))
    for which in others:
        await which.close()
    verdict = await AuditKeeper(database).verify(whole=True)
    assert (verdict.broken, verdict.entries) == ("", 1 + 8 * 12 * 2)


TAMPERED = {
    "an entry changed": ["UPDATE audit SET reason = 'another' WHERE seq = 3"],
    "before and after changed": ["UPDATE audit SET after = '{\"n\": 9}' WHERE seq = 4"],
    "the time changed": ["UPDATE audit SET at = at - interval '1 second' WHERE seq = 4"],
    "one in the middle deleted": ["DELETE FROM audit WHERE seq = 3"],
    "the first deleted": ["DELETE FROM audit WHERE seq = 1"],
    "two swapped": [
        "UPDATE audit SET seq = 99 WHERE seq = 3",
        "UPDATE audit SET seq = 3 WHERE seq = 4",
        "UPDATE audit SET seq = 4 WHERE seq = 99",
    ],
    "the contents of two swapped": [
        "WITH a AS (SELECT actor, subject, reason FROM audit WHERE seq = 3)"
        " UPDATE audit x SET subject = a.subject FROM a WHERE x.seq = 4",
    ],
    "one put in without a place": ["INSERT INTO audit (actor, action, subject, reason) VALUES ('a', 'b', 'c', 'd')"],
    "a hash made up": ["UPDATE audit SET hash = sha256('x') WHERE seq = 4"],
    "everything deleted": ["DELETE FROM audit"],
    "one changed and hashed anew": [
        "UPDATE audit SET reason = 'another' WHERE seq = 3",
        "UPDATE audit a SET hash = sha256(previous || convert_to(audit_sealed(a, seq), 'UTF8')) WHERE seq = 3",
    ],
}


@pytest.mark.proves("SEC-6", "OBS-7")
async def test_whoever_tampers_as_the_owner_is_seen(database: Database, owner: Owner):
    await some(database)
    owner("CREATE TABLE before AS SELECT * FROM audit")
    unseen = []
    for name, statements in TAMPERED.items():
        assert await broken(database) == "", f"before {name}"
        owner(*statements)
        unseen += [] if await broken(database) else [name]
        owner("DELETE FROM audit", "INSERT INTO audit OVERRIDING SYSTEM VALUE SELECT * FROM before")
    assert unseen == []


async def test_the_first_broken_entry_is_named(database: Database, owner: Owner):
    await some(database)
    owner("UPDATE audit SET reason = 'x' WHERE seq = 5", "UPDATE audit SET reason = 'x' WHERE seq = 3")
    verdict = await AuditKeeper(database).verify(whole=True)
    assert (verdict.broken_seq, verdict.broken) == (3, "entry 3 is not what was written")


@pytest.mark.proves("SEC-6")
async def test_a_tail_that_was_cut_is_seen_by_whoever_knew_its_head(database: Database, owner: Owner):
    await some(database)
    keeper = AuditKeeper(database)
    head = (await keeper.verify(whole=True)).head
    owner("DELETE FROM audit WHERE seq > 4")
    assert "cut off" in (await AuditKeeper(database).verify(whole=True)).broken, "our own note of the head tells"
    owner("DELETE FROM audit_checks")
    assert "cut off" in (await keeper.verify(whole=True)).broken, "the process that looked before remembers"
    owner("DELETE FROM audit_checks")
    assert await broken(database) == "", "who knows nothing cannot tell: the chain itself is whole"
    assert "cut off" in await broken(database, known=[head]), "a head that was kept elsewhere tells"
    await some(database, 3)
    assert "another one" in await broken(database, known=[head]), "also when the chain has grown beyond it again"


async def test_a_history_that_was_written_anew_is_seen_by_whoever_knew_a_head(database: Database, owner: Owner):
    await some(database)
    head = (await AuditKeeper(database).verify(whole=True)).head
    anew = "; ".join(
        f"UPDATE audit a SET previous = b.hash FROM audit b WHERE b.seq = {seq} - 1 AND a.seq = {seq};"
        f"UPDATE audit a SET hash = sha256(previous || convert_to(audit_sealed(a, seq), 'UTF8')) WHERE seq = {seq}"
        for seq in range(3, 7)
    )
    owner("UPDATE audit SET reason = 'another' WHERE seq = 3", *anew.split(";"), "DELETE FROM audit_checks")
    assert await broken(database) == ""
    assert "another one" in await broken(database, known=[head])


@pytest.mark.proves("SEC-6")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET reason = 'x'",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "INSERT INTO audit (actor, action, subject, reason, at) VALUES ('a', 'b', 'c', 'd', now())",
        "INSERT INTO audit (actor, action, subject, reason, seq, hash) VALUES ('a', 'b', 'c', 'd', 9, sha256('x'))",
        "INSERT INTO audit (actor, action, subject, reason) VALUES ('a', 'b', 'c', '')",
        "SELECT chain_audit(a) FROM audit a",
        "UPDATE turn_digests SET digest = sha256('x')",
        "DELETE FROM turn_digests",
        "DELETE FROM audit_checks",
        "ALTER TABLE audit DISABLE TRIGGER ALL",
        "SET session_replication_role = replica",
    ],
)
@pytest.mark.parametrize("role", ["app_service", "app_ingest"])
def test_the_applications_own_roles_can_do_none_of_it(database_url: str, role: str, statement: str):
    with psycopg.connect(database_url) as connection:
        connection.execute(f"SET ROLE {role}")
        with pytest.raises(psycopg.Error) as refused:
            connection.execute(statement)
    assert isinstance(refused.value, psycopg.errors.InsufficientPrivilege | psycopg.errors.CheckViolation)


@pytest.mark.parametrize("statement", ["UPDATE audit SET reason = 'x'", "DELETE FROM audit", "TRUNCATE audit"])
def test_even_the_owner_cannot_do_it_by_mistake(database_url: str, statement: str):
    with psycopg.connect(database_url) as connection, pytest.raises(psycopg.Error, match="append-only"):
        connection.execute(statement)


TURNS = {
    "an answer rewritten": "UPDATE turns SET answer = 'another' WHERE id = '{id}'",
    "a cost rewritten": "UPDATE turns SET cost_usd = 0.5 WHERE id = '{id}'",
    "a turn deleted": "DELETE FROM turns WHERE id = '{id}'",
    "a call rewritten": "UPDATE calls SET input_tokens = 1 WHERE turn_id = '{id}'",
    "a call deleted": "DELETE FROM calls WHERE turn_id = '{id}'",
    "a call put in": "INSERT INTO calls SELECT (jsonb_populate_record(c, jsonb_build_object('id',"
    " gen_random_uuid()))).* FROM calls c WHERE turn_id = '{id}'",
    "a fingerprint made up": "UPDATE turn_digests SET digest = sha256('x') WHERE turn_id = '{id}'",
    "turn and fingerprint deleted": "DELETE FROM turns WHERE id = '{id}';"
    " DELETE FROM turn_digests WHERE turn_id = '{id}'",
}


@pytest.mark.proves("SEC-6")
async def test_a_sealed_turn_that_was_rewritten_is_seen(database: Database, owner: Owner):
    keeper, ids = AuditKeeper(database), await recorded(database)
    assert await keeper.seal() == 4
    tables = ("turns", "calls", "turn_digests")
    owner(*(f"CREATE TABLE {table}_before AS SELECT * FROM {table}" for table in tables))
    unseen = []
    for name, statement in TURNS.items():
        good = await keeper.verify(whole=True)
        assert (good.broken, good.turns) == ("", 4), f"before {name}"
        owner(*statement.format(id=ids[1]).split(";"))
        verdict = await keeper.verify(whole=True)
        unseen += [] if "sealed by entry" in verdict.broken or "fingerprints" in verdict.broken else [name]
        owner(*(f"DELETE FROM {table}; INSERT INTO {table} SELECT * FROM {table}_before" for table in tables))
    assert unseen == []


async def test_turns_are_sealed_once_and_late_ones_by_the_daily_look_alone(database: Database):
    keeper = AuditKeeper(database)
    await recorded(database)
    long_ago = datetime.now(UTC) - timedelta(days=40)
    await recorded(database, 2, at=long_ago)
    assert [await keeper.seal(), await keeper.seal()] == [4, 0]
    assert [await keeper.seal(whole=True), await keeper.seal(whole=True)] == [2, 0]
    async with database.work() as work:
        seals = await audit.found(work, audit.Wanted(action=audit.SEALED), limit=10)
        shown = await audit.history(work)
    assert [(seal["after"]["turns"], seal["after"]["late"]) for seal in seals] == [(2, 2), (4, 0)]
    assert audit.SEALED not in {entry["action"] for entry in shown}, "they would drown what people did"
    assert await broken(database) == ""


async def test_a_column_that_comes_later_changes_no_fingerprint(database: Database, owner: Owner):
    keeper = AuditKeeper(database)
    await recorded(database)
    await keeper.seal()
    owner("ALTER TABLE turns ADD COLUMN mood text DEFAULT 'good'")
    assert await broken(database) == ""
    await recorded(database)
    assert await keeper.seal() == 4
    owner("UPDATE turns SET mood = 'bad'")
    assert "is not what was recorded" in await broken(database), "from then on it is sealed too"


@pytest.mark.proves("SEC-6", "SEC-11")
async def test_what_the_audit_says_was_erased_or_has_expired_may_be_gone_and_nothing_else(
    database: Database, owner: Owner
):
    keeper, ids = AuditKeeper(database), await recorded(database)
    await keeper.seal()
    async with database.work() as work:
        await audit.note(work, actor="olga", action="turns.erased", subject="p-1", reason="asked for it",
                         after={"turns": [str(ids[0]), str(ids[1])]})  # fmt: skip
    owner(f"UPDATE turns SET question = '' WHERE id = '{ids[0]}'", f"DELETE FROM turns WHERE id = '{ids[1]}'")
    assert await broken(database) == ""
    owner(f"DELETE FROM turns WHERE id = '{ids[2]}'")
    assert str(ids[2]) in await broken(database)
    now = datetime.now(UTC)
    span = {"from": (now - timedelta(days=1)).isoformat(), "to": (now + timedelta(days=1)).isoformat()}
    async with database.work() as work:
        await audit.note(work, actor="retention", action="turns.expired", subject="turns", reason="400 days",
                         after={**span, "usecases": ["another"]})  # fmt: skip
    assert str(ids[2]) in await broken(database), "another use case's"
    async with database.work() as work:
        await audit.note(work, actor="retention", action="turns.expired", subject="turns", reason="400 days",
                         after={**span, "usecases": None})  # fmt: skip
    assert await broken(database) == ""
    owner(f"UPDATE turns SET answer = 'x' WHERE id = '{ids[3]}'")
    assert str(ids[3]) in await broken(database), "expired turns are gone, they do not change"
    owner("DELETE FROM turns", "DELETE FROM turn_digests")
    assert await broken(database) == "", "with the whole of a batch its fingerprints may go"


async def test_housekeeping_seals_verifies_and_shows_it(
    database: Database, owner: Owner, monkeypatch: pytest.MonkeyPatch
):
    shown: dict[str, float] = {}
    monkeypatch.setattr("app.work.audit.metrics.observe", lambda name, value, **_: shown.update({name: value}))
    keeper = AuditKeeper(database)
    await recorded(database)
    await keeper.often()
    assert shown["audit_broken"] == 0 and shown["audit_verified_age_seconds"] < 60
    async with database.work() as work:
        assert (await chain.newest(work)).turns == 4
    owner("UPDATE audit SET reason = 'x' WHERE seq = 1")
    monkeypatch.setattr("app.work.audit.WHOLE_S", 0)
    await keeper.daily()
    await keeper.often()
    assert shown["audit_broken"] == 1


async def test_an_export_is_checked_without_the_database(database: Database):
    await some(database)
    desk = Auditing(database)
    who = Principal("ada", permissions=frozenset({Permission.EXPORT_AUDIT}))
    lines = [line async for line in await desk.export(who, since=None, until=None, because="the auditors ask")]
    assert auditing.check(lines) == (7, "")
    assert json.loads(lines[-1])["action"] == "audit.exported", "the export is an entry itself"
    assert auditing.check(lines[:3] + lines[4:])[1] == "entry 5 does not follow entry 3"
    assert auditing.check([line.replace("because", "beause") for line in lines])[1] != ""
    said = json.loads(lines[2]) | {"actor": "somebody else"}
    assert "something else than was hashed" in auditing.check([*lines[:2], json.dumps(said)])[1]
    assert "no entry of an export" in auditing.check(["{}"])[1]
    with pytest.raises(BadInput):
        await desk.export(who, since=None, until=None, because=" ")
    with pytest.raises(Forbidden):
        await desk.found(who, audit.Wanted(), limit=1)


async def test_entries_are_found_by_who_what_about_when_and_page(database: Database):
    await some(database)
    async with database.work() as work:
        await audit.note(work, actor="ada", action="review.approved", subject=str(uuid4()), reason="fine")

        async def seqs(**wanted: object) -> list[int]:
            return [row["seq"] for row in await audit.found(work, audit.Wanted(**wanted), limit=2)]

    async with database.work() as work:
        assert await seqs() == [7, 6]
        assert await seqs(before=6) == [5, 4]
        assert await seqs(actor="ada") == await seqs(action="review.") == await seqs(action="review.approved") == [7]
        assert await seqs(subject="thing 1") == [3]
        assert await seqs(since=datetime.now(UTC) + timedelta(hours=1)) == []
        assert await seqs(until=datetime.now(UTC) - timedelta(hours=1)) == []


@pytest.mark.parametrize("text", ["", "x", "3:zz", "0:" + "00" * 32, "5:abcd"])
def test_what_is_no_head_is_told(text: str):
    with pytest.raises(BadInput, match="app audit anchor"):
        Head.parse(text)
    assert str(Head.parse("5:" + "ab" * 32)) == "5:" + "ab" * 32
