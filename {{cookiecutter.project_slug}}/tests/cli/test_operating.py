"""`app pause`, `app resume` and `app flags`, as an operator calls them on the machine of a service."""

import psycopg
import pytest
import typer
from typer.testing import CliRunner

from app.cli import operating as commands
from app.errors import AppError
from app.settings import ROOT
from tests.conftest import SECRET


@pytest.fixture
def run(database_copy, redis_url, monkeypatch):
    """Call a command over a database of its own; gives what it printed, or the error that it ended with."""
    env = {"DATABASE_URL": database_copy, "REDIS_URL": redis_url, "APP_SECRET_KEY": SECRET, "COLUMNS": "300"}
    for name, value in {**env, "APP_USECASES_DIR": str(ROOT / "tests/samples")}.items():
        monkeypatch.setenv(name, value)
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)

    def called(*words):
        ended = CliRunner().invoke(app, words)
        return ended.exception if isinstance(ended.exception, AppError) else ended.stdout

    return called


@pytest.mark.proves("CTL-1")
def test_pause_resume_and_the_history_of_both(run, database_copy):
    assert "usecase.handbook.enabled is off until" in run("pause", "handbook", "--because", "wrong", "--minutes", "30")
    shown = run("flags")
    line = next(line for line in shown.splitlines() if "usecase.handbook.enabled" in line)
    assert "off" in line and "wrong" in line and "UTC" in line
    assert "is on; the reason" in run("resume", "handbook", "--because", "right again")
    told = run("flags", "usecase.handbook.enabled")
    assert "wrong" in told and "right again" in told and "config/flags.toml" in told
    with psycopg.connect(database_copy) as opened:
        rows = opened.execute("SELECT actor, reason FROM flag_history WHERE version > 1 ORDER BY version").fetchall()
    assert [reason for _, reason in rows] == ["wrong", "right again"] and rows[0][0].startswith("cli:")


def test_a_model_a_group_and_nonsense(run):
    assert "group.sales.enabled is off" in run("pause", "group:sales", "--because", "they asked for it")
    refused = run("pause", "group:moon", "--because", "x")
    assert "there are: ai" in refused.detail and "group:sales" in refused.detail


def test_another_variant_and_the_way_back(run):
    assert "ai.enabled is changed" in run("flags", "ai.enabled", "--to", "off", "--because", "by its variant")
    assert "off" in next(line for line in run("flags").splitlines() if "ai.enabled" in line)
    assert "ai.enabled is changed" in run("flags", "ai.enabled", "--undo", "--because", "it was nothing")
    assert "by its variant" not in run("flags")
    assert "has no variant" in run("flags", "ai.enabled", "--to", "purple", "--because", "x").detail
    assert "no flag" in run("flags", "moon").detail
    assert "Say why" in run("flags", "ai.enabled", "--to", "off").detail
    assert "Name the flag" in run("flags", "--undo").detail


def test_a_day_of_review_is_moved_with_a_reason_and_stands_in_the_history(run, database_copy):
    assert "to be looked at again" in run("flags", "ai.enabled", "--review-by", "2098-01-31", "--because", "asked Ada")
    assert "to be reviewed by 2098-01-31: asked Ada" in run("flags", "ai.enabled")
    with psycopg.connect(database_copy) as opened:
        (row,) = opened.execute("SELECT expires_on::text, version FROM flags WHERE key = 'ai.enabled'").fetchall()
    assert row == ("2098-01-31", 2)
    assert "has passed" in run("flags", "ai.enabled", "--review-by", "2020-01-31", "--because", "x").detail
