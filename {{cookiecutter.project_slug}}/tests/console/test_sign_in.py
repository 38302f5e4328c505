"""Signing in at a company's issuer, as a browser does it: code, PKCE, state, nonce, and out again."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from app.control import sign_ins
from app.settings import Settings
from tests.accounts import SITE, Office, office, registered, with_issuer
from tests.fakes.issuer import Issuer, running

pytestmark = pytest.mark.proves("INT-2")
SECRET = "a secret: with + and % in it"
OWN = {"Origin": SITE}


@dataclass
class Browser:
    """A browser with its cookies, at the service and at the issuer; it follows nothing by itself."""

    office: Office
    issuer: Issuer
    there: httpx2.AsyncClient
    cookies: dict[str, str] = field(default_factory=dict)

    async def go(self, path: str, *, form: dict[str, str] | None = None, origin: str = SITE) -> httpx2.Response:
        """Open a page of the service, or send a form."""
        said = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        if form is None:
            response = await self.office.door.get(path, headers=said)
        else:
            response = await self.office.door.post(path, data=form, headers={**said, "Origin": origin})
        self.office.door.cookies.clear()
        for header in response.headers.get_list("set-cookie"):
            name, _, value = header.partition(";")[0].partition("=")
            self.cookies[name] = value.strip('"')
            if "Max-Age=0" in header:
                del self.cookies[name]
        return response

    async def to_issuer(self, wanted: str = "/console") -> str:
        """Begin; gives the issuer's address."""
        begun = await self.go(f"/console/sign-in/start?next={wanted}")
        assert begun.status_code == 303, begun.text
        return begun.headers["location"]

    async def choose(self, address: str, person: str = "ada") -> str:
        """Sign in there; gives the address that leads back, as a path."""
        shown = await self.there.get(address)
        if shown.status_code == 303:
            back = shown.headers["location"]
        else:
            assert "The company" in shown.text, shown.text
            asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
            back = (await self.there.post("/choose", data={**asked, "person": person})).headers["location"]
        assert back.startswith(f"{SITE}/console/sign-in/callback?")
        return back.removeprefix(SITE)

    async def sign_in(self, wanted: str = "/console", person: str = "ada") -> httpx2.Response:
        """All of it; gives the answer to the return."""
        return await self.go(await self.choose(await self.to_issuer(wanted), person))


@pytest.fixture(scope="module", params=["public", "confidential"])
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    secret = SECRET if request.param == "confidential" else ""
    with running(Issuer(client=registered(secret=secret))) as serving:
        yield serving


@pytest.fixture(scope="module")
async def opened(
    issuer: Issuer, service: object, database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Office]:
    """A service whose people sign in there."""
    folder = tmp_path_factory.mktemp("sign-in")
    async with office(database_url, redis_url, folder, **with_issuer(issuer)) as made:
        yield made


@pytest.fixture
async def browser(opened: Office, issuer: Issuer) -> AsyncIterator[Browser]:
    issuer.groups_in, issuer.opaque, issuer.is_up = ("id_token", "access_token"), False, True
    issuer.extra.clear()
    issuer.document.clear()
    async with httpx2.AsyncClient(base_url=issuer.url) as there:
        yield Browser(opened, issuer, there)


async def test_a_person_signs_in_goes_where_they_wanted_and_signs_out(browser: Browser) -> None:
    stranger = await browser.go("/console/jobs")
    assert stranger.headers["location"] == "/console/sign-in?next=%2Fconsole%2Fjobs"
    page = await browser.go(stranger.headers["location"])
    assert page.status_code == 200 and "/console/sign-in/start?next=%2Fconsole%2Fjobs" in page.text
    address = await browser.to_issuer("/console/jobs")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert asked["response_type"] == "code" and asked["code_challenge_method"] == "S256"
    assert asked["state"] and asked["nonce"] and len(asked["code_challenge"]) == 43
    assert asked["redirect_uri"] == f"{SITE}/console/sign-in/callback"

    back = await browser.go(await browser.choose(address))
    assert (back.status_code, back.headers["location"]) == (303, "/console/jobs")
    cookie = next(each for each in back.headers.get_list("set-cookie") if each.startswith("identity="))
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie and len(browser.cookies["identity"]) == 43
    assert not [name for name in browser.cookies if name.startswith("sign_in_")]
    jobs = await browser.go("/console/jobs")
    assert jobs.status_code == 200 and "Ada Byron" in jobs.text
    assert "Ada Byron" in (await browser.go("/")).text, "the chat page takes the same sign-in"
    me = (await browser.go("/v1/me")).json()
    assert me["user_id"] == "ada" and me["groups"] == ["operators"]

    kept = browser.cookies["identity"]
    out = await browser.go("/console/sign-out", form={})
    assert out.status_code == 200 and "identity" not in browser.cookies
    assert out.headers["refresh"].startswith(f"0; url={browser.issuer.url}/end_session?")
    there = await browser.there.get(out.headers["refresh"].removeprefix("0; url="))
    assert there.headers["location"] == f"{SITE}/console/sign-in"
    browser.cookies["identity"] = kept
    assert (await browser.go("/v1/me")).status_code == 401, "the word of a cookie is worth nothing after it"


