"""Who may not decide on a review, whose it is for now, and until when somebody has to."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from app.domain.review import (
    HOURS,
    KINDS,
    PRIORITY,
    Reviews,
    ensure_free,
    ensure_not_own,
    ensure_not_written,
    is_overdue,
)
from app.errors import Conflict, Forbidden

NOW = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
SOON = NOW + timedelta(hours=1)
REVIEW: dict[str, Any] = {
    "asker": "sam.reyes",
    "status": "open",
    "taken_by": None,
    "taken_until": None,
    "assigned_to": None,
    "due_at": SOON,
    "authors": [],
    "put_forward_by": None,
}


@pytest.mark.proves("CTL-4")
@pytest.mark.parametrize(
    ("by", "is_refused"),
    [("sam.reyes", True), ("cli:sam.reyes", True), ("bob", True), ("olga.petrov", False), ("cli:olga.petrov", False)],
)
def test_nobody_decides_on_what_they_or_a_program_of_theirs_asked_for(by: str, is_refused: bool) -> None:
    people = frozenset({"sam.reyes", "service:crm", "bob"})
    if is_refused:
        with pytest.raises(Forbidden, match="what they asked for"):
            ensure_not_own(by, people)
    else:
        ensure_not_own(by, people)


@pytest.mark.proves("CTL-4")
def test_nobody_approves_what_they_wrote_at_the_terminal_neither() -> None:
    for review in ({**REVIEW, "authors": ["hana.lind"]}, {**REVIEW, "put_forward_by": "hana.lind"}):
        for by in ("hana.lind", "cli:hana.lind"):
            with pytest.raises(Forbidden, match="You wrote"):
                ensure_not_written(review, by)
        ensure_not_written(review, "olga.petrov")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"taken_by": "hana.lind", "taken_until": SOON}, "hana.lind has taken this"),
        ({"taken_by": "hana.lind", "taken_until": NOW - timedelta(seconds=1)}, ""),
        ({"taken_by": "olga.petrov", "taken_until": SOON}, ""),
        ({"assigned_to": "hana.lind"}, "given to hana.lind"),
        ({"assigned_to": "olga.petrov"}, ""),
        ({"assigned_to": "hana.lind", "due_at": NOW}, ""),
    ],
    ids=["taken", "the lease is over", "mine", "given to another", "given to me", "given, but overdue"],
)
def test_what_another_one_has_is_theirs_until_the_lease_or_the_time_is_over(changes: dict[str, Any], why: str) -> None:
    if why:
        with pytest.raises(Conflict, match=why):
            ensure_free(REVIEW | changes, "olga.petrov", now=NOW)
    else:
        ensure_free(REVIEW | changes, "olga.petrov", now=NOW)


def test_only_what_is_open_can_be_overdue() -> None:
    assert not is_overdue(REVIEW, now=NOW)
    assert is_overdue({**REVIEW, "due_at": NOW}, now=NOW)
    assert not is_overdue({**REVIEW, "due_at": NOW, "status": "approved"}, now=NOW)


def test_the_contract_may_change_hours_and_priority_of_each_kind() -> None:
    assert set(HOURS) == set(PRIORITY) == set(KINDS)
    own = Reviews.model_validate({"hours": {"complaint": 2}, "priority": {"complaint": 1}})
    assert (own.terms("complaint").hours, own.terms("complaint").priority) == (2, 1)
    assert own.terms("sample").hours == HOURS["sample"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"hours": {"compliant": 2}},
        {"hours": {"sample": 0}},
        {"hours": {"sample": 9000}},
        {"priority": {"sample": 6}},
        {"second_person": "maybe"},
    ],
)
def test_a_contract_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Reviews.model_validate(wrong)


def test_without_a_word_of_the_contract_a_second_person_clears_what_the_first_wrote() -> None:
    assert Reviews().second_person == "edits"


def test_where_a_contract_asks_for_confidence_an_answer_that_nobody_measured_is_doubted_too() -> None:
    strict = Reviews(confidence_below=0.5)
    assert [strict.doubts(value) for value in (None, 0.5, 0.49)] == [True, False, True]
    assert not Reviews().doubts(0.0) and not Reviews().doubts(None)
