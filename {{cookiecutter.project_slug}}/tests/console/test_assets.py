"""Style sheet, scripts, and the words that pages use."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import httpx2
import pytest

from app.console import assets, words
from app.console.charts import outcome_bars, step_bars
from app.console.html import duration, money, when
from app.domain.outcome import Outcome


async def test_a_file_asked_for_by_its_hash_is_kept_for_ever(client: httpx2.AsyncClient) -> None:
    response = await client.get(assets.address("app.css"))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/css")
    assert "immutable" in response.headers["cache-control"]


async def test_a_file_without_its_hash_is_asked_for_again(client: httpx2.AsyncClient) -> None:
    first = await client.get("/static/dom.js")
    assert first.headers["cache-control"] == "no-cache"
    second = await client.get("/static/dom.js", headers={"If-None-Match": first.headers["etag"]})
    assert (second.status_code, second.content) == (304, b"")


@pytest.mark.parametrize("name", ["nothing.css", "..%2Fpages.py", "%2e%2e", "pages.py"])
async def test_nothing_else_can_be_read(client: httpx2.AsyncClient, name: str) -> None:
    assert (await client.get(f"/static/{name}")).status_code == 404


def test_every_script_that_is_imported_is_there() -> None:
    for name, asset in assets.ASSETS.items():
        for imported in re.findall(r'(?:from|import) "\./([\w.]+)"', asset.body.decode()):
            assert imported in assets.ASSETS, f"{name} imports {imported}"


def test_no_script_turns_text_into_html() -> None:
    for name, asset in assets.ASSETS.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", asset.body.decode()), (
            name
        )


def test_every_outcome_has_words() -> None:
    assert set(words.OUTCOMES) == set(Outcome)
    assert words.told("from_a_later_version") == "from_a_later_version"


def test_numbers_are_rounded_for_people() -> None:
    assert [money(Decimal(0)), money(Decimal("0.00042")), money(Decimal("12.5")), money(None)] == [
        "$0.00", "$0.00042", "$12.50", "unpriced",
    ]  # fmt: skip
    assert [duration(0.25), duration(63.7), duration(1500)] == ["0.2 ms", "64 ms", "1.50 s"]
    assert [duration(0), duration(0.03), duration(0.06), duration(None)] == ["0 ms", "0 ms", "0.1 ms", "—"]
    assert when(datetime(2026, 4, 1, 9, 30, tzinfo=UTC)) == "2026-04-01 09:30:00 UTC"


def test_bars_are_shares_of_the_longest() -> None:
    bars = outcome_bars({"refused_rate": 1, "answered_model": 400})
    assert [(bar.label, bar.family, bar.length) for bar in bars] == [
        ("Answered", "answered", 100),
        ("Too many", "refused", 1),
    ]
    assert outcome_bars({}) == []


def test_steps_lie_end_to_end() -> None:
    steps = step_bars([{"step": "admit", "ms": 25.0}, {"step": "answer", "ms": 75.0}])
    assert [(bar.start, bar.length) for bar in steps] == [(0, 25), (25, 75)]
