"""Whether two answers say the same: figures, fields, documents and words."""

from uuid import UUID

import pytest

from app.turn.agreement import Said, agreement, holds, likeness

ONE, OTHER = UUID(int=1), UUID(int=2)


def said(text: str, *cited: UUID, **more: object) -> Said:
    return Said(**{"family": "answered", "text": text, "cited": frozenset(cited), **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("one", "other", "agrees"),
    [
        ("You get 25 days of leave a year. [1]", "Leave is 25 days a year, you get it. [2]", True),
        ("You get 25 days of leave a year.", "You get 30 days of leave a year.", False),
        ("You get 25 days of leave.", "The notice period after 25 months has another length.", False),
        ("Costs 1,250.50 EUR until 2026-01-01.", "Until 2026-01-01 it costs 1,250.50 EUR.", True),
        ("", "You get 25 days.", False),
    ],
)
def test_texts_agree_by_their_figures_and_half_of_their_words(one: str, other: str, agrees: bool) -> None:
    assert agreement(said(one), said(other)).agrees is agrees
    assert agreement(said(other), said(one)).agrees is agrees


def test_the_same_words_from_other_documents_only_are_another_answer() -> None:
    text = "You get 25 days of leave."
    assert agreement(said(text, ONE), said(text, ONE, OTHER)).agrees
    assert not agreement(said(text, ONE), said(text, OTHER)).agrees
    assert agreement(said(text, ONE), said(text)).agrees, "who cites nothing contradicts nobody"


def test_structured_answers_agree_field_by_field() -> None:
    one = said("", data={"queue": "billing", "urgent": True, "why": "the customer asks about an invoice that is wrong"})
    alike = {"queue": "billing", "urgent": True, "why": "the customer asks about a wrong invoice"}
    assert agreement(one, said("", data=alike)).agrees
    assert not agreement(one, said("", data={**alike, "queue": "sales"})).agrees
    assert not agreement(one, said("", data={"queue": "billing"})).agrees


def test_where_nobody_answered_they_agree_by_how_it_ended() -> None:
    refused, failed = said("", family="refused"), said("", family="failed")
    assert agreement(refused, said("", family="refused")).agrees
    assert not agreement(refused, failed).agrees
    assert not agreement(said("25 days"), refused).agrees


def test_an_answer_holds_what_is_expected_in_other_words() -> None:
    assert holds("From 2026 on you get 25 days of paid leave a year [1].", "25 days of leave a year")
    assert not holds("You get 30 days of leave a year.", "25 days of leave a year")
    assert not holds("25", "the notice period after probation is 25 days")
    assert likeness("a b", "a b [3]") == 1.0 and likeness("", "a") == 0.0
