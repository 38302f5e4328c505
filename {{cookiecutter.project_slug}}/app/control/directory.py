"""The company's directory as a JSON document: groups with their members, which are people or other groups.

The form is that of SCIM 2.0 (RFC 7643, section 4.2): an object with `Resources` (or `groups`), each with `displayName`,
an `id` by which other groups may refer to it, and `members` of `value` and `type` ("User" when left out, or "Group").
A person's `value` is the `sub` of their identity token; `display`, where it is given, is their name, which is masked.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import httpx2
from pydantic import BaseModel, Field, ValidationError, model_validator

from app.domain.access import is_name
from app.errors import BadInput, DependencyDown

MOST_BYTES = 50_000_000
TIMEOUT_S = 20.0


class _Member(BaseModel):
    value: str = Field(min_length=1)
    type: Literal["User", "Group"] = "User"
    display: str = ""


class _Group(BaseModel):
    name: str = Field(alias="displayName", min_length=1)
    id: str = ""
    members: list[_Member] = []


class _Document(BaseModel):
    groups: list[_Group] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _scim(cls, given: Any) -> Any:
        return {"groups": given["Resources"]} if isinstance(given, dict) and "Resources" in given else given


@dataclass(frozen=True, slots=True)
class Listing:
    """The groups with every group above each, and the groups of each person, nesting included.

    `names` says what people are called, where the directory does (`display`).
    """

    parents: Mapping[str, frozenset[str]]
    people: Mapping[str, frozenset[str]]
    names: Mapping[str, str] = field(default_factory=dict)


def read(content: bytes) -> Listing:
    """Read the document. Raises BadInput with what is wrong with it, so that a broken one never takes a right away."""
    try:
        groups = _Document.model_validate(json.loads(content)).groups
    except (ValueError, ValidationError) as error:
        raise BadInput(f"The directory's document cannot be read: {_faults(error)}") from error
    names = {group.id or group.name: group.name for group in groups} | {group.name: group.name for group in groups}
    strange = sorted({group.name for group in groups if not is_name(f"group:{group.name}")})
    twice = sorted({group.name for group in groups if sum(other.name == group.name for other in groups) > 1})
    inner = {member.value for group in groups for member in group.members if member.type == "Group"}
    if faults := [
        f"{what}: {', '.join(found[:5])}"
        for what, found in (
            ("names with spaces or commas, which no document can carry", strange),
            ("groups that are listed twice", twice),
            ("groups that are members and are not listed themselves", sorted(inner - names.keys())),
        )
        if found
    ]:
        raise BadInput(f"The directory's document is refused: {'; '.join(faults)}.")
    return _closed(groups, names)


def _closed(groups: list[_Group], names: Mapping[str, str]) -> Listing:
    """Give everything that is reached; groups that hold each other have the same members."""
    above: dict[str, set[str]] = {group.name: set() for group in groups}
    for group in groups:
        for member in group.members:
            if member.type == "Group":
                above[names[member.value]].add(group.name)
    parents = {name: frozenset(_up(name, above) - {name}) for name in above}
    people: dict[str, set[str]] = {}
    for group in groups:
        for member in group.members:
            if member.type == "User":
                people.setdefault(member.value, set()).update({group.name}, parents[group.name])
    named = {
        member.value: member.display for group in groups for member in group.members if member.type == "User"
        if member.display
    }  # fmt: skip
    return Listing(parents, {user_id: frozenset(held) for user_id, held in people.items()}, named)


def _up(name: str, above: Mapping[str, set[str]]) -> set[str]:
    found, rest = {name}, [name]
    while rest:
        new = above[rest.pop()] - found
        found |= new
        rest.extend(new)
    return found


def _faults(error: ValueError) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    # Not what was given: it may name people.
    return "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()[:5])


async def fetch(where: str, *, token: str = "") -> bytes:
    """Read the document's bytes from a file or an address. Raises DependencyDown when it cannot be had."""
    try:
        if "://" not in where:
            return _bounded(await asyncio.to_thread(Path(where).read_bytes))
        headers = {"Accept": "application/scim+json, application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with (
            httpx2.AsyncClient(timeout=TIMEOUT_S, headers=headers) as client,
            client.stream("GET", where) as response,
        ):
            response.raise_for_status()
            content = b""
            async for part in response.aiter_bytes():
                content = _bounded(content + part)
            return content
    except httpx2.HTTPStatusError as error:
        raise _away(where, f"it answers {error.response.status_code}") from error
    except (OSError, httpx2.HTTPError) as error:
        raise _away(where, (error.strerror if isinstance(error, OSError) else "") or type(error).__name__) from error


def _away(where: str, why: str) -> DependencyDown:
    # Without the address's query, and without the client's own words, which quote it: it may hold a secret.
    return DependencyDown(f"The directory {where.partition('?')[0]} cannot be read: {why}.")


def _bounded(content: bytes) -> bytes:
    if len(content) > MOST_BYTES:
        raise BadInput(f"The directory's document is longer than {MOST_BYTES:,} bytes.")
    return content
