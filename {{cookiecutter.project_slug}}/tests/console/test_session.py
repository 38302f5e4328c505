"""Signing in and out, and who gets to see a page."""

import dataclasses
from collections.abc import Callable, Iterator

import httpx2
import pytest
from fastapi import FastAPI

from app.console import html
from app.console.session import own_path
from app.control.auth import Authenticator
from app.control.oidc import OidcIssuer
from app.wiring.service import Service
from tests.console.conftest import Seen

OWN = {"Origin": "http://test"}
# Everybody's data is the office of privacy's alone.
PAGES = {path: permission.value for _, path, permission, _ in html.PAGES if path != "/console/people"}


@pytest.mark.parametrize("path", ["/", *PAGES])
async def test_a_stranger_is_sent_to_sign_in_and_back(client: httpx2.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 303
    expected = "/console/sign-in" if path == "/" else f"/console/sign-in?next={path.replace('/', '%2F')}"
    assert response.headers["location"] == expected


async def test_a_token_that_is_not_ours_counts_for_nothing(client: httpx2.AsyncClient) -> None:
    response = await client.get("/", headers={"Cookie": "identity=forged"})
    assert response.headers["location"] == "/console/sign-in"


@pytest.mark.parametrize(("path", "permission"), PAGES.items())
async def test_a_page_needs_its_permission(client: httpx2.AsyncClient, seen: Seen, path: str, permission: str) -> None:
    response = await client.get(path, headers=seen("sam.reyes"))
    assert response.status_code == 403
    assert response.headers["content-type"].startswith("text/html")
    assert permission in response.text


@pytest.mark.parametrize("path", PAGES)
async def test_an_operator_opens_every_page(client: httpx2.AsyncClient, seen: Seen, path: str) -> None:
    response = await client.get(path, headers=seen("olga.petrov"))
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert 'class="help"' in response.text


async def test_only_pages_that_may_be_opened_are_linked(client: httpx2.AsyncClient, seen: Seen) -> None:
    text = (await client.get("/console", headers=seen("hana.lind"))).text
    assert 'href="/console/reviews"' in text
    assert 'href="/console/switches"' not in text
    assert "Cost" not in text


async def test_choosing_a_person_sets_a_cookie_that_scripts_cannot_read(client: httpx2.AsyncClient) -> None:
    response = await client.post("/console/sign-in", data={"person": "erin.holt", "next": "/console"}, headers=OWN)
    client.cookies.clear()
    assert (response.status_code, response.headers["location"]) == (303, "/console")
    cookie = response.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    page = await client.get("/", headers={"Cookie": cookie.split(";")[0]})
    assert "Erin Holt" in page.text


async def test_signing_out_forgets_the_person(client: httpx2.AsyncClient, seen: Seen) -> None:
    response = await client.post("/console/sign-out", headers=seen("sam.reyes"))
    assert response.status_code == 303
    assert 'identity="";' in response.headers["set-cookie"] and "Max-Age=0" in response.headers["set-cookie"]


async def test_somebody_unknown_cannot_be_chosen(client: httpx2.AsyncClient) -> None:
    response = await client.post("/console/sign-in", data={"person": "mallory"}, headers=OWN)
    assert response.status_code == 401
    assert "set-cookie" not in response.headers


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://test.evil.example", None])
async def test_another_site_cannot_sign_a_visitor_in(client: httpx2.AsyncClient, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    response = await client.post("/console/sign-in", data={"person": "olga.petrov"}, headers=headers)
    assert response.status_code == 403
    assert "set-cookie" not in response.headers


@pytest.fixture
def company_issuer(service: Service, application: FastAPI) -> Iterator[None]:
    """A service whose people come from a company's own issuer."""
    authenticator = Authenticator(OidcIssuer("https://id.example", "app"), service.people)
    application.state.service = dataclasses.replace(service, authenticator=authenticator)
    yield
    application.state.service = service


@pytest.mark.usefixtures("company_issuer")
async def test_with_a_company_issuer_nobody_can_be_chosen(client: httpx2.AsyncClient) -> None:
    response = await client.post("/console/sign-in", data={"person": "olga.petrov"}, headers=OWN)
    assert response.status_code == 404
    assert "set-cookie" not in response.headers
    page = await client.get("/console/sign-in")
    assert page.status_code == 200
    assert "company" in page.text and "Olga" not in page.text


@pytest.mark.parametrize("wanted", ["/", "/console", "/console/turns?usecase=a&person=b.c", "/console/turns/1-2"])
def test_a_path_of_ours_is_kept(wanted: str) -> None:
    assert own_path(wanted) == wanted


@pytest.mark.parametrize(
    "wanted",
    [
        "",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/\t/evil.example",
        "/console\n",
        "javascript:1",
        "console",
    ],
)
def test_a_path_that_leads_elsewhere_is_not(wanted: str) -> None:
    assert own_path(wanted) == "/"


async def test_the_bearer_header_opens_no_page(
    client: httpx2.AsyncClient, as_: Callable[[str], dict[str, str]]
) -> None:
    assert (await client.get("/console", headers=as_("olga.petrov"))).status_code == 303
