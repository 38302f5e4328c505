"""The directory's document: its form, its nesting, and what is refused."""

import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from app import refusals
from app.control.directory import fetch, read
from app.errors import BadInput, DependencyDown


def document(*groups: dict[str, Any], key: str = "Resources") -> bytes:
    return json.dumps({"totalResults": len(groups), key: list(groups)}).encode()


def group(name: str, *people: str, inside: tuple[str, ...] = (), **more: Any) -> dict[str, Any]:
    members = [{"value": person, "display": person.title()} for person in people]
    members += [{"value": inner, "type": "Group"} for inner in inside]
    return {"displayName": name, "members": members, **more}


def test_people_are_in_their_groups_and_in_all_that_hold_these() -> None:
    found = read(
        document(group("staff", "eve", inside=("hr",)), group("hr", "bob", inside=("pay",)), group("pay", "ada"))
    )
    assert found.parents == {"staff": frozenset(), "hr": {"staff"}, "pay": {"hr", "staff"}}
    assert found.people == {"eve": {"staff"}, "bob": {"hr", "staff"}, "ada": {"pay", "hr", "staff"}}


def test_groups_are_referred_to_by_id_or_by_name() -> None:
    found = read(
        document(group("staff", inside=("7", "it")), group("hr", "ada", id="7"), group("it", "bob"), key="groups")
    )
    assert found.people == {"ada": {"hr", "staff"}, "bob": {"it", "staff"}}


def test_groups_that_hold_each_other_have_the_same_members() -> None:
    found = read(document(group("a", "ada", inside=("b",)), group("b", "bob", inside=("a",))))
    assert found.people == {"ada": {"a", "b"}, "bob": {"a", "b"}}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "cannot be read"),
        (b"[]", "cannot be read"),
        (b"{}", "groups"),
        (document(), "groups"),
        (document({"members": []}), "displayName"),
        (document({"displayName": "hr", "members": [{"type": "Device", "value": "x"}]}), "type"),
        (document(group("Human Resources")), "Human Resources"),
        (document(group("hr"), group("hr")), "twice"),
        (document(group("hr", inside=("ghosts",))), "ghosts"),
    ],
)
def test_a_document_that_cannot_be_meant_is_refused_whole(content: bytes, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        read(content)


async def test_it_comes_from_a_file_or_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "groups.json"
    file.write_bytes(document(group("hr", "ada")))
    assert await fetch(str(file)) == file.read_bytes()
    asked = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(200 if "ok" in str(request.url) else 401, content=document(group("hr", "ada")))

    client = httpx2.AsyncClient
    monkeypatch.setattr(httpx2, "AsyncClient", lambda **more: client(transport=httpx2.MockTransport(answer), **more))
    assert read(await fetch("https://id.example/ok?key=s3cret", token="t")).people == {"ada": {"hr"}}
    assert asked[0].headers["authorization"] == "Bearer t"
    with pytest.raises(DependencyDown) as away:
        await fetch("https://id.example/groups?key=s3cret")
    assert "401" in away.value.detail and "s3cret" not in away.value.detail
    with pytest.raises(DependencyDown, match="No such file"):
        await fetch(str(tmp_path / "absent.json"))


def test_an_address_without_encryption_is_refused_at_the_start() -> None:
    refused = {where for where in ("http://id.example/g", "https://id.example/g", "http://127.0.0.1:9/g", "/etc/g.json")
               if list(refusals._directory(where))}  # fmt: skip
    assert refused == {"http://id.example/g"}
