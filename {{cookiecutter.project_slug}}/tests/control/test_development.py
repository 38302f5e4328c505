"""Development identities: for listed people, by one secret, and refused by a service with an issuer."""

import pytest

from app.control.auth import Authenticator
from app.control.development import DevelopmentIssuer
from app.control.oidc import OidcIssuer
from app.control.people import People
from app.control.roles import Roles
from app.errors import Unauthenticated
from tests.control.oidc_ground import URL, verifying
from tests.fakes.issuer import Issuer


async def test_development_tokens_are_for_listed_people_and_one_secret(token) -> None:
    issuer = DevelopmentIssuer("s" * 40, {"ada": {"name": "Ada", "groups": ["operators"]}})
    assert (await issuer.claims(issuer.token("ada")))["name"] == "Ada"
    with pytest.raises(Unauthenticated, match="there are: ada"):
        issuer.token("eve")
    with pytest.raises(Unauthenticated):
        await issuer.claims(token("sam.reyes"))


@pytest.mark.proves("INT-2")
async def test_a_service_with_an_issuer_takes_no_development_identity(token) -> None:
    people = People(Roles.read({"permissions": {"everyone": ["turns.ask"]}}), None)  # type: ignore[arg-type]
    async with verifying(Issuer(URL)) as (verifier, _):
        assert isinstance(verifier, OidcIssuer)
        door = Authenticator(verifier, people)
        for way in (door.principal, door.visitor):
            with pytest.raises(Unauthenticated):
                await way(token("olga.petrov"))
