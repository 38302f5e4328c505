"""`app people` and `app retention`, as a data protection officer and an operator use them."""

import json
from dataclasses import replace
from uuid import uuid4

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from app.cli import people
from app.errors import BadInput, Held
from app.settings import ROOT
from app.work.named_cases import naming
from tests.conftest import SECRET

PERSON = "sam.reyes"


@pytest.fixture
def run(database_copy, redis_url, monkeypatch):
    """Run a command in this process, over a database of its own; gives its exit code and what it printed."""
    known = {
        "DATABASE_URL": database_copy,
        "REDIS_URL": redis_url,
        "APP_SECRET_KEY": SECRET,
        "APP_USECASES_DIR": str(ROOT / "tests" / "samples"),
        "COLUMNS": "200",
    }
    for name, value in known.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    people.register(app)

    def made(*words):
        done = CliRunner().invoke(app, words, catch_exceptions=False)
        return done.exit_code, done.stdout

    return made


@pytest.mark.proves("SEC-11")
def test_an_officer_holds_releases_exports_erases_and_proves_it(run, database_copy, tmp_path):
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute("INSERT INTO sessions (id, usecase, user_id) VALUES (%s, 'handbook', %s)", (uuid4(), PERSON))
    because = ("--because", "request 17")
    code, said = run("people", "hold", PERSON, *because, "--told", "a court asked for it")
    assert code == 0
    erase = ("people", "erase", PERSON, "--confirm", PERSON, *because)
    with pytest.raises(Held, match="a court asked for it"):
        run(*erase)
    assert "request 17" in run("people", "holds")[1]
    assert run("people", "release", said.split()[-1], *because)[0] == 0
    file = tmp_path / "person.json"
    assert run("people", "export", PERSON, "--to", str(file), *because)[0] == 0
    assert len(json.loads(file.read_text())["sessions"]) == 1 and file.stat().st_mode & 0o777 == 0o600
    code, said = run(*erase)
    assert code == 0 and '"sessions": 1' in said and "in the audit" in said
    assert run("people", "certificate", PERSON)[0] == 0
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute("UPDATE erasures SET certificate = jsonb_set(certificate, '{erased,sessions}', '9')")
    assert run("people", "certificate", PERSON)[0] == 1


def test_what_is_due_is_shown_and_deleted_on_demand(run, database_copy):
    with psycopg.connect(database_copy, autocommit=True) as owner:
        owner.execute(
            "INSERT INTO uploads (id, user_id, filename, media_type, content, created_at)"
            " VALUES (%s, 'x', 'a', 'b', 'c', now() - interval '9 days')",
            (uuid4(),),
        )
    assert "uploads" in run("retention")[1]
    assert "uploads" in run("retention", "--run")[1]
    assert "nothing is due" in run("retention")[1]


@pytest.mark.parametrize(
    "words",
    [
        ("erase", PERSON, "--because", "x"),
        ("erase", PERSON, "--confirm", PERSON),
        ("export", PERSON),
        ("export",),
        ("hold", "--because", "x"),
        ("release", "7", "--because", "x"),
    ],
)
def test_a_command_without_reason_or_confirmation_does_nothing(run, words):
    with pytest.raises(BadInput):
        run("people", *words)


@pytest.mark.proves("SEC-11")
def test_the_cases_that_name_a_person_are_listed_and_taken_out(run, monkeypatch, tmp_path):
    file = tmp_path / "evals" / "cases.yaml"
    file.parent.mkdir()
    file.write_text(f"cases:\n  - id: hers\n    as: {PERSON}\n  - id: his\n    as: olga.petrov\n")
    # A use case lives in the repository, which a test leaves as it is.
    moved = lambda usecases: {"handbook": replace(usecases["handbook"], folder=tmp_path)}  # noqa: E731
    monkeypatch.setattr(people, "naming", lambda usecases, person: naming(moved(usecases), person))
    assert run("people", "cases", PERSON) == (0, "usecases/handbook/evals/cases.yaml:2 hers\n")
    assert "hers: taken out" in run("people", "remove-cases", PERSON)[1]
    assert file.read_text() == "cases:\n  - id: his\n    as: olga.petrov\n"
    assert run("people", "cases", PERSON) == (0, f"no evaluation case names {PERSON}\n")
