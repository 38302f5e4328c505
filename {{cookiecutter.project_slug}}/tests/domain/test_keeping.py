"""How long data is kept: defaults, the file, and contracts that are stricter."""

import tomllib

import pytest

from app.domain.keeping import BOUND_BY_TURNS, Days, Keeping, parse
from app.errors import CannotStart
from app.settings import ROOT


def test_without_a_file_the_defaults_hold():
    assert parse({}, {"answers": 365}) == Keeping(Days(), {"answers": 365})


def test_the_file_that_comes_along_says_the_defaults():
    written = tomllib.loads((ROOT / "config/retention.toml").read_text("utf-8"))
    assert parse(written, {}).days == Days()


@pytest.mark.proves("SEC-11")
def test_a_contract_bounds_whatever_repeats_the_words_of_its_turns_and_may_not_prolong_it():
    keeping = parse({"days": {"turns": 100, "reviews": 50}}, {"strict": 30, "lax": 9999})
    assert {keeping.of(name, "strict") for name in BOUND_BY_TURNS} == {30}
    assert keeping.of("turns", "lax") == 100
    assert keeping.of("reviews", "lax") == 50
    assert keeping.of("turns", "removed") == 100
    assert keeping.of("evaluations", "strict") == Days().evaluations


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ({"day": {}}, "there is one table"),
        ({"days": {"audit": 3}}, "days.audit: unknown"),
        ({"days": {"turns": 0}}, "1 or more"),
        ({"days": {"turns": "30"}}, "1 or more"),
        ({"days": {"turns": True}}, "1 or more"),
    ],
)
def test_an_unusable_file_stops_the_start_and_says_which_key(written, fault):
    with pytest.raises(CannotStart, match=fault):
        parse(written, {})
