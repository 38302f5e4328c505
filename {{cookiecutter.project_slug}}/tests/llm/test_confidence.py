"""How sure an answer of a model is: measured on what it cites, or said in a field of its own."""

from dataclasses import replace
from typing import Any

import pytest

from app.llm import confidence
from app.llm.prompts import Prompt
from tests.llm.turns import ANSWER, LEAVE, answer_prompt, parse, passage, triage_prompt

OTHER = passage("Shoes are brown. Boots cost EUR 1,000.", uri="lab.md", title="Lab", heading="Clothes")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("You get 25 days of annual leave. [1]", 1.0),
        ("25 days [1].", 1.0),
        ("25 days [1]. Shoes are brown [2]. Boots cost 1000 [2].", 1.0),
        ("Brown shoes, and 25 days [1, 2]. Brown shoes, and 25 days [1] [2].", 1.0),
        # From 2026-01-01 the passage is in force: the model was told so.
        ("In force from 2026-01-01 [1].", 0.5),
        # Of leave, days, unlimited and forever half stand there.
        ("Leave days: unlimited, forever [1].", 0.5),
        # A wrong figure takes all that was said with it.
        ("You get 30 days of annual leave [1].", 0.0),
        ("You get 30 days of annual leave [1]. Ask the manager [1].", 0.33),
        # Nothing is cited behind it, the wrong passage, or one that there is not.
        ("You get 25 days of annual leave.", 0.0),
        ("25 days [1]. Shoes are brown.", 0.5),
        ("Shoes are brown [1].", 0.0),
        ("Shoes are brown [3] [0].", 0.0),
        ("Yes. [1]", 0.0),
        ("", 0.0),
    ],
)
def test_it_is_the_share_of_the_words_that_stand_in_the_passages_cited_behind_them(text: str, share: float) -> None:
    assert confidence.of_text(text, (LEAVE, OTHER)) == share


def test_a_passage_that_no_model_was_shown_supports_nothing() -> None:
    assert confidence.of_text("25 days [1].", (replace(LEAVE, suspicious=True),)) == 0.0


def prompt(**field: Any) -> Prompt:
    """Give a prompt whose output has the field as said."""
    output = {"type": "object", "required": ["confidence"], "properties": {"confidence": field}}
    return replace(triage_prompt(), output_schema=output)


def test_a_structured_answer_says_it_in_its_field_where_that_is_a_share_that_must_be_there() -> None:
    share = prompt(type="number", minimum=0, maximum=1)
    assert confidence.of(share, (), text="Confidence: 0.3", data={"confidence": 0.3}) == 0.3
    percent, anything = prompt(type="number", minimum=0, maximum=100), prompt(type="number")
    optional = replace(share, output_schema={**share.output_schema, "required": []})  # type: ignore[dict-item]
    for each in (percent, anything, optional, triage_prompt()):
        assert not confidence.measures(each)
        assert confidence.of(each, (LEAVE,), text="25 days [1]", data={"confidence": 30}) is None


def test_a_prompt_that_takes_no_passages_brings_none() -> None:
    free = ANSWER.replace(", passages: passages", "").replace("{{ passages }}\n", "")
    assert confidence.measures(answer_prompt()) and not confidence.measures(parse("answer.v1.md", free))
    assert confidence.of(parse("answer.v1.md", free), (LEAVE,), text="25 days [1]", data=None) is None
