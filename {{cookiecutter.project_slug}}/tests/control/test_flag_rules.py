"""What flags say: by person, by attribute, by type; and what is no flag."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from app.control.flag_rules import Rules, kind_of
from app.errors import BadInput
from app.store.flags import FlagRow

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FRACTION = {
    "state": "ENABLED",
    "variants": {"current": "current", "candidate": "candidate"},
    "defaultVariant": "current",
    "targeting": {"fractional": [["candidate", 20], ["current", 80]]},
}


def row(key: str, definition: dict[str, Any], **more: Any) -> FlagRow:
    known: dict[str, Any] = {
        "key": key, "definition": definition, "kind": "boolean", "owner": "ada", "expires_on": date.max, "version": 1,
        "changed_by": "olga", "reason": "r", "changed_at": NOW, "until": None, "back": None,
    }  # fmt: skip
    return FlagRow(**{**known, **more})  # type: ignore[typeddict-item]


def test_a_share_of_people_gets_a_variant_and_each_always_the_same() -> None:
    rules = Rules([row("rollout.x", FRACTION)], NOW)
    said = [rules.value("rollout.x", "", {"targetingKey": f"user{n}"}) for n in range(2000)]
    again = [rules.value("rollout.x", "", {"targetingKey": f"user{n}"}) for n in range(2000)]
    assert said == again
    assert 300 < said.count("candidate") < 500


def test_whoever_has_it_at_a_small_share_has_it_at_a_larger_one() -> None:
    wider = {**FRACTION, "targeting": {"fractional": [["candidate", 50], ["current", 50]]}}
    small, large = Rules([row("r", FRACTION)], NOW), Rules([row("r", wider)], NOW)
    people = [{"targetingKey": f"user{n}"} for n in range(500)]
    had = [person for person in people if small.value("r", "", person) == "candidate"]
    assert had and all(large.value("r", "", person) == "candidate" for person in had)


def test_targeting_sees_attributes_and_breaks_no_turn() -> None:
    by_group = {**FRACTION, "targeting": {"if": [{"in": ["beta", {"var": "groups"}]}, "candidate", "current"]}}
    broken = {**FRACTION, "targeting": {"fractional": "nonsense"}}
    rules = Rules([row("r", by_group), row("b", broken)], NOW)
    assert rules.value("r", "", {"targetingKey": "a", "groups": ["beta"]}) == "candidate"
    assert rules.value("r", "", {"targetingKey": "a", "groups": ["hr"]}) == "current"
    assert rules.value("b", "code", {"targetingKey": "a"}) in ("code", "current")


@pytest.mark.parametrize(
    ("variants", "default", "expected"),
    [
        ({"a": True}, False, True),
        ({"a": 7}, 0, 7),
        ({"a": 0.5}, 0.0, 0.5),
        ({"a": {"b": [1]}}, {}, {"b": [1]}),
        ({"a": "x"}, "", "x"),
        ({"a": "x"}, False, False),
    ],
)
def test_a_value_has_the_type_of_the_default(variants: dict[str, Any], default: Any, expected: Any) -> None:
    rules = Rules([row("k", {"state": "ENABLED", "variants": variants, "defaultVariant": "a"})], NOW)
    assert rules.value("k", default) == expected


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"state": "ENABLED"},
        {"state": "MAYBE", "variants": {"a": True}, "defaultVariant": "a"},
        {"state": "ENABLED", "variants": {"a": True, "b": "x"}, "defaultVariant": "a"},
        {"state": "ENABLED", "variants": {"a": True}, "defaultVariant": "b"},
        {"state": "ENABLED", "variants": {"a": True}, "defaultVariant": {}},
        {"state": "ENABLED", "variants": {"a": "\x00"}, "defaultVariant": "a"},
        {"state": "ENABLED", "variants": {"a": "\ud800"}, "defaultVariant": "a"},
        {"state": "ENABLED", "variants": {"a": float("nan")}, "defaultVariant": "a"},
        {"state": "ENABLED", "variants": {"a": True}, "defaultVariant": "a", "surprise": 1},
    ],
)
def test_what_flagd_could_not_read_is_refused_with_what_is_wrong(definition: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="no flag in flagd's format"):
        kind_of("k", definition)
