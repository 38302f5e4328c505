"""From markers in a text to passages."""

import pytest

from app.llm.citations import QUOTE_CHARS, cite
from tests.llm.turns import LEAVE, passage

OTHER = passage("Shoes are brown. Boots must have steel caps in the lab.", uri="lab.md", heading="Clothes", page=3)


@pytest.mark.parametrize(
    ("text", "markers"),
    [
        ("25 days [1].", [1]),
        ("Both [2][1].", [2, 1]),
        ("Both [1, 2] again [1].", [1, 2]),
        ("None [3] [0].", []),
        ("No.", []),
    ],
)
def test_each_known_number_gives_one_citation(text: str, markers: list[int]) -> None:
    assert [cited.marker for cited in cite(text, (LEAVE, OTHER))] == markers


def test_the_quote_is_the_sentence_nearest_to_the_claim() -> None:
    first, second = cite("You get 25 days [1]. In the lab, boots need steel caps [2].", (LEAVE, OTHER))
    assert first.quote == "You get 25 days of annual leave."
    assert (second.quote, second.heading, second.page) == ("Boots must have steel caps in the lab.", "Clothes", 3)


def test_a_quote_has_an_end() -> None:
    (cited,) = cite("Long [1].", (passage("word " * 500),))
    assert len(cited.quote) == QUOTE_CHARS
