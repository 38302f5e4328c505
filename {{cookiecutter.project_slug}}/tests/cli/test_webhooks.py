"""`app webhooks` and `app failed`, as an operator uses them: a secret is printed alone, once; each change asks why."""

import re
from uuid import UUID, uuid4

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from app.cli import session as cli_session
from app.cli import webhooks
from app.errors import AppError, Conflict, NotFound
from app.settings import Settings

pytestmark = pytest.mark.proves("OPS-1")


@pytest.fixture
def settings(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(cli_session, "load", lambda: settings)
    return settings


def run(*words: str) -> str:
    """Run the command; gives standard output, raises what it raises."""
    app = typer.Typer()
    webhooks.register(app)
    app.callback()(lambda: None)
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, AppError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_receiver_is_made_tried_rotated_and_turned_off(settings: Settings) -> None:
    name = f"cli-{uuid4().hex[:8]}"
    wanted = ["http://127.0.0.1:9/events", "--kind", "job.finished", "--usecase", "handbook", "--because", "a test"]
    secret = run("webhooks", "make", name, *wanted).strip()
    assert re.fullmatch(r"whsec_[\w+/=]{44}", secret), "nothing else is on standard output"
    assert name in run("webhooks", "list") and secret not in run("webhooks", "list")
    with pytest.raises(Conflict):
        run("webhooks", "make", name, *wanted)
    event = re.search(r"[0-9a-f-]{36}", run("webhooks", "try", name))
    assert event and event[0] in run("webhooks", "deliveries", name, "--status", "waiting")
    assert "1 to be sent again" in run("webhooks", "replay", name, "--event", event[0], "--because", "a test")
    assert run("webhooks", "rotate", name, "--because", "a test").strip() not in ("", secret)
    assert f"{name} is off" in run("webhooks", "turn", name, "off", "--because", "a test")
    with pytest.raises(NotFound, match="there are"):
        run("webhooks", "try", "nobody")


@pytest.mark.proves("REL-9")
def test_a_failed_job_is_listed_and_put_back(settings: Settings, database_url: str) -> None:
    job_id: UUID = uuid4()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO jobs (id, kind, usecase, user_id, groups, input, status, total, done, attempts, error,"
            " finished_at)"
            " VALUES (%s, 'ingest', 'handbook', 'tests', '{}', '{}', 'failed', 0, 0, 1, 'was away', now())",
            (job_id,),
        )
    assert "was away" in run("failed", "list") and str(job_id) in run("failed", "list")
    assert "is queued again" in run("failed", "replay", str(job_id), "--because", "it is back")
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE jobs SET status = 'cancelled' WHERE id = %s", (job_id,))
    with pytest.raises(Conflict):
        run("failed", "replay", str(job_id), "--because", "again")
