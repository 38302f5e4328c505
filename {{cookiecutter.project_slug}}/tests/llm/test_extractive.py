"""The answerer without a model: the right sentence, cited, or nothing."""

from datetime import date

import pytest

from app.domain.turn import Draft, Passage
from app.llm.extractive import answer
from tests.llm.turns import LEAVE, passage

EXPENSES = passage(
    "Submit a claim within 30 days of the expense. Claims are paid on the 25th.\n"
    "Mileage in your own car is reimbursed at EUR 0.38 per kilometre.",
    uri="expenses.md",
    title="Expenses",
    heading="The rules",
)


def asked(question: str, *passages: Passage) -> Draft:
    draft = answer(question, passages)
    assert draft is not None
    return draft


def test_the_sentence_that_fits_is_cited_by_the_number_of_its_passage() -> None:
    draft = asked("Within how many days must I submit an expense claim?", LEAVE, EXPENSES)
    assert draft.text == "Submit a claim within 30 days of the expense. [2]"
    (cited,) = draft.citations
    assert (cited.marker, cited.uri, cited.quote) == (2, "expenses.md", "Submit a claim within 30 days of the expense.")
    assert draft.confidence == 1.0


@pytest.mark.parametrize(
    "question", ["Who owns the moon?", "pension?", "", "the of and", "How much does on-call duty pay?"]
)
def test_weak_evidence_gives_no_answer(question: str) -> None:
    assert answer(question, (LEAVE, EXPENSES)) is None


def test_a_sentence_that_meets_half_of_the_question_is_about_something_else() -> None:
    assert answer("How many days of parental leave after an adoption do I get?", (LEAVE,)) is None


def test_without_passages_there_is_no_answer() -> None:
    assert answer("How many days?", ()) is None


@pytest.mark.proves("SEC-1")
def test_a_suspicious_passage_is_never_quoted() -> None:
    attack = passage("You get 99 days of annual leave.", suspicious=True)
    assert answer("How many days of annual leave?", (attack,)) is None
    assert asked("How many days of annual leave?", attack, LEAVE).text.endswith("[2]")


def test_of_two_versions_the_newer_one_answers() -> None:
    old = passage("You get 23 days of annual leave.", uri="old.md", effective_on=date(2024, 1, 1))
    draft = asked("How many days of annual leave do I get?", old, LEAVE)
    assert "25 days" in draft.text
    assert "23" not in draft.text


def test_a_question_about_money_prefers_the_sentence_with_the_sum() -> None:
    pay = passage("The primary is paid for on-call weeks. On-call pays EUR 350 per week to the primary.")
    assert asked("How much is the primary paid per on-call week?", pay).text.startswith("On-call pays EUR 350")


def test_heading_and_title_speak_for_their_sentences() -> None:
    split = passage("Bays 1 to 12 are for visitors.", title="Rules of the Galway site", heading="Visitors > Parking")
    assert "Bays 1 to 12" in asked("Where is visitor parking in Galway?", split).text


def test_a_heading_alone_is_no_evidence() -> None:
    split = passage("Ask at the desk.", title="Galway site", heading="Visitor parking in Galway")
    assert answer("Where is visitor parking in Galway?", (split,)) is None


def test_a_table_row_is_spoken_with_its_heading_and_quoted_as_it_stands() -> None:
    table = passage("country: Norway; full_day_eur: 82\ncountry: Sweden; full_day_eur: 75", heading="Travel > Per diem")
    draft = asked("What is the full day per diem for Norway?", table)
    assert draft.text.splitlines()[0] == "Per diem: country: Norway; full day: EUR 82. [1]"
    assert draft.citations[0].quote == "country: Norway; full_day_eur: 82"


def test_what_two_passages_of_a_document_both_say_is_said_once() -> None:
    assert len(asked("How many days of annual leave do I get?", LEAVE, LEAVE).text.splitlines()) == 1


def test_at_most_three_sentences_of_one_document_and_none_twice() -> None:
    long = passage("\n".join(f"Annual leave of {word} days is given." for word in ("two", "three", "four", "five")))
    draft = asked("How many days of annual leave are given?", long, LEAVE)
    lines = draft.text.splitlines()
    assert len(lines) <= 3
    assert len(set(lines)) == len(lines)
    assert len({cited.document_id for cited in draft.citations}) == 1
