"""What the issuer publishes: fetched once, kept, fetched again when a key is new, served while it is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from joserfc.jwk import OctKey, RSAKey

from app.control import discovery
from app.control.discovery import signing_keys
from app.control.oidc import OidcIssuer
from app.errors import DependencyDown, Unauthenticated
from app.refusals import is_safe
from tests.control.oidc_ground import URL, Wire, verifying
from tests.fakes.issuer import Issuer

pytestmark = pytest.mark.proves("INT-2")
Verifying = tuple[OidcIssuer, Wire]


@pytest.fixture
def issuer() -> Issuer:
    return Issuer(URL)


@pytest.fixture
async def both(issuer: Issuer) -> AsyncIterator[Verifying]:
    async with verifying(issuer) as made:
        yield made


@pytest.fixture
def stale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are old the moment they were read."""
    monkeypatch.setattr(discovery, "KEYS_FRESH_S", -1.0)
    monkeypatch.setattr(discovery, "KEYS_RETRY_S", -1.0)


async def read_again(verifier: OidcIssuer) -> None:
    """Wait for the fetch that is under way."""
    if fetching := verifier.provider._fetching:
        await asyncio.wait([fetching])


async def test_keys_are_read_once_however_many_ask_first(issuer: Issuer, both: Verifying) -> None:
    tokens = [issuer.token() for _ in range(20)]
    await asyncio.gather(*(both[0].claims(token) for token in tokens))
    assert issuer.asked == ["/.well-known/openid-configuration", "/keys"]


async def test_a_new_key_is_found_at_once(issuer: Issuer, both: Verifying) -> None:
    old = issuer.token()
    await both[0].claims(old)
    issuer.rotate()
    assert (await both[0].claims(issuer.token()))["sub"] == "ada"
    assert issuer.asked.count("/keys") == 2
    with pytest.raises(Unauthenticated):
        await both[0].claims(old)


async def test_keys_rotate_under_load_and_nobody_is_refused(issuer: Issuer, both: Verifying) -> None:
    verifier, seen, due = both[0], 0, asyncio.Semaphore(0)

    async def asks(rounds: int) -> None:
        nonlocal seen
        for _ in range(rounds):
            token = issuer.token(jti=str(seen))
            # The issuer answers late: keys may change between the token, the look and the check.
            await asyncio.sleep(0)
            assert (await verifier.claims(token))["sub"] == "ada"
            seen += 1
            if seen % 100 == 0:
                due.release()

    asking = [asyncio.create_task(asks(15)) for _ in range(40)]
    for _ in range(4):
        await due.acquire()
        issuer.rotate(keep=2)
    await asyncio.gather(*asking)
    assert seen == 600 and issuer.asked.count("/keys") <= 1 + 4 * 2


async def test_keys_that_nobody_has_do_not_make_us_ask_for_ever(issuer: Issuer, both: Verifying) -> None:
    await both[0].claims(issuer.token())
    for number in range(40):
        with pytest.raises(Unauthenticated, match="no such key"):
            await both[0].claims(issuer.token(header={"kid": f"made-up-{number}"}))
    assert issuer.asked.count("/keys") <= 1 + discovery.UNKNOWN_AT_ONCE + 1
    assert (await both[0].claims(issuer.token()))["sub"] == "ada"


