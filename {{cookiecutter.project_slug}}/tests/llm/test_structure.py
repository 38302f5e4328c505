"""JSON out of a model's text."""

import pytest

from app.llm.structure import InvalidOutput, again, as_text, read

SCHEMA = {"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}}}


@pytest.mark.parametrize("text", ['{"size": 1}', '```json\n{"size": 1}\n```', '\n```\n{"size": 1}\n```\n'])
def test_an_object_is_read_with_or_without_a_fence(text: str) -> None:
    assert read(text, SCHEMA) == {"size": 1}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("Sure!", "not JSON"),
        ('{"size": "big"}', "$.size: 'big' is not of type 'integer'"),
        ("{}", "$: 'size' is a required property"),
        ("[1]", "is not of type 'object'"),
        ('{"size": 1, "share": NaN}', "NaN is no JSON"),
    ],
)
def test_anything_else_is_refused_with_the_faults(text: str, fault: str) -> None:
    with pytest.raises(InvalidOutput) as refused:
        read(text, SCHEMA)
    assert fault in str(refused.value)
    assert fault in again(refused.value)


def test_data_are_written_as_lines_that_people_read() -> None:
    assert as_text({"reply_draft": "Hello.", "tags": ["a", "b"]}) == "Reply draft: Hello.\nTags: a, b"
