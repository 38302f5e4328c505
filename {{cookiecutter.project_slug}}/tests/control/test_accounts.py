"""Service accounts of config/roles.toml: programs with a name, an owner and groups."""

import pytest

from app.control.people import People
from app.control.roles import Roles
from app.domain.identity import Permission
from app.errors import CannotStart, Forbidden

CRM = {"owner": "olga.petrov", "groups": ["sales"], "purpose": "answers in the CRM", "unit": "Sales"}
CONFIG = {
    "permissions": {"everyone": ["turns.ask"], "staff": ["jobs.submit"]},
    "nesting": {"staff": ["sales"]},
    "service_accounts": {"crm": CRM},
}


@pytest.mark.proves("INT-2")
async def test_an_account_is_granted_what_its_groups_are_and_the_groups_above() -> None:
    roles = Roles.read(CONFIG)
    account = roles.accounts["service:crm"]
    who = await People(roles, None).principal(account.user_id, groups=account.groups)  # type: ignore[arg-type]
    assert who.user_id == "service:crm" and set(who.groups) == {"sales", "staff"}
    assert who.may(Permission.SUBMIT_JOBS) and "group:staff" in who.claims.names


async def test_queued_work_of_an_account_has_no_more_than_the_account_has_now() -> None:
    people = People(Roles.read(CONFIG), None)  # type: ignore[arg-type]
    assert (await people.principal("service:crm", groups=("executives", "sales"))).token_groups == ("sales",)
    with pytest.raises(Forbidden, match="no service account 'gone'"):
        await people.principal("service:gone", groups=("sales",))


@pytest.mark.parametrize(
    ("account", "said"),
    [
        ({**CRM, "owner": " "}, "owner"),
        ({**CRM, "owner": 7}, "owner"),
        ({**CRM, "owner": "Olga Petrov"}, "the id that a person signs in with"),
        ({**CRM, "owner": "service:crm"}, "the id that a person signs in with"),
        ({**CRM, "owner": "cli:olga.petrov"}, "the id that a person signs in with"),
        ({name: value for name, value in CRM.items() if name != "purpose"}, "purpose"),
        ({**CRM, "groups": "sales"}, "groups"),
        ({**CRM, "groups": ["a b"]}, "groups"),
        ({**CRM, "unit": 7}, "unit"),
        ({**CRM, "key": "x"}, "unknown"),
        ("crm", "no table"),
    ],
)
def test_an_account_that_is_incomplete_stops_the_start_with_key_and_cure(account: object, said: str) -> None:
    with pytest.raises(CannotStart, match=said) as refused:
        Roles.read({"service_accounts": {"crm": account}})
    assert "config/roles.toml, service_accounts.crm" in str(refused.value)


@pytest.mark.parametrize("name", ["Crm", "c", "crm_import", "crm import", "-crm", "crm-", "x" * 60, ""])
def test_an_account_has_a_plain_name(name: str) -> None:
    with pytest.raises(CannotStart, match="small letters"):
        Roles.read({"service_accounts": {name: CRM}})


def test_an_account_is_no_member_of_a_group_by_another_way() -> None:
    with pytest.raises(CannotStart, match="service account instead"):
        Roles.read({**CONFIG, "members": {"executives": ["service:crm"]}})
