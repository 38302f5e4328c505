"""`app embeddings`, as an operator uses it: what there is, what a change takes, forward and back."""

import json
from shutil import copytree

import pytest
import typer
from typer.testing import CliRunner

from app.cli import embeddings, ledger
from app.cli.session import in_place
from app.errors import BadInput, Conflict, NotFound
from app.settings import ROOT
from app.store import audit, jobs
from tests.conftest import SECRET

SPACE = "openai:text-embedding-3-small"
WHY = ("--because", "finds more")


@pytest.fixture
def run(database_copy, redis_url, vendor, tmp_path, monkeypatch):
    """Run a command in this process, with this line under [embeddings]; gives its exit code and what it printed."""
    known = {
        "DATABASE_URL": database_copy,
        "REDIS_URL": redis_url,
        "APP_SECRET_KEY": SECRET,
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "OPENAI_API_KEY": "k",
        "OPENAI_BASE_URL": f"{vendor.url}/v1",
        "APP_CONFIG_DIR": str(tmp_path / "config"),
        "COLUMNS": "200",
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    embeddings.register(app)
    ledger.register(app)

    def made(*words, line=f'model = "{SPACE}"'):
        folder = copytree(ROOT / "config", tmp_path / "config", dirs_exist_ok=True)
        models = (ROOT / "config" / "models.toml").read_text()
        (folder / "models.toml").write_text(models.replace("[embeddings]\n", f"[embeddings]\n{line}\n"))
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        return done.exit_code, done.stdout

    return made


def work():
    """Do the jobs that wait, as a worker would."""

    async def done(service):
        async with service.database.work() as opened:
            waiting = [job.id for job in await jobs.listed(opened, user_id=None) if job.status == "queued"]
        await service.start()
        for job_id in waiting:
            await service.jobs.run(job_id)
        return len(waiting)

    return in_place(done)


def noted():
    """Give what the audit has of spaces, the oldest first: what was done to which, why, and what came of it."""

    async def read(service):
        async with service.database.work() as opened:
            return await audit.found(opened, audit.Wanted(action="embeddings."), limit=10)

    rows = reversed(in_place(read))
    return [
        (row["action"], row["subject"].removeprefix("embeddings/"), row["reason"], row["after"].get("status"))
        for row in rows
        if row["actor"].startswith("cli:")
    ]


@pytest.mark.proves("CST-1", "OPS-3")
def test_an_operator_sees_what_a_change_takes_starts_it_and_goes_back(run):
    code, said = run("embeddings")
    assert code == 1 and "lexical-1" in said and f"to fill {SPACE}: 0 chunks, about 0 tokens, at most $0.0000" in said
    assert "queued as job" in run("embeddings", "start", *WHY)[1]
    assert "queued already" in run("embeddings", "start", *WHY)[1]
    assert work() == 1

    code, said = run("embeddings", "--json")
    active, retired = json.loads(said)
    assert code == 0 and (active["name"], active["status"], active["is_configured"]) == (SPACE, "active", True)
    assert (retired["name"], retired["status"]) == ("lexical-1", "retired")
    assert "is searched from now on" in run("embeddings", "activate", "lexical-1", *WHY)[1]
    assert run("embeddings")[0] == 1, "the configured one is not searched"
    assert run("embeddings", "activate", SPACE, *WHY)[0] == 0 and run("embeddings")[0] == 0
    assert "deleted" in run("embeddings", "retire", "lexical-1", *WHY)[1]
    assert [row["name"] for row in json.loads(run("embeddings", "--json")[1])] == [SPACE]

    assert noted() == [
        ("embeddings.start", SPACE, "finds more", None),
        ("embeddings.activate", "lexical-1", "finds more", "active"),
        ("embeddings.activate", SPACE, "finds more", "active"),
        ("embeddings.retire", "lexical-1", "finds more", "deleted"),
    ]

    (row,) = json.loads(run("ledger", "--json")[1])
    assert (row["kind"], row["calls"], row["model"]) == ("embed", 1, SPACE) and row["user_id"].startswith("cli:")
    code, said = run("ledger")
    assert code == 0 and row["job_id"] in said, said


def test_a_model_that_cannot_be_called_from_here_is_said(run):
    said = run("embeddings", line='model = "openai_compatible:mine"')[1]
    assert "has no key or address" in said


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        (("activate",), BadInput, "need the name of a space"),
        (("list", "x"), BadInput, "take none"),
        (("start",), BadInput, "Say why"),
        (("activate", "lexical-1"), BadInput, "Say why"),
        (("retire", "lexical-1", "--because", " "), BadInput, "Say why"),
        (("activate", "x", *WHY), NotFound, "there are: lexical-1"),
        (("retire", "lexical-1", *WHY), Conflict, "activate another space first"),
    ],
)
def test_a_call_that_is_wrong_says_what_is_allowed(run, words, error, said):
    with pytest.raises(error) as caught:
        run("embeddings", *words)
    assert said in caught.value.detail


def test_production_does_not_start_with_a_model_that_nobody_can_call(run, monkeypatch):
    from app.errors import CannotStart
    from app.llm import catalog
    from app.settings import Settings
    from app.wiring.embedding import ensure_reached

    run("embeddings", line='model = "openai_compatible:mine"')
    settings = Settings(_env_file=None)
    with pytest.raises(CannotStart, match="set OPENAI_COMPATIBLE_BASE_URL for it"):
        ensure_reached(catalog.parse(settings.config("models")), settings)
