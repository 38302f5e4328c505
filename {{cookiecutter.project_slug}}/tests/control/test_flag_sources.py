"""Flags that live at a server which speaks OFREP: read here, turned there."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from app.control.flag_sources import Ofrep
from app.control.flags import switch_definition
from app.domain.switch import switch_key
from app.errors import Conflict, DependencyDown
from tests.control.flag_ground import BY, Ground, ground, until
from tests.fakes import flag_server

ON, OFF = switch_definition(enabled=True), switch_definition(enabled=False)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[str, flag_server.State]]:
    """Run a flag server in a thread; gives its address and its state."""
    with flag_server.running() as found:
        yield found


@pytest.fixture
def there(served: tuple[str, flag_server.State]) -> flag_server.State:
    """The server's state, with the switch that there must be."""
    state = served[1]
    state.__init__()  # type: ignore[misc]
    state.flags = {switch_key("ai"): ON}
    return state


@pytest.fixture
async def land(database_copy: str, redis_url: str) -> AsyncIterator[Ground]:
    async with ground(database_copy, redis_url) as made:
        yield made


@pytest.mark.proves("CTL-1")
@pytest.mark.parametrize("scheme", ["flagd", "http"])
async def test_what_is_turned_there_stops_turns_here_within_the_poll(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State, scheme: str
) -> None:
    flags = await land.flags(source=Ofrep(f"{scheme}://{served[0]}"))
    assert not flags.why_paused("handbook") and flags.where == f"{scheme}://{served[0]}"
    there.flags[switch_key("handbook")] = {**OFF, "metadata": {"reason": "wrong prices", "changed_by": "olga"}}
    async with asyncio.timeout(30):
        found = await flags.until_paused("handbook")
    assert found.told == "wrong prices (olga)" and not flags.why_paused("triage")
    there.flags[switch_key("handbook")] = ON
    await until(lambda: not flags.why_paused("handbook"))


async def test_flags_are_evaluated_there_in_every_type(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    there.flags |= {
        "greeting": {"state": "ENABLED", "variants": {"a": "Hi"}, "defaultVariant": "a"},
        "most": {"state": "ENABLED", "variants": {"a": 3}, "defaultVariant": "a"},
        "shape": {"state": "ENABLED", "variants": {"a": {"b": 1}}, "defaultVariant": "a"},
    }
    flags = await land.flags(source=Ofrep(f"http://{served[0]}"))
    assert flags.value("greeting", "") == "Hi" and flags.value("shape", {}) == {"b": 1}
    assert flags.value("most", 0.0) == 3.0
    assert {row["key"]: row["kind"] for row in flags.rows}["shape"] == "object"


async def test_nothing_new_costs_no_body(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    await land.flags(source=Ofrep(f"http://{served[0]}"))
    await until(lambda: there.unchanged >= 2)
    assert there.told == 1


async def test_a_server_that_is_away_leaves_the_last_known_values(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    there.flags[switch_key("handbook")] = OFF
    flags = await land.flags(source=Ofrep(f"http://{served[0]}"))
    there.is_away = True
    await until(lambda: flags.age_s > 1)
    assert flags.why_paused("handbook") and not flags.why_paused("triage")
    with pytest.raises(DependencyDown, match=served[0]):
        await flags.refresh()


async def test_unknown_at_the_start_and_unknown_there_are_both_paused(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    there.is_away = True
    flags = await land.flags(source=Ofrep(f"http://{served[0]}"))
    assert flags.why_paused("handbook")
    there.flags, there.is_away = {"other": ON}, False
    await until(lambda: flags.rows)
    assert "ai.enabled" in flags.why_paused("handbook")


async def test_a_flag_that_cannot_be_evaluated_there_keeps_its_value(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    there.flags[switch_key("handbook")] = OFF
    flags = await land.flags(source=Ofrep(f"http://{served[0]}"))
    there.flags[switch_key("handbook")] = {**OFF, "targeting": {"if": [True, "neither"]}}
    there.flags["new"] = ON
    await until(lambda: flags.is_on("new", default=False))
    assert flags.why_paused("handbook")


async def test_turning_one_here_is_refused_with_where_to_turn_it(
    land: Ground, served: tuple[str, flag_server.State], there: flag_server.State
) -> None:
    flags = await land.flags(source=Ofrep(f"http://{served[0]}"))
    changes: list[Any] = [
        flags.flip("ai", enabled=False, **BY),
        flags.set("ai.enabled", OFF, **BY),
        flags.undo("ai.enabled", version=1, **BY),
    ]
    for change in changes:
        with pytest.raises(Conflict, match=served[0]):
            await change
    assert there.flags == {switch_key("ai"): ON}


async def test_the_token_is_sent(land: Ground, served: tuple[str, flag_server.State], there: flag_server.State) -> None:
    there.token = "open sesame"
    assert (await land.flags(source=Ofrep(f"http://{served[0]}"))).why_paused("")
    assert not (await land.flags(source=Ofrep(f"http://{served[0]}", token="open sesame"))).why_paused("")
