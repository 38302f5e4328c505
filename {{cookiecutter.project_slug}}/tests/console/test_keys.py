"""The page of keys: a key is on it once; what changes asks for a reason and comes from the page itself."""

import re
from collections.abc import AsyncIterator

import httpx2
import pytest

from app.wiring.service import Service
from tests.accounts import Office, office
from tests.console.conftest import Seen

pytestmark = pytest.mark.proves("SEC-2")
PAGE = "/console/keys"
NEW = {"name": "from <b>the page</b>", "account": "crm", "usecases": "handbook, cached", "reason": "the page is tested"}
KEY = re.compile(r"appkey_([0-9a-f]{12})_[\w-]{43}")


@pytest.fixture(scope="module")
async def opened(
    service: Service, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    async with office(database_url, redis_url, tmp_path_factory.mktemp("keys")) as made:
        yield made


@pytest.fixture
def olga(seen: Seen) -> dict[str, str]:
    return seen("olga.petrov")


async def made(door: httpx2.AsyncClient, headers: dict[str, str]) -> tuple[str, str]:
    """Make a key on the page; gives its id and the key."""
    page = await door.post(PAGE, data=NEW, headers=headers)
    assert page.status_code == 200, page.text
    found = KEY.search(page.text)
    assert found, page.text
    return found[1], found[0]


async def test_a_key_is_made_on_the_page_and_shown_this_once(opened: Office, olga: dict[str, str]) -> None:
    key_id, key = await made(opened.door, olga)
    me = await opened.me(key)
    assert me.json()["user_id"] == "service:crm"
    again = await opened.door.get(PAGE, headers=olga)
    assert key not in again.text and f"appkey_{key_id}…" in again.text
    assert "from &lt;b&gt;the page" in again.text and "handbook, cached" in again.text
    assert again.headers["cache-control"] == "no-store" and f'href="{PAGE}"' in again.text


async def test_a_key_is_rotated_and_revoked_on_the_page(opened: Office, olga: dict[str, str]) -> None:
    key_id, key = await made(opened.door, olga)
    turn = {"key_id": key_id, "what": "rotate", "overlap_hours": "0", "reason": "at once"}
    rotated = await opened.door.post(f"{PAGE}/change", data=turn, headers=olga)
    found = KEY.search(rotated.text)
    assert found and found[0] != key and (await opened.me(found[0])).status_code == 200
    assert (await opened.me(key)).status_code == 401
    end = {"key_id": found[1], "what": "revoke", "reason": "the test is over"}
    told = (await opened.door.post(f"{PAGE}/change", data=end, headers=olga)).text
    assert "replaced" not in told.partition("</div>")[0] and 'state off">revoked' in told and "by olga.petrov" in told
    assert (await opened.me(found[0])).status_code == 401
    audit = await opened.door.get(f"/console/audit?subject={found[1]}", headers=olga)
    assert "the test is over" in audit.text and "key.revoked" in audit.text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("", {**NEW, "reason": " "}),
        ("", {**NEW, "account": "nobody"}),
        ("", {**NEW, "permissions": "switches.flip"}),
        ("", {**NEW, "days": "400"}),
        ("", {**NEW, "name": "a\x00b"}),
        ("", {**NEW, "extra": "1"}),
        ("/change", {"key_id": "0123456789ab", "what": "revoke", "reason": "not there"}),
        ("/change", {"key_id": "x", "what": "revoke", "reason": "no id"}),
        ("/change", {"key_id": "0123456789ab", "what": "melt", "reason": "no such thing"}),
    ],
)
async def test_a_form_that_makes_no_sense_makes_and_changes_nothing(
    opened: Office, olga: dict[str, str], path: str, form: dict[str, str]
) -> None:
    page = await opened.door.post(f"{PAGE}{path}", data=form, headers=olga)
    assert page.status_code in (404, 422) and not KEY.search(page.text)
    assert page.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize("typed", ["strangeX4539578763621486", "X-sk-live7Qm2vT9xLr4cWd8y", "4539578763621486"])
async def test_a_field_that_somebody_made_up_is_not_repeated(opened: Office, olga: dict[str, str], typed: str) -> None:
    form = {"key_id": "0123456789ab", "what": "revoke", "reason": "r", typed: "", "kye_id": "x"}
    page = await opened.door.post(f"{PAGE}/change", data=form, headers=olga)
    assert page.status_code == 422 and typed not in page.text and "kye_id" in page.text


async def test_other_sites_and_other_people_get_nowhere(opened: Office, seen: Seen, olga: dict[str, str]) -> None:
    foreign = await opened.door.post(PAGE, data=NEW, headers={**olga, "Origin": "https://evil.example"})
    assert foreign.status_code == 403 and not KEY.search(foreign.text)
    for headers in (seen("sam.reyes"), seen("hana.lind")):
        assert (await opened.door.get(PAGE, headers=headers)).status_code == 403
        assert (await opened.door.post(PAGE, data=NEW, headers=headers)).status_code == 403
    assert (await opened.door.get(PAGE)).status_code == 303


async def test_without_accounts_the_page_says_what_to_do(client: httpx2.AsyncClient, olga: dict[str, str]) -> None:
    page = await client.get(PAGE, headers=olga)
    assert page.status_code == 200 and "config/roles.toml" in page.text and "<select" not in page.text
