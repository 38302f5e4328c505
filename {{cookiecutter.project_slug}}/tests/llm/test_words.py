"""Words as search sees them."""

import pytest

from app.llm.words import stems


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("How are expenses reimbursed?", ["expens", "reimburs"]),
        ("the TW-450's depth", ["tw450", "depth"]),
        ("on-call pay", ["call", "pay"]),
        ("EUR 1,500 at 20:00", ["eur", "1,500", "20:00"]),
        ("Was ist die Frist?", ["frist"]),
        ("", []),
    ],
)
def test_only_words_that_carry_meaning_are_kept(text: str, found: list[str]) -> None:
    assert stems(text) == found


@pytest.mark.parametrize(
    ("one", "other"), [("vacation", "leave"), ("paid", "salary"), ("policies", "policy"), ("TW450", "TW-450")]
)
def test_words_of_like_meaning_share_a_stem(one: str, other: str) -> None:
    assert stems(one) == stems(other)
