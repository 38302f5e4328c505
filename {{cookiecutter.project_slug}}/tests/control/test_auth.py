"""Identity: tokens of an OpenID Connect issuer, its key rotation and its absence; development identities."""

import time

import httpx2
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from app.control import auth
from app.control.auth import Authenticator, DevelopmentIssuer, OidcIssuer
from app.control.people import People
from app.control.roles import Roles
from app.domain.identity import Permission
from app.errors import CannotStart, DependencyDown, Unauthenticated

ISSUER, AUDIENCE = "https://id.example.org", "the-service"
ROLES = Roles.read({"permissions": {"everyone": ["turns.ask"], "operators": ["switches.flip"]}})
PEOPLE = People(ROLES, None)  # type: ignore[arg-type]


class Provider:
    """An identity provider on the other side of the wire."""

    def __init__(self):
        self.key, self.asked, self.is_up = RSAKey.generate_key(2048, {"kid": "one"}), 0, True

    def answer(self, request):
        self.asked += 1
        if not self.is_up:
            return httpx2.Response(503)
        if request.url.path.endswith("openid-configuration"):
            return httpx2.Response(200, json={"jwks_uri": f"{ISSUER}/keys"})
        return httpx2.Response(200, json=KeySet([self.key]).as_dict(private=False))

    def token(self, key=None, **changes):
        key = key or self.key
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 60, "groups": ["operators"]}
        alg = "ES256" if isinstance(key, ECKey) else "RS256"
        return jwt.encode({"alg": alg, "kid": key.kid}, {**claims, **changes}, key)


@pytest.fixture
def provider():
    return Provider()


@pytest.fixture
def issuer(provider):
    made = OidcIssuer(ISSUER, AUDIENCE)
    made._http = httpx2.AsyncClient(transport=httpx2.MockTransport(provider.answer))
    return made


async def test_a_good_token_names_its_person_and_what_they_may_do(provider, issuer):
    who = await Authenticator(issuer, PEOPLE).principal(provider.token())
    assert who.user_id == "ada" and who.claims.names == ("everyone", "group:operators", "user:ada")
    assert who.may(Permission.FLIP_SWITCHES) and who.may(Permission.ASK) and not who.may(Permission.READ_AUDIT)


@pytest.mark.parametrize(
    "changes", [{"iss": "https://evil.example"}, {"aud": "another"}, {"exp": 1}, {"sub": None}, {"groups": "operators"}]
)
async def test_a_token_for_somebody_else_or_another_time_is_refused(provider, issuer, changes):
    with pytest.raises(Unauthenticated):
        await Authenticator(issuer, PEOPLE).principal(provider.token(**changes))


async def test_tokens_signed_by_another_key_or_by_none_are_refused(provider, issuer):
    forged = provider.token(key=RSAKey.generate_key(2048, {"kid": "one"}))
    unsigned = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJhZGEifQ."
    for token in (forged, unsigned, "", "a.b.c", "x" * 5000):
        with pytest.raises(Unauthenticated):
            await issuer.claims(token)


async def test_keys_are_fetched_once_and_a_new_key_is_found(provider, issuer, monkeypatch):
    for _ in range(5):
        await issuer.claims(provider.token())
    assert provider.asked == 2
    monkeypatch.setattr(auth, "KEYS_RETRY_S", -1)
    provider.key = ECKey.generate_key("P-256", {"kid": "two"})
    assert (await issuer.claims(provider.token()))["sub"] == "ada"


@pytest.mark.proves("SEC-1")
async def test_a_token_that_was_good_before_is_refused_once_it_is_over_or_its_key_is_withdrawn(
    provider, issuer, monkeypatch
):
    short, kept = provider.token(exp=int(time.time()) + 2), provider.token()
    now, verified = time.time(), []
    monkeypatch.setattr(OidcIssuer, "_verify", _counted(OidcIssuer._verify, verified))
    for _ in range(3):
        assert (await issuer.claims(kept))["sub"] == (await issuer.claims(short))["sub"] == "ada"
    assert len(verified) == 2
    monkeypatch.setattr(time, "time", lambda: now + 40)
    with pytest.raises(Unauthenticated):
        await issuer.claims(short)

    monkeypatch.setattr(auth, "KEYS_FRESH_S", -1)
    monkeypatch.setattr(auth, "KEYS_RETRY_S", -1)
    provider.key = RSAKey.generate_key(2048, {"kid": "two"})
    with pytest.raises(Unauthenticated):
        await issuer.claims(kept)


def _counted(function, seen):
    def counted(*words):
        seen.append(words)
        return function(*words)

    return counted


async def test_known_keys_serve_while_the_provider_is_away_and_without_any_the_door_says_so(
    provider, issuer, monkeypatch
):
    await issuer.claims(provider.token())
    provider.is_up = False
    monkeypatch.setattr(auth, "KEYS_FRESH_S", -1)
    monkeypatch.setattr(auth, "KEYS_RETRY_S", -1)
    assert (await issuer.claims(provider.token()))["sub"] == "ada"
    fresh = OidcIssuer(ISSUER, AUDIENCE)
    fresh._http = issuer._http
    with pytest.raises(DependencyDown):
        await fresh.claims(provider.token())


async def test_development_tokens_are_for_listed_people_and_one_secret(token):
    issuer = DevelopmentIssuer("s" * 40, {"ada": {"name": "Ada", "groups": ["operators"]}})
    assert (await issuer.claims(issuer.token("ada")))["name"] == "Ada"
    with pytest.raises(Unauthenticated, match="there are: ada"):
        issuer.token("eve")
    with pytest.raises(Unauthenticated):
        await issuer.claims(token("sam.reyes"))


def test_an_unknown_permission_stops_the_start_and_says_which_there_are():
    with pytest.raises(CannotStart, match=r"switches\.flip"):
        Roles.read({"permissions": {"operators": ["switches.flop"]}})
