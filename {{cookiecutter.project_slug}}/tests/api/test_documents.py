"""Documents through the door: sent within the rights of the sender, changed by the owner alone, never too large."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx2
import pytest

from app.api.app import create
from app.control.auth import Authenticator
from app.control.development import DevelopmentIssuer
from app.control.people import People
from app.control.roles import Roles
from app.settings import Settings
from app.wiring.service import Service
from tests.conftest import SECRET

As = Callable[[str], dict[str, str]]
LEVELS = {
    "permissions": {"everyone": ["turns.ask", "documents.write"]},
    "classification": {"levels": ["public", "internal", "secret"]},
    "clearance": {"sales": "internal"},
    "regions": {"sales": ["eu"]},
}


@pytest.fixture
async def levelled(service: Service, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The door of a service whose config/roles.toml knows classifications and regions."""
    people = People(Roles.read(LEVELS), service.database)
    issuer = DevelopmentIssuer(SECRET, settings.config("people"))
    application = create(replace(service, people=people, authenticator=Authenticator(issuer, people)))
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app=application), base_url="http://test", timeout=60
    ) as opened:
        yield opened


async def send(client: httpx2.AsyncClient, headers: dict[str, str], text: str = "# X\n\nZebra.", **data: Any) -> Any:
    """Send a file, and give the answer."""
    file = {"file": ("notes.md", text.encode(), "text/markdown")}
    return await client.post("/v1/documents", data={"usecase": "handbook", **data}, files=file, headers=headers)


async def done(service: Service, client: httpx2.AsyncClient, answer: Any, headers: dict[str, str]) -> dict[str, Any]:
    """Run the job that was accepted, and give its result."""
    assert answer.status_code == 202, answer.text
    await service.jobs.run(UUID(answer.json()["job_id"]))
    job = (await client.get(answer.headers["Location"], headers=headers)).json()
    assert job["status"] == "succeeded", job
    result: dict[str, Any] = job["result"]
    return result


@pytest.mark.proves("SEC-4")
async def test_a_document_is_read_by_whom_its_owner_names_and_no_longer(
    service: Service, client: httpx2.AsyncClient, as_: As
) -> None:
    sam, maya, tom = as_("sam.reyes"), as_("maya.okafor"), as_("tom.becker")
    answer = await send(client, sam, title="Caracal", readers=["group:sales"], denied=["user:maya.okafor"])
    id = (await done(service, client, answer, sam))["document_id"]
    url = f"/v1/documents/{id}"
    mine = (await client.get(url, headers=sam)).json()
    assert (mine["readers"], mine["denied"], mine["status"]) == (["group:sales"], ["user:maya.okafor"], "ready")
    assert [(await client.get(url, headers=who)).status_code for who in (maya, tom)] == [404, 404]

    changed = await client.put(f"{url}/access", json={"readers": ["group:sales", "everyone"]}, headers=sam)
    assert (await done(service, client, changed, sam))["readers"] == ["everyone", "group:sales"]
    seen = (await client.get(url, headers=tom)).json()
    assert (seen["readers"], seen["denied"]) == (["everyone"], []), "who else reads it is the owner's business"
    assert (await client.put(f"{url}/access", json={"readers": ["everyone"]}, headers=tom)).status_code == 403
    assert (await client.delete(url, headers=tom)).status_code == 403

    removed = await client.delete(url, headers=sam)
    assert (await done(service, client, removed, sam))["removed"] == 1
    assert (await client.get(url, headers=sam)).status_code == 404


@pytest.mark.proves("OBS-7")
@pytest.mark.parametrize("reason", ["the contract ended", ""])
async def test_who_changed_and_deleted_a_document_stands_in_the_audit_with_the_reason(
    service: Service, client: httpx2.AsyncClient, as_: As, reason: str
) -> None:
    sam, ada = as_("sam.reyes"), as_("olga.petrov")
    id = (await done(service, client, await send(client, sam, readers=["group:sales"]), sam))["document_id"]
    url, said = f"/v1/documents/{id}", {"reason": reason} if reason else {}
    changed = await client.put(f"{url}/access", json={"readers": ["everyone"], **said}, headers=sam)
    await done(service, client, changed, sam)
    await done(service, client, await client.delete(url, params=said, headers=sam), sam)
    told = (await client.get("/v1/admin/audit", params={"subject": id}, headers=ada)).json()
    deleted, shared = (told["entries"] if isinstance(told, dict) else told)[:2]
    assert [(row["action"], row["actor"]) for row in (shared, deleted)] == [
        ("document.shared", "sam.reyes"),
        ("document.deleted", "sam.reyes"),
    ]
    assert {row["reason"] for row in (shared, deleted)} == {reason or "over HTTP; no reason was given"}
    assert (shared["before"]["readers"], shared["after"]["readers"]) == (["group:sales"], ["everyone"])
    assert (deleted["before"]["readers"], deleted["after"]) == (["everyone"], None)


@pytest.mark.proves("SEC-4")
@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"readers": ["group:executives"]}, "not with group:executives"),
        ({"readers": ["user:maya.okafor"]}, "not with user:maya.okafor"),
        ({"readers": ["all"]}, "readers"),
        ({"denied": ["bob"]}, "denied"),
        ({"denied": ["group:sales"]}, "yourself"),
        ({"classification": "secret"}, "cleared"),
        ({"classification": "unheard-of"}, "public, internal, secret"),
        ({"regions": ["us"]}, "regions are: eu"),
    ],
)
async def test_nobody_sends_a_document_with_rights_that_they_do_not_hold(
    levelled: httpx2.AsyncClient, as_: As, data: dict[str, Any], said: str
) -> None:
    answer = await send(levelled, as_("sam.reyes"), **data)
    assert answer.status_code == 422 and said in answer.json()["detail"], answer.text


@pytest.mark.proves("SEC-4")
async def test_rights_that_the_sender_holds_are_accepted(levelled: httpx2.AsyncClient, as_: As) -> None:
    access = {"readers": ["group:sales"], "classification": "internal", "regions": ["eu"]}
    answer = await send(levelled, as_("sam.reyes"), **access)
    assert answer.status_code == 202, answer.text


async def test_documents_that_could_not_be_read_say_why(service: Service, client: httpx2.AsyncClient, as_: As) -> None:
    sam = as_("sam.reyes")
    id = (await done(service, client, await send(client, sam, text=" ", title="Blank"), sam))["document_id"]
    failed = (await client.get("/v1/documents", params={"status": "failed", "limit": 500}, headers=sam)).json()
    (found,) = [document for document in failed if document["id"] == id]
    assert found["status"] == "failed" and "empty" in found["detail"]
    ready = (await client.get("/v1/documents", params={"status": "ready", "limit": 500}, headers=sam)).json()
    assert id not in {document["id"] for document in ready}
    assert (await client.get("/v1/documents?status=lost", headers=sam)).status_code == 422


@pytest.mark.proves("REL-8")
async def test_a_body_that_is_too_large_is_refused_while_it_comes(
    service: Service, client: httpx2.AsyncClient, as_: As
) -> None:
    sent, most = 0, service.settings.max_body_bytes

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield (
            b'--x\r\nContent-Disposition: form-data; name="usecase"\r\n\r\nhandbook\r\n'
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        )
        while sent < 20 * most:
            sent += 65_536
            yield b"x" * 65_536

    headers = {**as_("sam.reyes"), "Content-Type": "multipart/form-data; boundary=x"}
    answer = await client.post("/v1/documents", content=endless(), headers=headers)
    assert answer.status_code == 413, answer.text
    assert sent <= most + 1_000_000, "it was told before the rest had come"
