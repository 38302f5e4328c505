"""What a judge says of two answers, asked in both orders."""

import pytest

from app.turn.preference import PROMPT, verdict_of


@pytest.mark.parametrize(
    ("there", "back", "verdict"),
    [
        ("second", "first", "better"),
        ("first", "second", "worse"),
        ("first", "first", "same"),
        ("second", "second", "same"),
        ("same", "first", "same"),
        ("same", "same", "same"),
    ],
)
def test_only_a_judge_that_says_the_same_in_both_orders_is_believed(there, back, verdict):
    assert verdict_of(there, back) == verdict


def test_the_judges_prompt_marks_off_both_answers_as_data():
    told = PROMPT.render({"question": "Q", "sources": "S", "first": "A", "second": "B"})
    assert told.index("Q") < told.index("A") < told.index("B")
    assert not PROMPT.is_grounded and PROMPT.output_schema is not None
