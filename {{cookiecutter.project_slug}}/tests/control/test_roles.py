"""What config/roles.toml may say, and what it gives to whom."""

from typing import Any

import pytest

from app.control.roles import Roles
from app.domain.identity import Permission
from app.errors import CannotStart

CONFIG: dict[str, Any] = {
    "permissions": {"everyone": ["turns.ask"], "staff": ["jobs.submit"]},
    "nesting": {"staff": ["hr", "sales"], "hr": ["payroll"]},
    "members": {"payroll": ["bot"]},
    "classification": {"levels": ["open", "inner", "secret"]},
    "clearance": {"everyone": "inner", "hr": "secret"},
    "regions": {"everyone": ["all"], "sales": ["emea"], "payroll": ["apac"]},
}


def test_groups_reach_those_that_hold_them_and_what_these_are_granted() -> None:
    roles = Roles.read(CONFIG)
    ada = roles.principal("ada", groups=("payroll",))
    assert set(ada.groups) == {"payroll", "hr", "staff"} and ada.token_groups == ("payroll",)
    assert ada.may(Permission.SUBMIT_JOBS) and ada.clearance == 2 and ada.regions == ("all", "apac")
    assert ada.claims.names == ("everyone", "group:payroll", "group:hr", "group:staff", "user:ada")


def test_what_holds_a_group_is_not_held_by_it() -> None:
    boss = Roles.read(CONFIG).principal("boss", groups=("staff",))
    assert boss.groups == ("staff",) and boss.clearance == 1 and boss.regions == ("all",)


def test_members_are_in_their_group_whatever_their_token_says() -> None:
    bot = Roles.read(CONFIG).principal("bot")
    assert "group:hr" in bot.claims.names and bot.token_groups == ()


def test_without_tables_everybody_has_the_lowest_level_and_no_region() -> None:
    somebody = Roles.read({"permissions": {}}).principal("ada", groups=("hr",))
    assert (somebody.clearance, somebody.regions, somebody.permissions) == (0, (), frozenset())


def test_a_claim_that_could_pass_for_two_names_is_none() -> None:
    somebody = Roles.read({}).principal("ada", groups=("x\x1fuser:bob", "y,z", "a b", "hr"))
    assert somebody.claims.names == ("everyone", "group:hr", "user:ada")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"nesting": {"a": ["b"], "b": ["c"], "c": ["a"]}}, "a > b > c > a"),
        ({"nesting": {"a": ["a"]}}, "nesting.a"),
        ({"nesting": {"staff": ["everyone"]}}, "everyone is no group"),
        ({"nesting": {"staff": "hr"}}, "nesting.staff"),
        ({"members": {"everyone": ["ada"]}}, "members.everyone"),
        ({"members": {"hr": ["ada lovelace"]}}, "members.hr"),
        ({"clearance": {"hr": "top"}}, "open, inner, secret"),
        ({"classification": {}, "clearance": {"hr": "inner"}}, "classification.levels"),
        ({"classification": {"levels": ["open", "open"]}}, "twice"),
        ({"classification": {"level": ["open"]}}, "classification"),
        ({"regions": {"hr": [3]}}, "regions.hr"),
        ({"permissions": {"hr": ["turns.read"]}}, "permissions.hr"),
        ({"clearances": {"hr": "inner"}}, "clearances"),
    ],
)
def test_what_cannot_be_meant_stops_the_start_with_file_and_key(change: dict[str, Any], says: str) -> None:
    with pytest.raises(CannotStart) as refused:
        Roles.read({**CONFIG, **change})
    assert "config/roles.toml" in refused.value.detail and says in refused.value.detail
