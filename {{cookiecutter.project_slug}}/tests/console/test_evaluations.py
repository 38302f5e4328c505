"""Evaluations, readiness and settings: pages that look back at what was measured and set."""

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from app.console.evaluations import trend
from app.evaluation.readiness import requirements
from app.settings import Settings
from app.store import quality
from app.wiring.in_force import settings_in_force
from app.wiring.service import Service
from tests.conftest import SECRET
from tests.console.conftest import Seen

SECRET_ANSWER = "The chief executive is paid 285,000"


def report(*, passed: int, total: int = 4) -> dict[str, Any]:
    results = [
        {
            "case": f"case-{place}", "passed": place < passed, "scores": {"mentions": place < passed, "cites": True},
            "outcome": "answered_model", "rung": "extractive", "answer": SECRET_ANSWER, "latency_ms": 12.0,
            "tags": ["leave"], "revision": "r1",
        }
        for place in range(total)
    ]  # fmt: skip
    rate = passed / total
    numbers = {"passed": passed, "total": total, "pass_rate": rate, "low": rate / 2, "high": min(1, rate * 1.2)}
    named = {"usecase": "handbook", "revision": "r1", "threshold": 0.9, "good": rate >= 0.9, "rungs": {"extractive": 4}}
    return {**numbers, **named, "by_tag": {"leave": [passed, total]}, "results": results, "unmeasured": []}


@pytest.fixture
async def runs(service: Service) -> None:
    """Two runs of the handbook, the newer one below what its contract promises."""
    for passed in (4, 3):
        async with service.database.work() as work:
            await quality.keep(work, report(passed=passed), commit="abc1234")


def test_the_trend_is_told_in_utc_whatever_the_zone_of_the_database() -> None:
    at = datetime(2026, 4, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    run = {"at": at, "pass_rate": 0.9, "low": 0.8, "high": 1.0, "threshold": 0.9}
    assert trend([run]).rows[0][0] == "31 Mar 23:30"


@pytest.mark.usefixtures("runs")
async def test_the_newest_run_and_the_trend_are_shown(client: httpx2.AsyncClient, seen: Seen) -> None:
    every = (await client.get("/console/evaluations", headers=seen("hana.lind"))).text
    assert "3 of 4" in every and "below" in every and "Never measured" in every
    one = (await client.get("/console/evaluations?usecase=handbook", headers=seen("hana.lind"))).text
    assert 'class="line c0"' in one and 'class="band c0"' in one and 'class="limit"' in one
    assert "75 %" in one and "100 %" in one and "Never measured" not in one


@pytest.mark.usefixtures("runs")
async def test_one_run_names_the_cases_that_failed_and_quotes_nothing(client: httpx2.AsyncClient, seen: Seen) -> None:
    every = (await client.get("/console/evaluations", headers=seen("hana.lind"))).text
    address = every.split('href="/console/evaluations/')[1].split('"')[0]
    text = (await client.get(f"/console/evaluations/{address}", headers=seen("hana.lind"))).text
    assert "case-3" in text and "mentions" in text and "3/4" in text
    assert SECRET_ANSWER not in text, "an answer may quote what this person may not read"
    assert (await client.get(f"/console/evaluations/{uuid4()}", headers=seen("hana.lind"))).status_code == 404


async def test_readiness_shows_every_requirement_with_its_evidence(
    client: httpx2.AsyncClient, seen: Seen, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evidence").mkdir()
    proofs = {"OPS-1": {"tests/x.py::test_ran": "passed"}, "CTL-1": {"tests/x.py::test_broke": "failed"}}
    run = {"at": "2026-11-17T14:00:00", "commit": "abc", "proofs": proofs}
    (tmp_path / "evidence" / "tests-1.json").write_text(json.dumps(run))
    monkeypatch.setattr(service.settings, "local_dir", tmp_path)
    text = (await client.get("/console/readiness", headers=seen("olga.petrov"))).text
    assert not [each.id for each in requirements() if f'id="{each.id}"' not in text]
    assert "test_ran" in text and "test_broke" in text and "broken" in text
    monkeypatch.setattr(service.settings, "local_dir", tmp_path / "nowhere")
    assert "No evidence lies" in (await client.get("/console/readiness", headers=seen("olga.petrov"))).text


async def test_settings_are_shown_to_operators_and_no_secret_is(
    client: httpx2.AsyncClient, seen: Seen, service: Service
) -> None:
    text = (await client.get("/console/settings", headers=seen("olga.petrov"))).text
    assert "APP_FLAGS_POLL_S" in text and "0.5" in text and "roles.toml" in text
    assert SECRET not in text and "set (hidden)" in text
    assert not [row.variable for row in settings_in_force(service.settings) if row.variable not in text]
    refused = await client.get("/console/settings", headers=seen("hana.lind"))
    assert refused.status_code == 403 and "settings.read" in refused.text


def test_a_password_within_an_address_is_hidden() -> None:
    given = {"database_url": "postgresql://u:pw1@h/db?password=pw2", "redis_url": "rediss://:pw3@h:1/0"}
    shown = {row.variable: row.value for row in settings_in_force(Settings(_env_file=None, **given))}  # type: ignore[arg-type]
    assert shown["DATABASE_URL"] == "postgresql://u:hidden@h/db?hidden"
    assert shown["REDIS_URL"] == "rediss://:hidden@h:1/0"


def test_every_setting_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("APP_PORT", "8123")
    rows = {row.variable: row for row in settings_in_force(Settings(_env_file=None, pool_size=3))}
    assert (rows["APP_PORT"].value, rows["APP_PORT"].source) == ("8123", "environment")
    assert rows["APP_POOL_SIZE"].source == "start"
    assert rows["APP_HOST"].source == "default" and rows["APP_HOST"].is_default
    assert rows["OPENAI_API_KEY"].value == "not set"
