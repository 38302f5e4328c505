"""The first page: what it counts, what it compares with the contract, and for whom."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from html import unescape
from types import SimpleNamespace
from typing import Any
from uuid import uuid4
from weakref import WeakKeyDictionary

import httpx2
import pytest

from app.console import kept, overview
from app.console.overview import Budget
from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Turn
from app.store import ledger, traffic
from app.store.traffic import Span, by_slot
from app.wiring.service import Service
from tests.console.conftest import Ask, Seen

SPAN = Span(24, 3600, datetime(2026, 11, 17, 14, 30, tzinfo=UTC))


async def put(service: Service, outcome: Outcome, *, channel: str = "api") -> None:
    """Write a turn of now that ended so."""
    asked = Turn(usecase=service.usecases["handbook"], principal=Principal("tom.becker"), question="?", channel=channel)
    await ledger.end(service.database, asked.with_(outcome=outcome), None)


def test_slots_end_with_the_one_that_is_going_on() -> None:
    starts = SPAN.starts
    assert (len(starts), starts[0], starts[-1]) == (
        24, datetime(2026, 11, 16, 15, tzinfo=UTC), datetime(2026, 11, 17, 14, tzinfo=UTC),
    )  # fmt: skip
    rows = by_slot(SPAN, [{"slot": SPAN.first + 23, "n": 1}])
    assert rows[-1] == {"slot": SPAN.first + 23, "n": 1} and rows[0] is None


@pytest.mark.parametrize(
    ("failed", "turns", "left", "tone"),
    [
        (0, 1000, 1.0, "full"),
        (1, 2000, 0.5, "full"),
        (9, 10_000, 0.1, "low"),
        (10, 10_000, 0.0, "gone"),
        (0, 0, 1, "full"),
    ],
)
def test_the_error_budget_is_what_the_contract_still_allows(failed: int, turns: int, left: float, tone: str) -> None:
    budget = Budget(failed, turns, 0.999)
    assert budget.left == pytest.approx(left, abs=1e-9)
    assert 0 <= budget.width <= 100
    if left:
        assert budget.tone == tone


async def test_every_family_of_outcomes_is_drawn_where_it_belongs(service: Service) -> None:
    before = await counted(service)
    await put(service, Outcome.FAILED_TIMEOUT)
    await put(service, Outcome.REFUSED_CHECK)
    await put(service, Outcome.FAILED_TIMEOUT, channel="evaluation")
    after = await counted(service)
    assert after.get("failed_timeout", 0) == before.get("failed_timeout", 0) + 1, "evaluations are nobody's questions"
    assert after.get("refused_check", 0) == before.get("refused_check", 0) + 1


async def counted(service: Service) -> dict[str, int]:
    async with service.database.work() as work:
        rows = await traffic.outcomes(work, Span(24, 3600, datetime.now(UTC), "handbook"))
    return {row["outcome"]: row["turns"] for row in rows}


async def test_a_slow_hour_is_seen_beside_what_the_contract_promises(service: Service) -> None:
    span = Span(2, 3600, SPAN.now)
    case: Any = SimpleNamespace(
        contract=SimpleNamespace(latency=SimpleNamespace(p95_ms=2000), availability=SimpleNamespace(slo=0.999))
    )
    drawn = overview._speed(span, [{"slot": span.first + 1, "p50_ms": 10.0, "p95_ms": 4000.0}], case)
    assert drawn.limit_told == "2.00 s" and drawn.rows[1][1:] == ["10 ms", "4.00 s"] and drawn.rows[0][1:] == ["—", "—"]
    ended = [
        {"slot": span.first, "outcome": "failed_timeout", "turns": 1},
        {"slot": span.first, "outcome": "answered_model", "turns": 3},
    ]
    assert overview._failed(span, ended, case).rows[0] == ["13:00", "25 %"]


def test_opinions_held_back_answers_and_money_are_drawn_in_the_hour_they_belong_to() -> None:
    span = Span(3, 3600, SPAN.now)
    ended = [
        {"slot": span.first, "outcome": "refused_check", "turns": 1, "cost_usd": Decimal("0.25")},
        {"slot": span.first, "outcome": "answered_model", "turns": 3, "cost_usd": Decimal("1.50")},
        {"slot": span.first + 2, "outcome": "answered_model", "turns": 2, "cost_usd": Decimal("0.004")},
        {"slot": span.first - 1, "outcome": "answered_model", "turns": 9, "cost_usd": Decimal(99)},
    ]
    liked = overview._liked(span, ended, [{"slot": span.first + 2, "up": 3, "said": 4}])
    assert liked.rows == [["12:00", "—", "75 %"], ["13:00", "—", "—"], ["14:00", "75 %", "100 %"]]
    assert overview._cost(span, ended).rows == [["12:00", "$1.75"], ["13:00", "$0.00"], ["14:00", "$0.004"]]


async def test_what_is_left_of_the_error_budget_stands_on_the_page(
    client: httpx2.AsyncClient, seen: Seen, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failures(work: object, *, days: int) -> dict[str, tuple[int, int]]:
        return {"handbook": (9, 10_000), "triage": (500, 1000)}

    monkeypatch.setattr(traffic, "failures", failures)
    monkeypatch.setattr(kept, "_PLACES", WeakKeyDictionary())
    text = (await client.get("/console", headers=seen("olga.petrov"))).text
    _, _, handbook = text.partition("<small>handbook</small>")
    _, _, triage = text.partition("<small>triage</small>")
    # The handbook's contract lets 0.1 % fail: of the 10 in ten thousand 9 are gone. Triage has used up far more.
    assert re.search(r'<td>10 % <span class="muted small">of 0\.1 %</span>.*?class="low" width="10\.0"', handbook)
    assert re.search(r"<td>used up <span", triage.partition("</tr>")[0])


@pytest.mark.parametrize("hours", [1, 24, 168, 720, 5])
async def test_each_span_is_shown(client: httpx2.AsyncClient, seen: Seen, ask: Ask, hours: int) -> None:
    await ask("sam.reyes", "How many days of annual leave do employees have?")
    text = (await client.get(f"/console?hours={hours}", headers=seen("olga.petrov"))).text
    drawn = re.findall(r"<figcaption><strong>([^<]+)", text)
    assert drawn == ["Turns", "Time to the answer", "Share of turns that failed", "Quality", "Cost"]
    assert "No turn yet" not in text


async def test_one_use_case_is_looked_at_alone(client: httpx2.AsyncClient, seen: Seen, ask: Ask) -> None:
    await ask("sam.reyes", "How many days of annual leave do employees have?")
    text = (await client.get("/console?usecase=handbook", headers=seen("olga.petrov"))).text
    assert 'class="limit"' in text, "the contract's promise is drawn"
    unknown = await client.get(f"/console?usecase={uuid4()}", headers=seen("olga.petrov"))
    assert unknown.status_code == 200
    assert (await client.get("/console?hours=x", headers=seen("olga.petrov"))).status_code == 422


async def test_money_is_shown_to_those_alone_who_may_see_it(client: httpx2.AsyncClient, seen: Seen) -> None:
    reviewer = (await client.get("/console", headers=seen("hana.lind"))).text
    assert "Cost" not in reviewer and "US dollars" not in reviewer
    assert "<strong>Cost</strong>" in (await client.get("/console", headers=seen("olga.petrov"))).text


@pytest.mark.proves("OPS-1")
async def test_the_owners_of_each_use_case_are_named(client: httpx2.AsyncClient, seen: Seen, service: Service) -> None:
    text = unescape((await client.get("/console", headers=seen("hana.lind"))).text)
    for case in service.usecases.values():
        _, _, part = text.partition(f'Owners<span class="hidden"> of {case.contract.title}</span>')
        told = re.findall(r"<li>([^:<]+): ([^<]+)</li>", part.partition("</details>")[0])
        owners = case.contract.owners
        assert told[:2] == [("on call", owners.on_call), ("then", owners.escalation)], case.name
        assert {who for _, who in told[2:]} == {owners.workflow, owners.prompt, owners.cost}


async def test_progress_of_jobs_does_not_have_the_first_page_counted_anew(
    client: httpx2.AsyncClient, seen: Seen
) -> None:
    text = (await client.get("/console", headers=seen("olga.petrov"))).text
    (part,) = re.findall(r'<div id="figures"[^>]*>', text)
    # Each step of each job moves that topic, and a month of turns is behind every look.
    assert 'data-live="flags"' in part and 'data-every="30"' in part
