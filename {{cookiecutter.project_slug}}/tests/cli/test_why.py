"""`app why` and `app readers`, as an operator calls them on the machine of a service with documents."""

import asyncio
import json
import os
import subprocess
import sys

import pytest
import typer
from typer.testing import CliRunner

from app.cli import why
from app.settings import ROOT
from app.store import audit
from tests.conftest import SECRET

PAY = "How much is the chief executive paid?"
ASKED = ("why", PAY, "--usecase", "handbook")


@pytest.fixture
def run(service, database_url, redis_url, monkeypatch):
    """Call a command over the documents of the samples; gives its exit code and what it printed."""
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET}
    for name, value in {**env, "APP_USECASES_DIR": str(ROOT / "tests/samples")}.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    why.register(app)

    async def called(*words, because="Sam asked"):
        reason = ("--because", because) if because else ()
        result = await asyncio.to_thread(CliRunner().invoke, app, [*words, *reason])
        return result.exit_code, result.output if result.exception is None or result.output else str(result.exception)

    return called


@pytest.mark.proves("SEC-4")
async def test_why_follows_a_document_and_exits_1_when_it_was_not_found(run, service):
    code, said = await run(*ASKED, "--as", "sam.reyes", "--document", "executive-pay.md")
    assert code == 1, said
    for shown in (
        "may read: not among the readers: group:executives",
        "what would change it",
        "yes exists",
        "not found",
    ):
        assert shown in said, said
    async with service.database.work() as work:
        (row,) = await audit.history(work, limit=1)
    assert (row["action"], row["subject"], row["reason"]) == ("documents.why", "sam.reyes", "Sam asked")
    assert row["actor"].startswith("cli:")


async def test_what_was_found_exits_0_and_is_json_for_other_programs(run):
    code, said = await run(*ASKED, "--as", "erin.holt", "--document", "Executive pay", "--json")
    told = json.loads(said)
    assert code == 0 and told["diagnoses"][0]["found"], said
    assert told["weighed"][0]["kept"] and "group:executives" in told["claims"]["names"]


async def test_who_can_read_it_and_what_a_person_can_read(run):
    code, said = await run("readers", "Executive pay")
    assert code == 0 and "reader group:executives: erin.holt" in said and "(ingest by tests)" in said, said
    assert "not among the readers" in said
    code, said = await run("readers", "--person", "sam.reyes")
    assert code == 0 and "everyone, group:sales, user:sam.reyes" in said and "readers: " in said, said


@pytest.mark.parametrize("words", [("readers",), ("readers", "Executive pay", "--person", "sam.reyes")])
async def test_a_document_or_a_person_is_named(run, words):
    code, said = await run(*words)
    assert code != 0 and "Name a document" in said


def test_without_a_reason_nothing_is_shown(service, database_url, redis_url):
    env = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET}
    env |= {"APP_USECASES_DIR": str(ROOT / "tests/samples")}
    words = [sys.executable, "-m", "app", *ASKED, "--as", "sam.reyes", "--document", "Executive pay"]
    wrong = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrong.returncode == 2 and "Say why you look" in wrong.stderr and "executives" not in wrong.stdout
