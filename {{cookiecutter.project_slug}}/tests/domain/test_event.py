"""Events hold what their kind declares, point at persons by known fields, and keep words apart."""

import pytest

from app.domain.event import KINDS, PEOPLE, WORDS, checked, people, without_words

pytestmark = pytest.mark.proves("SEC-11")


def test_what_a_kind_does_not_hold_is_refused() -> None:
    with pytest.raises(ValueError, match=r"switch\.flipped holds no question"):
        checked("switch.flipped", {"switch": "ai", "question": "who earns what?"})
    with pytest.raises(ValueError, match="no event of the kind"):
        checked("tea.made", {})


def test_what_is_unknown_is_left_out() -> None:
    assert checked("switch.flipped", {"switch": "ai", "until": None, "after": False}) == {
        "switch": "ai",
        "after": False,
    }


def test_persons_are_found_by_the_fields_that_name_them() -> None:
    assert people({"user_id": "sam", "by": "olga", "assignee": "", "switch": "ai"}) == ["olga", "sam"]


def test_words_leave_only_for_those_who_may_have_them() -> None:
    assert without_words({"switch": "ai", "reason": "it insulted Sam"}) == {"switch": "ai"}


def test_every_field_of_a_person_or_words_is_used_by_some_kind() -> None:
    fields = {name for kind in KINDS.values() for name in kind.fields}
    assert fields >= {*PEOPLE, *WORDS}
