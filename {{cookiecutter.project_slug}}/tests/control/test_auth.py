"""From a token to a person and what they may do now."""

import pytest

from app.control.auth import Authenticator, refuse_foreign
from app.control.people import People
from app.control.roles import Roles
from app.domain.identity import Permission
from app.errors import CannotStart, Forbidden, Unauthenticated
from tests.control.oidc_ground import URL, verifying
from tests.fakes.issuer import Issuer

ROLES = Roles.read({"permissions": {"everyone": ["turns.ask"], "operators": ["switches.flip"]}})
PEOPLE = People(ROLES, None)  # type: ignore[arg-type]


@pytest.mark.proves("SEC-3", "INT-2")
async def test_a_good_token_names_its_person_and_what_they_may_do() -> None:
    issuer = Issuer(URL)
    async with verifying(issuer) as (verifier, _):
        who = await Authenticator(verifier, PEOPLE).principal(issuer.token())
    assert who.user_id == "ada" and who.claims.names == ("everyone", "group:operators", "user:ada")
    assert who.may(Permission.FLIP_SWITCHES) and who.may(Permission.ASK) and not who.may(Permission.READ_AUDIT)
    assert who.key_id == "" and who.may_use("anything")


async def test_a_key_opens_nothing_where_there_are_no_keys_and_is_no_cookie() -> None:
    issuer = Issuer(URL)
    async with verifying(issuer) as (verifier, _):
        door = Authenticator(verifier, PEOPLE)
        for way in (door.principal, door.visitor):
            with pytest.raises(Unauthenticated):
                await way("appkey_0123456789ab_" + "x" * 43)


def test_an_unknown_permission_stops_the_start_and_says_which_there_are() -> None:
    with pytest.raises(CannotStart, match=r"switches\.flip"):
        Roles.read({"permissions": {"operators": ["switches.flop"]}})


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://test:81", "http://test.evil.example"])
def test_changes_by_cookie_come_from_our_own_pages(origin: str | None) -> None:
    refuse_foreign("POST", origin="http://test", host="test")
    refuse_foreign("GET", origin=origin, host="test")
    with pytest.raises(Forbidden):
        refuse_foreign("POST", origin=origin, host="test")
