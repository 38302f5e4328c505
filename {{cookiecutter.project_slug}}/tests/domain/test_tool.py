"""What may be a tool, and what it accepts."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from pydantic import Field

from app.domain.identity import Permission, Principal
from app.domain.tool import BadArguments, Tool, faults_of
from app.domain.turn import Turn


async def find(turn: Turn, word: str, *, most: Annotated[int, Field(ge=1, le=9)] = 3) -> str:
    """Find a word."""
    return word * most


async def pay(turn: Turn, usd: Decimal, *, key: str) -> str:
    """Pay."""
    return f"{usd} {key}"


def test_the_model_is_told_name_docstring_and_a_schema_without_turn_and_key() -> None:
    tool = Tool(find)
    assert (tool.name, tool.about) == ("find", "Find a word.")
    assert tool.schema["required"] == ["word"] and tool.schema["additionalProperties"] is False
    assert tool.schema["properties"]["most"]["maximum"] == 9
    assert set(Tool(pay, effects=True).schema["properties"]) == {"usd"}
    assert set(Tool(pay).schema["properties"]) == {"usd", "key"}, "only the platform's key is hidden"


def test_arguments_become_the_functions_own_types_and_defaults() -> None:
    assert Tool(find).check({"word": "a"}) == {"word": "a", "most": 3}
    assert Tool(pay, effects=True).check({"usd": "1.50"}) == {"usd": Decimal("1.50")}


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        ({}, "word: Field required"),
        ({"word": 7}, "word: Input should be a valid string"),
        ({"word": "a", "most": 10}, "most: Input should be less than or equal to 9"),
        ({"word": "a", "turn": "mine"}, "turn: Extra inputs are not permitted"),
    ],
)
def test_arguments_that_do_not_fit_are_told_by_name(arguments: dict[str, Any], fault: str) -> None:
    with pytest.raises(BadArguments, match=fault):
        Tool(find).check(arguments)


def plain(turn: Turn) -> str:
    """Do it."""
    return ""


async def silent(turn: Turn) -> str:
    return ""


async def turnless(word: str) -> str:
    """Do it."""
    return word


async def bare(turn: Turn, word) -> str:  # type: ignore[no-untyped-def]
    """Do it."""
    return str(word)


async def greedy(turn: Turn, **words: str) -> str:
    """Do it."""
    return str(words)


class Unknown:
    """No JSON can hold this."""


async def opaque(turn: Turn, thing: Unknown) -> str:
    """Do it."""
    return str(thing)


@pytest.mark.parametrize(
    ("tool", "cure"),
    [
        (Tool(plain), "plain: write it as `async def`"),
        (Tool(silent), "silent: write a docstring"),
        (Tool(turnless), "turnless: make `turn` its first parameter"),
        (Tool(bare), "bare: annotate the parameter `word`"),
        (Tool(greedy), "greedy: name each parameter"),
        (Tool(opaque), "opaque: its parameters cannot be described to a model"),
        (Tool(find, effects=True), "find: it has effects, so it takes `key: str`"),
        (Tool(find, timeout_s=0), "find: timeout_s must be more than 0 seconds"),
        (Tool(find, groups="finance"), "find: groups must be a tuple of names"),  # type: ignore[arg-type]
        (Tool(find, groups=()), "find: groups must be a tuple of names"),
    ],
)
def test_what_cannot_be_a_tool_is_told_with_its_cure(tool: Tool, cure: str) -> None:
    (fault,) = faults_of([tool])
    assert fault.startswith(cure)


def test_two_tools_of_one_name_are_told_and_good_ones_pass() -> None:
    assert faults_of([Tool(find), Tool(find)]) == ["two tools are called 'find'; rename one"]
    assert faults_of([Tool(find), Tool(pay, effects=True)]) == []


@pytest.mark.proves("SEC-1")
def test_a_tool_is_for_those_in_one_of_its_groups_who_hold_its_permission() -> None:
    clerk = Principal("c", "C", groups=("finance",), permissions=frozenset({Permission.ASK}))
    guest = Principal("g", "G", groups=("sales",), permissions=frozenset())
    assert Tool(find).admits(guest)
    assert Tool(find, groups=("finance", "legal")).admits(clerk) and not Tool(find, groups=("finance",)).admits(guest)
    needs = Tool(find, permission=Permission.ASK)
    assert needs.admits(clerk) and not needs.admits(guest)