async def test_whoever_was_signed_in_goes_through_without_a_click(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "LIFE_S", -1.0)
    assert (await browser.sign_in()).status_code == 303
    monkeypatch.undo()
    over = await browser.go("/console/jobs")
    assert over.status_code == 303
    bounced = await browser.go(over.headers["location"])
    assert bounced.headers["location"] == "/console/sign-in/start?next=%2Fconsole%2Fjobs"
    address = (await browser.go(bounced.headers["location"])).headers["location"]
    # The issuer knows the browser: no page is shown.
    assert (await browser.there.get(address)).status_code == 303
    assert (await browser.go(await browser.choose(address))).headers["location"] == "/console/jobs"
    assert (await browser.go("/console/jobs")).status_code == 200


async def test_a_return_that_this_browser_did_not_begin_is_refused(browser: Browser) -> None:
    back = await browser.choose(await browser.to_issuer())
    mine = dict(browser.cookies)
    browser.cookies.clear()
    refused = await browser.go(back)
    assert refused.status_code == 422 and "not begun in this browser" in refused.text
    # Somebody else's return, in a browser that has begun one of its own.
    await browser.to_issuer()
    assert (await browser.go(back)).status_code == 422
    browser.cookies = dict.fromkeys(mine, "forged")
    assert (await browser.go(back)).status_code == 422
    # Under the name that any strange state has.
    browser.cookies = {"sign_in_": next(iter(mine.values()))}
    assert (await browser.go("/console/sign-in/callback?state=%C3%A9&code=x")).status_code == 422
    for broken in ("", "a.b.c.d.e", "....", "eyJhbGciOiJub25lIn0....", "x" * 3000):
        browser.cookies = {"sign_in_": broken}
        assert (await browser.go("/console/sign-in/callback?state=x&code=x")).status_code == 422
    browser.cookies = {}
    assert (await browser.go("/console/sign-in/callback")).status_code == 422
    assert "identity" not in browser.cookies


async def test_two_windows_may_sign_in_at_once(browser: Browser) -> None:
    first, second = await browser.to_issuer("/console"), await browser.to_issuer("/console/jobs")
    assert (await browser.go(await browser.choose(first))).headers["location"] == "/console"
    assert (await browser.go(await browser.choose(second))).headers["location"] == "/console/jobs"


async def test_a_code_works_once(browser: Browser) -> None:
    back, kept = await browser.choose(await browser.to_issuer()), dict(browser.cookies)
    assert (await browser.go(back)).status_code == 303
    browser.cookies = kept
    refused = await browser.go(back)
    assert refused.status_code == 403 and "begin again" in refused.text


async def test_who_is_not_let_in_there_is_told_so(browser: Browser) -> None:
    refused = await browser.go(await browser.choose(await browser.to_issuer(), person="nobody"))
    assert refused.status_code == 403 and "access_denied" in refused.text
    back = await browser.choose(await browser.to_issuer(), person="nobody")
    worded = await browser.go(back.replace("access_denied", "Call+0900+for+help"))
    assert worded.status_code == 403 and "0900" not in worded.text, "a page of ours says nobody else's words"


