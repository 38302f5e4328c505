"""The company's tokens through the door: while its keys rotate, and while it is away."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest

from app.control import discovery
from tests.accounts import Office, bearer, office, registered, with_issuer
from tests.fakes.issuer import Issuer, running

pytestmark = pytest.mark.proves("INT-2")


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    with running(Issuer(client=registered())) as serving:
        yield serving


@pytest.fixture
async def door(
    issuer: Issuer, service: object, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A service that takes the issuer's tokens."""
    issuer.is_up = True
    async with office(database_url, redis_url, tmp_path_factory.mktemp("tokens"), **with_issuer(issuer)) as opened:
        yield opened


async def me(office: Office, token: str) -> httpx2.Response:
    return await office.door.get("/v1/me", headers=bearer(token))


async def test_keys_rotate_under_load_and_no_request_fails(door: Office, issuer: Issuer) -> None:
    statuses: list[int] = []
    due = asyncio.Semaphore(0)

    async def asks() -> None:
        for _ in range(8):
            statuses.append((await me(door, issuer.token(jti=str(len(statuses))))).status_code)
            if len(statuses) % 50 == 0:
                due.release()

    asking = asyncio.gather(*(asks() for _ in range(30)))
    for _ in range(4):
        await due.acquire()
        issuer.rotate(keep=3)
    await asking
    assert len(statuses) == 240 and set(statuses) == {200}
    assert len({key.kid for key in issuer.keys}) == 4


async def test_a_token_opens_each_door_and_a_bad_one_none(door: Office, issuer: Issuer) -> None:
    token, bad = bearer(issuer.token("grace")), bearer(issuer.token("grace", aud="another"))
    question = {"question": "How many days of annual leave do employees have?"}
    assert (await door.door.post("/v1/usecases/handbook/turns", json=question, headers=token)).status_code == 200
    assert (await door.door.get("/openai/v1/models", headers=token)).status_code == 200
    for place in ("/v1/me", "/openai/v1/models", "/v1/sessions"):
        refused = await door.door.get(place, headers=bad)
        assert refused.status_code == 401 and "www-authenticate" in refused.headers


async def test_while_the_issuer_is_away_people_who_have_a_token_go_on(
    door: Office, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (await me(door, issuer.token())).status_code == 200
    monkeypatch.setattr(discovery, "KEYS_FRESH_S", -1.0)
    monkeypatch.setattr(discovery, "KEYS_RETRY_S", -1.0)
    issuer.is_up = False
    for _ in range(5):
        assert (await me(door, issuer.token())).status_code == 200
    unknown = issuer.rotate()
    assert (await me(door, issuer.token(key=unknown))).status_code == 401
    issuer.is_up = True
    assert (await me(door, issuer.token())).status_code == 200


async def test_a_service_that_starts_while_the_issuer_is_away_says_so_and_recovers(
    door: Office, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer.is_up = False
    refused = await me(door, issuer.token())
    assert refused.status_code == 503 and "identity provider" in refused.json()["detail"]
    assert refused.headers["retry-after"] == "5"
    issuer.is_up = True
    monkeypatch.setattr(discovery, "FIRST_AGAIN_S", -1.0)
    assert (await me(door, issuer.token())).status_code == 200
