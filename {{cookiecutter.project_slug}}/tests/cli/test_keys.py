"""`app keys`, as an operator uses it: a key is printed alone, once; each change asks why."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app.cli import keys
from app.cli import session as cli_session
from app.control.keys import Keys
from app.errors import AppError, Conflict, Unauthenticated
from app.settings import Settings
from app.wiring.service import build
from tests.accounts import config_with_accounts
from tests.conftest import make_settings

pytestmark = pytest.mark.proves("SEC-2", "INT-2")


@pytest.fixture
def settings(database_url: str, redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = make_settings(database_url, redis_url, config_dir=config_with_accounts(tmp_path))
    monkeypatch.setattr(cli_session, "load", lambda: made)
    return made


def run(*words: str) -> str:
    """Run the command; gives standard output, raises what it raises."""
    app = typer.Typer()
    keys.register(app)
    app.callback()(lambda: None)
    done = CliRunner().invoke(app, ["keys", *words])
    if isinstance(done.exception, AppError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def account_of(settings: Settings, key: str) -> Any:
    async def look() -> Any:
        service = build(settings)
        try:
            return await Keys(service.database, service.people).principal(key)
        finally:
            await service.stop()

    return asyncio.run(look())


def test_a_key_is_made_listed_rotated_and_revoked(settings: Settings) -> None:
    words = ("--account", "crm", "--usecase", "handbook", "--permission", "turns.ask", "--because", "ticket 4711")
    key = run("make", "CRM plug-in", *words).strip()
    assert re.fullmatch(r"appkey_[0-9a-f]{12}_[\w-]{43}", key), "nothing else is on standard output"
    key_id = key.split("_")[1]
    who = account_of(settings, key)
    assert who.user_id == "service:crm" and who.key_id == key_id and not who.may_use("cached")
    listed = run("list")
    assert key_id in listed and "CRM plug-in" in listed and "turns.ask; handbook" in listed and key not in listed

    new = run("rotate", key_id, "--overlap-hours", "1", "--because", "every quarter").strip()
    assert account_of(settings, new).user_id == account_of(settings, key).user_id == "service:crm"
    assert "replaced" in run("list")
    assert "is revoked" in run("revoke", key_id, "--because", "it leaked")
    with pytest.raises(Unauthenticated):
        account_of(settings, key)
    with pytest.raises(Conflict):
        run("revoke", key_id, "--because", "again")


def test_a_key_is_not_made_without_a_reason(settings: Settings) -> None:
    assert settings.config_dir.is_dir()
    with pytest.raises(AppError, match="Say why"):
        run("make", "x", "--account", "crm", "--because", " ")
    with pytest.raises(AppError, match="there are: crm"):
        run("make", "x", "--account", "nobody", "--because", "to see")