async def test_another_key_under_an_old_name_is_found_after_a_minute(
    issuer: Issuer, both: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    await both[0].claims(issuer.token())
    kid = issuer.keys[0].kid
    issuer.keys = [RSAKey.generate_key(2048, {"kid": kid, "use": "sig"})]
    with pytest.raises(Unauthenticated):
        await both[0].claims(issuer.token())
    monkeypatch.setattr(discovery, "KEYS_RETRY_S", -1.0)
    assert (await both[0].claims(issuer.token()))["sub"] == "ada"


@pytest.mark.usefixtures("stale")
async def test_known_keys_serve_while_the_issuer_is_away(issuer: Issuer, both: Verifying) -> None:
    verifier, _ = both
    await verifier.claims(issuer.token())
    issuer.is_up = False
    for _ in range(5):
        assert (await verifier.claims(issuer.token()))["sub"] == "ada"
        await read_again(verifier)
    assert len(issuer.asked) > 2
    issuer.is_up = True
    issuer.rotate()
    assert (await verifier.claims(issuer.token()))["sub"] == "ada"


@pytest.mark.usefixtures("stale")
async def test_nobody_waits_for_an_issuer_that_hangs_while_keys_are_at_hand(issuer: Issuer, both: Verifying) -> None:
    verifier, wire = both
    token = issuer.token()
    await verifier.claims(token)
    wire.way.clear()
    # It would wait for ever.
    assert (await asyncio.wait_for(verifier.claims(issuer.token()), 30))["sub"] == "ada"
    assert verifier.provider._fetching is not None


async def test_without_any_keys_the_door_says_so_and_asks_again_soon(
    issuer: Issuer, both: Verifying, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.is_up = False
    for _ in range(5):
        with pytest.raises(DependencyDown, match="does not answer"):
            await both[0].claims(issuer.token())
    assert len(issuer.asked) == 1, "not once for each of them"
    issuer.is_up = True
    monkeypatch.setattr(discovery, "FIRST_AGAIN_S", -1.0)
    assert (await both[0].claims(issuer.token()))["sub"] == "ada"


@pytest.mark.usefixtures("stale")
async def test_keys_are_not_good_for_ever(issuer: Issuer, both: Verifying, monkeypatch: pytest.MonkeyPatch) -> None:
    await both[0].claims(issuer.token())
    issuer.is_up = False
    assert (await both[0].claims(issuer.token()))["sub"] == "ada", "stale, and good for a while"
    monkeypatch.setattr(discovery, "KEYS_STALE_S", -1.0)
    with pytest.raises(DependencyDown):
        await both[0].claims(issuer.token())


@pytest.mark.usefixtures("stale")
@pytest.mark.proves("SEC-1")
async def test_a_key_that_is_withdrawn_ends_the_tokens_that_it_verified(issuer: Issuer, both: Verifying) -> None:
    kept = issuer.token()
    await both[0].claims(kept)
    issuer.rotate()
    await both[0].claims(issuer.token())
    await read_again(both[0])
    with pytest.raises(Unauthenticated):
        await both[0].claims(kept)


async def test_an_issuer_may_spell_itself_with_a_slash() -> None:
    issuer = Issuer(URL, document={"issuer": f"{URL}/"})
    async with verifying(issuer) as (verifier, _):
        assert (await verifier.claims(issuer.token(iss=f"{URL}/")))["sub"] == "ada"
        with pytest.raises(Unauthenticated):
            await verifier.claims(issuer.token())


@pytest.mark.parametrize(
    "document",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"jwks_uri": "http://id.example.org/keys"},
        {"token_endpoint": "http://id.example.org/token"},
        {"end_session_endpoint": "javascript:alert(1)"},
        {"jwks_uri": None},
        {"jwks_uri": 7},
    ],
)
async def test_a_document_that_leads_elsewhere_is_not_believed(document: dict[str, object]) -> None:
    issuer = Issuer(URL, document=document)
    async with verifying(issuer) as (verifier, _):
        with pytest.raises(DependencyDown):
            await verifier.claims(issuer.token())


def test_keys_that_cannot_verify_are_passed_over() -> None:
    good = RSAKey.generate_key(2048, {"kid": "good"}).as_dict(private=False)
    others = [
        {**good, "kid": "encrypts", "use": "enc"},
        {"kty": "AKP", "kid": "of tomorrow", "alg": "ML-DSA-44", "pub": "x"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": "half"},
        {"kty": "EC", "kid": "no curve", "crv": "P-0", "x": "AA", "y": "AA"},
        OctKey.import_key("a secret that somebody has published", {"kid": "shared"}).as_dict(),
        # 512 bits.
        {"kty": "RSA", "kid": "weak", "e": "AQAB", "n": "w" * 86},
    ]
    assert list(signing_keys({"keys": [*others, good]})) == ["good"]
    with pytest.raises(ValueError, match="none of the published keys"):
        signing_keys({"keys": others})


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://id.example.org/keys", True),
        ("http://127.0.0.1:8080/keys", True),
        ("http://localhost/keys", True),
        ("http://id.example.org/keys", False),
        ("http://localhost.evil.example/keys", False),
        ("ftp://localhost/keys", False),
        ("", False),
        (None, False),
    ],
)
def test_addresses_are_under_tls_or_on_this_machine(url: object, safe: bool) -> None:
    assert is_safe(url) is safe
