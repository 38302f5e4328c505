"""`app audit` and `app incidents`, as an operator calls them on the machine of a service."""

import asyncio
from uuid import uuid4

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from app.cli import audit as commands
from app.cli import incidents as incident_commands
from app.settings import ROOT
from app.store import audit, incidents
from app.store.db import Database
from app.store.incidents import Incident
from tests.conftest import SECRET


@pytest.fixture
def run(database_copy, redis_url, monkeypatch):
    """Call a command over a database of its own; gives its exit code and what it printed."""
    env = {"DATABASE_URL": database_copy, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET}
    for name, value in {**env, "APP_USECASES_DIR": str(ROOT / "tests/samples")}.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)
    incident_commands.register(app)

    async def called(*words):
        result = await asyncio.to_thread(CliRunner().invoke, app, [*map(str, words)])
        return result.exit_code, result.output if result.exception is None or result.output else str(result.exception)

    return called


@pytest.fixture
async def database(database_copy):
    opened = Database(database_copy)
    async with opened.work() as work:
        for place in range(3):
            await audit.note(work, actor="olga", action="probe", subject=f"thing {place}", reason="because [x]")
    yield opened
    await opened.close()


@pytest.mark.proves("SEC-6")
async def test_verify_is_good_then_names_the_first_broken_entry_and_exits_1(run, database, database_copy):
    code, said = await run("audit", "verify")
    assert code == 0 and "4 entries follow each other" in said and "head 4:" in said, said
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("UPDATE audit SET actor = 'somebody else' WHERE seq = 3")
    code, said = await run("audit", "verify")
    assert (code, "BROKEN: entry 3 is not what was written" in said) == (1, True), said


@pytest.mark.proves("SEC-6")
async def test_a_cut_tail_is_seen_with_an_anchor(run, database, database_copy, tmp_path):
    anchors = tmp_path / "anchors.txt"
    assert (await run("audit", "anchor", "--to", anchors))[0] == 0
    head = (await run("audit", "anchor"))[1].strip()
    assert anchors.read_text().startswith(head) and head.startswith("4:")
    assert (await run("audit", "verify", "--anchor", anchors, "--head", head))[0] == 0
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute("SET session_replication_role = replica")
        owner.execute("DELETE FROM audit WHERE seq = 4")
        owner.execute("DELETE FROM audit_checks")
    assert (await run("audit", "verify"))[0] == 0
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute("DELETE FROM audit_checks")
    code, said = await run("audit", "verify", "--anchor", anchors)
    assert code == 1 and "cut off" in said, said
    assert "no head of the audit" in (await run("audit", "verify", "--head", "x"))[1]
    assert "app audit anchor --to" in (await run("audit", "verify", "--anchor", tmp_path / "none"))[1]


@pytest.mark.proves("SEC-6")
async def test_an_export_is_verified_without_the_database_and_a_changed_one_is_not(run, database, tmp_path):
    file = tmp_path / "audit.jsonl"
    code, said = await run("audit", "export", "--to", file, "--because", "yearly")
    assert code == 0 and "5 entries" in said, said
    assert await run("audit", "verify", "--file", file) == (0, "good: 5 entries follow each other\n")
    file.write_text(file.read_text().replace("thing 1", "thing 9"))
    code, said = await run("audit", "verify", "--file", file)
    assert code == 1 and "entry 3 is not what was written" in said, said
    code, said = await run("audit", "show", "--action", "audit.")
    assert code == 0 and "yearly" in said and "because" not in said, said


@pytest.mark.proves("SEC-10")
async def test_incidents_are_listed_and_closed(run, database):
    async with database.work() as work:
        await incidents.open_(work, [Incident("secret", uuid4(), "handbook", "sam", "api", "the answer holds a key")])
        (row,) = await incidents.listed(work)
    assert str(row["id"]) in (await run("incidents"))[1]
    code, said = await run("incidents", row["id"])
    assert code != 0 and "what came of it" in said, said
    assert (await run("incidents", row["id"], "--because", "a sample key"))[0] == 0
    assert str(row["id"]) not in (await run("incidents"))[1]
    code, said = await run("incidents", "--all")
    assert "a sample key" in said
