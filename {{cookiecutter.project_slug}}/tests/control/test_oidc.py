"""Bearer tokens of an issuer: what is taken, what is refused, whatever a token says of itself."""

import base64
import hmac
import time
from collections.abc import AsyncIterator

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from app.control import oidc
from app.control.oidc import OidcIssuer
from app.errors import Unauthenticated
from tests.control.oidc_ground import URL, verifying
from tests.fakes.issuer import Issuer

pytestmark = pytest.mark.proves("INT-2")


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(URL)


@pytest.fixture
async def verifier(issuer: Issuer) -> AsyncIterator[OidcIssuer]:
    async with verifying(issuer) as (made, _):
        yield made


async def refused(verifier: OidcIssuer, token: str) -> bool:
    with pytest.raises(Unauthenticated):
        await verifier.claims(token)
    return True


@pytest.mark.parametrize("kind", ["EC", "RSA"])
async def test_a_good_token_is_taken(issuer: Issuer, verifier: OidcIssuer, kind: str) -> None:
    issuer.rotate(kind=kind)
    claims = await verifier.claims(issuer.token())
    assert (claims["sub"], claims["groups"]) == ("ada", ["operators"])


async def test_pss_signatures_and_several_audiences_are_taken(issuer: Issuer, verifier: OidcIssuer) -> None:
    key = issuer.rotate(kind="RSA")
    claims = {**issuer.claims("ada", "access_token"), "aud": ["another", "the-service"]}
    token = jwt.encode({"alg": "PS256", "kid": key.kid}, claims, key, algorithms=["PS256"])
    assert (await verifier.claims(token))["sub"] == "ada"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": f"{URL}/"},
        {"iss": None},
        {"aud": "another"},
        {"aud": ["another"]},
        {"aud": None},
        {"aud": []},
        {"exp": 1},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": float("inf")},
        {"nbf": 1e12},
        {"iat": 1e12},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
    ],
)
async def test_a_token_for_somebody_else_or_another_time_is_refused(
    issuer: Issuer, verifier: OidcIssuer, changes: dict[str, object]
) -> None:
    assert await refused(verifier, issuer.token(**changes))


async def test_clocks_may_be_half_a_minute_apart_and_no_more(issuer: Issuer, verifier: OidcIssuer) -> None:
    now = int(time.time())
    assert await verifier.claims(issuer.token(exp=now - 10))
    assert await verifier.claims(issuer.token(nbf=now + 20))
    assert await refused(verifier, issuer.token(exp=now - 31))
    assert await refused(verifier, issuer.token(nbf=now + 60))


def unsigned(issuer: Issuer, header: dict[str, object]) -> str:
    return f"{encoded(header)}.{encoded(issuer.claims('ada', 'access_token') | {'aud': 'the-service'})}."


def encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(part)).decode().rstrip("=")


@pytest.mark.parametrize("alg", ["none", "NONE", "None", "HS256", "", 7])
async def test_a_token_without_a_signature_is_refused(issuer: Issuer, verifier: OidcIssuer, alg: object) -> None:
    assert await refused(verifier, unsigned(issuer, {"alg": alg, "kid": issuer.keys[0].kid}))


async def test_a_public_key_is_no_secret_to_sign_with(issuer: Issuer, verifier: OidcIssuer) -> None:
    key = issuer.rotate(kind="RSA")
    claims = issuer.claims("ada", "access_token") | {"aud": "the-service"}
    for secret in (key.as_pem(private=False), orjson.dumps(key.as_dict(private=False)), key["n"].encode()):
        said = f"{encoded({'alg': 'HS256', 'kid': key.kid})}.{encoded(claims)}"
        signature = base64.urlsafe_b64encode(hmac.digest(secret, said.encode(), "sha256")).decode().rstrip("=")
        assert await refused(verifier, f"{said}.{signature}")


async def test_a_published_symmetric_key_signs_nothing(issuer: Issuer, verifier: OidcIssuer) -> None:
    shared = OctKey.import_key("everybody can read this key, it is published", {"kid": "shared"})
    issuer.more_keys = [shared.as_dict()]
    claims = issuer.claims("ada", "access_token") | {"aud": "the-service"}
    assert await refused(verifier, jwt.encode({"alg": "HS256", "kid": "shared"}, claims, shared))


async def test_another_key_under_the_same_name_and_another_kind_of_algorithm_are_refused(
    issuer: Issuer, verifier: OidcIssuer
) -> None:
    kid = issuer.rotate(kind="RSA").kid
    assert await verifier.claims(issuer.token())
    assert await refused(verifier, issuer.token(key=RSAKey.generate_key(2048, {"kid": kid})))
    assert await refused(verifier, issuer.token(key=ECKey.generate_key("P-256", {"kid": kid})))


async def test_a_token_says_which_of_several_keys_signed_it(issuer: Issuer, verifier: OidcIssuer) -> None:
    assert await verifier.claims(issuer.token(header={"kid": None})), "one key: no doubt"
    issuer.rotate(keep=1)
    assert await refused(verifier, issuer.token(header={"kid": None}))


async def test_what_an_issuer_adds_to_the_header_is_ignored_unless_it_is_critical(
    issuer: Issuer, verifier: OidcIssuer
) -> None:
    assert await verifier.claims(issuer.token(header={"typ": "at+jwt", "x5t": "abc", "nonce": "of the issuer's own"}))
    critical = {"alg": "ES256", "kid": issuer.keys[0].kid, "crit": ["exp2"], "exp2": 1}
    assert await refused(verifier, unsigned(issuer, critical) + "AAAA")


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "....", "x" * 60_000, "é.é.é", "eyJ.eyJ.x", "\x00"])
async def test_what_is_no_token_is_refused(verifier: OidcIssuer, token: str) -> None:
    assert await refused(verifier, token)


async def test_a_token_that_was_good_before_is_refused_once_it_is_over(
    issuer: Issuer, verifier: OidcIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, checked = time.time(), []
    short, kept = issuer.token(exp=int(now) + 2), issuer.token()
    true = oidc.verified

    async def counted(*words: object, **named: object) -> object:
        checked.append(words)
        return await true(*words, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(oidc, "verified", counted)
    for _ in range(3):
        assert (await verifier.claims(kept))["sub"] == (await verifier.claims(short))["sub"] == "ada"
    assert len(checked) == 2, "a signature is checked once"
    monkeypatch.setattr(time, "time", lambda: now + 40)
    assert await refused(verifier, short)
    assert await verifier.claims(kept)


async def test_a_change_to_what_one_asker_got_reaches_no_other(issuer: Issuer, verifier: OidcIssuer) -> None:
    token = issuer.token()
    (await verifier.claims(token))["sub"] = "eve"
    assert (await verifier.claims(token))["sub"] == "ada"
