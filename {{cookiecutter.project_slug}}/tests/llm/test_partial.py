"""Fields of a JSON object that is still being written: whole, known and valid, or not there yet."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.llm.partial import Reader

SCHEMA = {
    "type": "object",
    "properties": {
        "days": {"type": "integer"},
        "note": {"type": "string"},
        "tags": {"$ref": "#/$defs/tags"},
    },
    "$defs": {"tags": {"type": "array", "items": {"type": "string"}}},
}


def told(text: str) -> list[dict[str, Any]]:
    """Feed letter by letter, and give each state of the fields once."""
    reader, states = Reader(SCHEMA), []
    for letter in text:
        reader.feed(letter)
        if not states or reader.fields != states[-1]:
            states.append(dict(reader.fields))
    return states


@pytest.mark.proves("REL-12")
def test_a_number_waits_for_its_end_and_a_string_for_its_quote() -> None:
    text = r'{"days": 120, "note": "he said \"}, {\" to <EMAIL_1>", "tags": ["a", "b"]}'
    note = 'he said "}, {" to <EMAIL_1>'
    assert told(text) == [
        {},
        {"days": 120},
        {"days": 120, "note": note},
        {"days": 120, "note": note, "tags": ["a", "b"]},
    ]


@pytest.mark.proves("REL-12")
@pytest.mark.parametrize(
    ("text", "last"),
    [
        ('{"days": "many", "note": "x"}', {"note": "x"}),
        ('{"secret": 1, "note": "x"}', {"note": "x"}),
        ('{"tags": ["a", 1], "note": "x"}', {"note": "x"}),
        ('```json\n{"days": 1}\n```', {"days": 1}),
        ('Here you are: {"days": 1}', {}),
        ('[{"days": 1}]', {}),
        ('{"days": NaN, "note": "x"}', {}),
        ('{"days": 1, days: 2, "note": "x"}', {"days": 1}),
        ('{"days": 1} {"days": 2, "note": "x"}', {"days": 1}),
        ('{"days": 12', {}),
    ],
)
def test_what_does_not_fit_is_never_shown(text: str, last: dict[str, Any]) -> None:
    assert told(text)[-1] == last


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "days": st.integers(),
        "note": st.text(),
        "tags": st.lists(st.text()),
        "other": st.recursive(st.none() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)),
    },
)


@pytest.mark.proves("REL-12")
@given(VALUES, st.integers(1, 7), st.booleans())
def test_nothing_shown_is_ever_taken_back_and_the_end_is_the_whole(
    data: dict[str, Any], step: int, is_ascii: bool
) -> None:
    text, reader = json.dumps(data, ensure_ascii=is_ascii), Reader(SCHEMA)
    before: dict[str, Any] = {}
    for start in range(0, len(text), step):
        reader.feed(text[start : start + step])
        assert all(reader.fields[name] == value for name, value in before.items())
        before = dict(reader.fields)
    assert before == {name: value for name, value in data.items() if name != "other"}
