"""Passages are cut into statements that can be read alone."""

import pytest

from app.llm.sentences import of_passage
from tests.llm.turns import passage


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("One thing. Another thing! A third?", ["One thing.", "Another thing!", "A third?"]),
        ("Ask Dr. Lind, e.g. Hana. Then wait.", ["Ask Dr. Lind, e.g. Hana.", "Then wait."]),
        ("It costs EUR 1.50 per day. 3 days at most.", ["It costs EUR 1.50 per day.", "3 days at most."]),
        ("- First item\n- Second item. With more.", ["First item", "Second item.", "With more."]),
        ("1. Open the lid.\n2. Close it.", ["Open the lid.", "Close it."]),
        ("A line that\ngoes on here.", ["A line that goes on here."]),
        ("Effective 1 May\nOwner: Finance", ["Effective 1 May", "Owner: Finance"]),
        ("", []),
    ],
)
def test_sentences_and_items_are_statements(text: str, found: list[str]) -> None:
    assert [sentence.text for sentence in of_passage(passage(text))] == found


@pytest.mark.parametrize(
    ("row", "spoken"),
    [
        ("Step: Acknowledge; Limit: 5 days", "Step: Acknowledge; Limit: 5 days."),
        ("country: Norway; full_day_eur: 82", "country: Norway; full day: EUR 82."),
        ("Team: R&D; Budget (EUR million): 9.2", "Team: R&D; Budget: EUR 9.2 million."),
        ("Price; TW-450: EUR 6,900", "Price; TW-450: EUR 6,900."),
    ],
)
def test_a_table_row_takes_its_unit_along_and_keeps_its_source(row: str, spoken: str) -> None:
    (sentence,) = of_passage(passage(row, heading="Limits"))
    assert (sentence.text, sentence.source, sentence.heading, sentence.is_row) == (spoken, row, "Limits", True)
