"""What a token says of a person: groups under the company's own name for them, too many of them, and none."""

import pytest

from app.control.claims import MOST_GROUPS, Person, Reading
from app.errors import Forbidden, Unauthenticated

ADA = {"sub": "ada", "name": "Ada Byron", "unit": "Research"}


@pytest.mark.parametrize(
    ("claim", "said"),
    [
        ("groups", {"groups": ["hr", "sales"]}),
        ("roles", {"roles": ["hr", "sales"], "groups": ["other"]}),
        ("realm_access.roles", {"realm_access": {"roles": ["hr", "sales"]}}),
        ("https://example.org/groups", {"https://example.org/groups": ["hr", "sales"]}),
        ("a.b.c", {"a": {"b": {"c": ["hr", "sales"]}}}),
    ],
)
def test_groups_are_read_from_the_claim_that_the_company_uses(claim: str, said: dict[str, object]) -> None:
    assert Reading(claim).person({**ADA, **said}) == Person("ada", "Ada Byron", ("hr", "sales"), "Research")
    assert Reading(claim).says(said) and not Reading(claim).says({"sub": "ada"})


def test_a_single_group_may_stand_alone() -> None:
    assert Reading().person({**ADA, "groups": "hr"}).groups == ("hr",)


def test_without_groups_there_are_none() -> None:
    assert Reading().person({"sub": "ada"}) == Person("ada", "", (), "")
    assert Reading("realm_access.roles").person({**ADA, "realm_access": "rubbish"}).groups == ()


@pytest.mark.parametrize("groups", ["hr,sales", "hr sales", "", 7, {"hr": True}, ["hr", 7], [["hr"]], [None]])
def test_groups_of_another_form_are_refused(groups: object) -> None:
    with pytest.raises(Unauthenticated, match="not a list of names"):
        Reading().person({**ADA, "groups": groups})


@pytest.mark.parametrize(
    "said", [{"_claim_names": {"groups": "src1"}, "_claim_sources": {}}, {"hasgroups": True}, {"hasgroups": "true"}]
)
def test_a_token_that_leaves_groups_out_is_refused_unless_a_directory_knows_them(said: dict[str, object]) -> None:
    with pytest.raises(Forbidden, match="too many"):
        Reading().person({**ADA, **said})
    assert Reading(has_directory=True).person({**ADA, **said}).groups == ()
    assert Reading().person({**ADA, **said, "groups": ["hr"]}).groups == ("hr",)


def test_more_groups_than_a_statement_takes_are_refused() -> None:
    groups = [f"g{number}" for number in range(MOST_GROUPS)]
    assert len(Reading().person({**ADA, "groups": groups}).groups) == MOST_GROUPS
    with pytest.raises(Forbidden, match="501 groups"):
        Reading().person({**ADA, "groups": [*groups, "one more"]})


@pytest.mark.parametrize("sub", ["service:crm", "cli:root", "x" * 201, "a\x00b"])
def test_nobody_takes_a_name_of_the_services_own(sub: str) -> None:
    with pytest.raises(Unauthenticated):
        Reading().person({**ADA, "sub": sub})


def test_names_that_are_no_text_are_left_out() -> None:
    assert Reading().person({"sub": "ada", "name": ["x"], "unit": 7}) == Person("ada", "", (), "")
