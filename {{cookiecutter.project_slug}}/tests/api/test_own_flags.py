"""A flag of one's own reaches the code of a use case: what an operator sets changes the next answer."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from structlog.testing import capture_logs

from app.sdk import Draft, Kit, Outcome, Turn
from app.wiring.service import Service

Headers = dict[str, str]
As = Callable[[str], Headers]
SHORT = {"state": "ENABLED", "variants": {"short": "Hi", "long": "Good morning"}, "defaultVariant": "short"}
# Whoever is in the group `sales` is greeted at length.
BY_GROUP = {**SHORT, "targeting": {"if": [{"in": ["sales", {"var": "groups"}]}, "long", "short"]}}


@pytest.fixture
def key(service: Service) -> Iterator[str]:
    """The sample `slow` answers with what this flag says."""
    key, cases = f"greeting.{uuid4().hex[:8]}", service.usecases
    known = cases["slow"]

    async def greet(turn: Turn, kit: Kit) -> Draft:
        text = f"{kit.flag(key, 'Hello')} {kit.flag(key, 3)}"
        return Draft(text=text, rung="rules", outcome=Outcome.ANSWERED_RULES)

    mutable: Any = cases
    mutable["slow"] = replace(known, workflow=greet)
    yield key
    mutable["slow"] = known


async def answer(client: httpx2.AsyncClient, who: Headers) -> str:
    response = await client.post("/v1/usecases/slow/turns", json={"question": "1 word"}, headers=who)
    assert response.status_code == 200, response.text
    return str(response.json()["answer"])


@pytest.mark.proves("CTL-1")
async def test_a_workflow_answers_by_a_flag_and_a_change_of_it_changes_the_next_answer(
    client: httpx2.AsyncClient, as_: As, service: Service, key: str
) -> None:
    sam, hana, operator = as_("sam.reyes"), as_("hana.lind"), as_("olga.petrov")
    with capture_logs() as logged:
        assert [await answer(client, sam) for _ in range(2)] == ["Hello 3"] * 2
    why = [one["why"] for one in logged if one["event"] == "flag.has_default" and one["key"] == key]
    assert why == ["there is no such flag"], "said once"
    await service.flags.define(key, owner="ada", expires_on=date(2099, 1, 1), definition=SHORT)
    assert await answer(client, sam) == "Hi 3", "a number is not what it holds"
    for definition, told in (
        ({**SHORT, "defaultVariant": "long"}, ("Good morning 3",) * 2),
        (
            BY_GROUP,
            ("Good morning 3", "Hi 3"),
        ),
    ):
        body = {"key": key, "definition": definition, "reason": "a test"}
        assert (await client.put("/v1/admin/flags", json=body, headers=operator)).status_code == 204
        assert (await answer(client, sam), await answer(client, hana)) == told
