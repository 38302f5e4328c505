"""`app review` and `app reviews`, as somebody at the machine's terminal uses them."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar
from uuid import UUID, uuid4

import pytest
import typer
from typer.testing import CliRunner

from app.cli import reviews
from app.cli import session as cli_session
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.review import Terms
from app.domain.turn import Turn
from app.errors import AppError, BadInput, Conflict, Forbidden
from app.settings import Settings
from app.store import ledger
from app.store import reviews as table
from app.wiring.service import Service, build
from tests.conftest import make_settings

T = TypeVar("T")


@pytest.fixture
def settings(database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    made = make_settings(database_url, redis_url)
    monkeypatch.setattr(cli_session, "load", lambda: made)
    return made


def run(*words: str) -> str:
    """Run the command; gives standard output, raises what it raises."""
    app = typer.Typer()
    reviews.register(app)
    app.callback()(lambda: None)
    done = CliRunner().invoke(app, list(words))
    if isinstance(done.exception, AppError):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def inside(settings: Settings, work: Callable[[Service], Awaitable[T]]) -> T:
    async def look() -> T:
        service = build(settings)
        try:
            return await work(service)
        finally:
            await service.stop()

    return asyncio.run(look())


@pytest.fixture
def waiting(settings: Settings) -> UUID:
    """An advice that waits, for a question of sam.reyes."""

    async def open_(service: Service) -> UUID:
        asked = Turn(usecase=service.usecases["triage"], principal=Principal("sam.reyes"), question="Late invoice")
        await ledger.end(service.database, asked.with_(outcome=Outcome.ESCALATED_REVIEW), None)
        about = table.Opening(
            turn_id=asked.id,
            usecase="triage",
            asker="sam.reyes",
            question=f"Late invoice {uuid4().hex[:8]}",
            why="a person decides",
            text="We look into it.",
            terms=Terms("advise", 1, 1),
        )
        async with service.database.work() as work:
            return await table.open_(work, about)

    return inside(settings, open_)


@pytest.mark.proves("CTL-4", "REL-2")
def test_a_review_is_listed_shown_taken_handed_out_decided_and_taken_back(
    waiting: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = str(waiting)
    assert id in run("review") and id in run("reviews", "list", "--kind", "advise")
    assert id not in run("reviews", "list", "--overdue")
    assert json.loads(run("reviews", "show", id))["draft"] == "We look into it."
    assert "yours until" in run("reviews", "take", id)
    assert "given back" in run("reviews", "release", id)
    assert "hana.lind, priority 2" in run(
        "reviews", "assign", id, "--to", "hana.lind", "--priority", "2", "--because", "she knows"
    )
    with pytest.raises(Conflict, match=r"given to hana\.lind"):
        run("review", id, "--approve", "--because", "it is right")
    assert "anybody" in run("reviews", "assign", id, "--to", "", "--because", "she is away")
    said = run("review", id, "--approve", "--because", "it is right", "--text", "We are on it.", "--note", "Soon.")
    assert "put forward" in said
    with pytest.raises(Forbidden, match="You wrote"):
        run("review", id, "--approve", "--because", "it is right")
    monkeypatch.setattr(reviews, "operator", lambda: "cli:somebody.else")
    shown = run("review", id)
    assert "draft: We are on it." in shown and "put forward by: " in shown
    assert "approved: We are on it." in run("review", id, "--approve", "--because", "it is right")
    assert id in run("reviews", "list", "--status", "approved")
    assert "waits" in run("reviews", "reopen", id, "--because", "too early")
    assert "rejected" in run("review", id, "--reject", "--because", "wrong team")


@pytest.mark.proves("CTL-4")
def test_what_tools_would_do_is_approved_by_the_digest_of_what_was_shown(settings: Settings, waiting: UUID) -> None:
    async def propose(service: Service) -> None:
        async with service.database.work() as work:
            uses = [{"tool": "pay_back", "arguments": {"usd": "40.00"}}]
            await table.propose(work, waiting, table.Proposed(uses))

    inside(settings, propose)
    id = str(waiting)
    shown = run("review", id)
    assert 'would do: pay_back({"usd": "40.00"}): waits' in shown
    (digest,) = re.findall(r"digest: ([0-9a-f]{64})", shown)
    with pytest.raises(BadInput, match="app review REVIEW_ID"):
        run("review", id, "--approve", "--because", "it is right")
    with pytest.raises(Conflict, match="changed since you looked"):
        run("review", id, "--approve", "--because", "it is right", "--seen", "0" * 64)
    assert "pay_back" in run("review", id, "--approve", "--because", "it is right", "--seen", digest)


def test_a_decision_without_a_reason_is_refused(waiting: UUID) -> None:
    with pytest.raises(AppError, match="Say why"):
        run("review", str(waiting), "--reject")