@pytest.mark.parametrize(
    "extra", [{"nonce": "of another sign-in"}, {"azp": "another-program"}, {"exp": 1}, {"sub": "service:crm"}]
)
async def test_an_identity_token_of_another_sign_in_is_refused(
    browser: Browser, extra: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = browser.issuer.sign

    def altered(claims: dict[str, object], **named: object) -> str:
        return true({**claims, **extra}, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(browser.issuer, "sign", altered)
    refused = await browser.sign_in()
    assert refused.status_code == 403 and "identity" not in browser.cookies


async def test_an_answer_of_another_issuer_is_refused(browser: Browser) -> None:
    back = await browser.choose(await browser.to_issuer())
    here, _, _ = back.partition("&iss=")
    for altered in (here, f"{here}&iss=https%3A%2F%2Fevil.example"):
        assert (await browser.go(altered)).status_code == 403


@pytest.mark.parametrize(
    ("groups_in", "opaque"), [(("access_token",), False), (("userinfo",), False), (("userinfo",), True)]
)
async def test_groups_are_found_where_the_company_says_them(
    browser: Browser, groups_in: tuple[str, ...], opaque: bool
) -> None:
    browser.issuer.groups_in, browser.issuer.opaque = groups_in, opaque
    assert (await browser.sign_in()).status_code == 303
    assert (await browser.go("/v1/me")).json()["groups"] == ["operators"]


@pytest.mark.parametrize("wanted", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:1"])
async def test_nobody_is_sent_to_another_site(browser: Browser, wanted: str) -> None:
    back = await browser.sign_in(wanted.replace(":", "%3A"))
    assert back.headers["location"] == "/"


async def test_while_the_issuer_is_away_whoever_is_signed_in_stays_so(browser: Browser) -> None:
    await browser.sign_in()
    address = await browser.to_issuer()
    back = await browser.choose(address)
    browser.issuer.is_up = False
    assert (await browser.go("/console")).status_code == 200
    away = await browser.go(back)
    assert away.status_code == 503 and "does not answer" in away.text
    browser.issuer.is_up = True


async def test_the_cookie_of_one_who_signs_in_again_is_another_and_the_old_one_ends(browser: Browser) -> None:
    await browser.sign_in()
    old = browser.cookies["identity"]
    await browser.sign_in()
    assert browser.cookies["identity"] != old
    browser.cookies["identity"] = old
    assert (await browser.go("/v1/me")).status_code == 401


async def test_another_site_signs_nobody_out_and_changes_nothing(browser: Browser) -> None:
    await browser.sign_in()
    assert (await browser.go("/console/sign-out", form={}, origin="https://evil.example")).status_code == 403
    assert (await browser.go("/v1/me")).status_code == 200


async def test_a_bearer_token_that_a_proxy_puts_into_the_cookie_still_counts(browser: Browser) -> None:
    browser.cookies["identity"] = browser.issuer.token("grace")
    assert (await browser.go("/v1/me")).json()["user_id"] == "grace"


async def test_what_is_kept_of_a_sign_in_is_sealed_and_forgotten_when_it_is_over(
    browser: Browser, opened: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign_ins, "LIFE_S", -1.0)
    await browser.sign_in(person="ada")
    monkeypatch.undo()
    await browser.sign_in(person="ada")
    async with opened.service.database.work() as work:
        rows = (await work.sql("SELECT claims, expires_at > now() AS lives FROM sign_ins")).all()
    assert rows and all(row.lives for row in rows), "the next who signs in sweeps up"
    assert all(row.claims.startswith("sealed:") and "Byron" not in row.claims for row in rows)


async def test_production_sends_its_cookies_over_tls_only(browser: Browser, opened: Office) -> None:
    settings: Settings = opened.service.settings
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(settings), "is_production", property(lambda _: True))
        begun = await browser.go("/console/sign-in/start")
        back = await browser.go(await browser.choose(begun.headers["location"]))
    for response in (begun, back):
        set_ = [cookie for cookie in response.headers.get_list("set-cookie") if "Max-Age=0" not in cookie]
        assert set_ and all("Secure" in cookie for cookie in set_)


async def test_in_development_there_is_no_issuer_to_go_to(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/console/sign-in/start")).status_code == 404
    assert (await client.get("/console/sign-in/callback?code=x&state=y")).status_code == 404
    assert "Who are you today?" in (await client.get("/console/sign-in")).text
