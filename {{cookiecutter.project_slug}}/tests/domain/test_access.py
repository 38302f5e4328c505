"""What a document may carry, and the plain rule of who reads it: each case of the written table."""

import pytest

from app.domain.access import Access, Claims, is_name, level_of, may_read, parse
from app.errors import BadInput
from tests.rights import LEVELS, Case, cases

pytestmark = pytest.mark.proves("SEC-4", "SEC-1")


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_rule_says_what_the_table_says(case: Case) -> None:
    assert may_read(case.access, case.claims, LEVELS) is case.reads


def test_the_table_has_both_answers_and_no_case_twice() -> None:
    found = cases()
    assert len({case.name for case in found}) == len({(case.access, case.claims) for case in found}) == len(found)
    assert len([case for case in found if case.reads]) >= 10 <= len([case for case in found if not case.reads])


def test_what_is_given_in_any_order_and_twice_is_one_access() -> None:
    one = Access(("user:b", "everyone", "user:b"), ("group:x", "group:a"), "inner", ("emea", "apac"))
    assert one == Access(("everyone", "user:b"), ("group:a", "group:x", "group:a"), "inner", ("apac", "emea"))
    assert one.readers == ("everyone", "user:b") and one.regions == ("apac", "emea")


@pytest.mark.parametrize(
    "given",
    [
        {"readers": []},
        {"readers": ["all"]},
        {"readers": "everyone"},
        {"readers": ["everyone"], "denied": ["bob"]},
        {"readers": ["everyone"], "denied": ["user:a b"]},
        {"readers": ["everyone"], "denied": "user:bob"},
        {"readers": ["everyone"], "classification": "lost"},
        {"readers": ["everyone"], "classification": 3},
        {"readers": ["everyone"], "regions": ["the north"]},
        {"readers": ["everyone"], "regions": [1]},
        {"readers": [f"user:{n:04d}" + "x" * 100 for n in range(30)]},
        {"readers": ["everyone"], "regions": [f"r{n}" for n in range(600)]},
    ],
)
def test_what_cannot_be_kept_is_refused_with_the_key_and_what_is_allowed(given: dict[str, object]) -> None:
    with pytest.raises(BadInput) as refused:
        parse(given, levels=LEVELS)
    key = "readers" if len(given) == 1 else next(key for key in given if key != "readers")
    assert key in refused.value.detail or "too many" in refused.value.detail


def test_an_entry_without_more_than_readers_is_open_to_them() -> None:
    assert parse({"readers": ["group:hr"], "title": "Pay"}, levels=()) == Access(("group:hr",))
    full = {"readers": ["everyone"], "denied": ["user:bob"], "classification": "inner", "regions": ["emea"]}
    assert parse(full, levels=LEVELS) == Access(("everyone",), ("user:bob",), "inner", ("emea",))


def test_levels_have_places_and_none_given_is_the_lowest() -> None:
    assert [level_of(name, LEVELS) for name in ("", "open", "inner", "lost")] == [0, 0, 1, None]
    assert not may_read(Access(("everyone",), (), "lost"), Claims(("everyone",), 99), LEVELS)


@pytest.mark.parametrize("name", ["group:a\x1fuser:bob", "group:", "user:a b", "group:a,b", "Everyone", "group:a\n"])
def test_names_that_could_pass_for_two_are_none(name: str) -> None:
    assert not is_name(name)
