"""Service accounts: programs with a name, an owner who answers for them, and groups; in config/roles.toml."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain.access import is_name
from app.errors import CannotStart

FILE = "config/roles.toml"
# Begins the id of a service account, and of no person: an identity token that claims such an id is refused.
SERVICE = "service:"
# Begins the id of whoever sits at the machine's own terminal.
TERMINAL = "cli:"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,48}[a-z0-9]")
_KEYS = {"owner", "groups", "unit", "purpose"}


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """A program that asks in its own name; `owner` is the person who answers for it."""

    name: str
    owner: str
    groups: tuple[str, ...]
    purpose: str
    unit: str = ""

    @property
    def user_id(self) -> str:
        """Give the id under which its turns, documents and money stand."""
        return f"{SERVICE}{self.name}"


def read(table: Mapping[str, Any]) -> dict[str, ServiceAccount]:
    """Read `[service_accounts.<name>]` of config/roles.toml, by user id. Raises CannotStart with key and cure."""
    accounts = [_account(name, entry) for name, entry in table.items()]
    return {account.user_id: account for account in accounts}


def _account(name: str, entry: Any) -> ServiceAccount:
    key = f"{FILE}, service_accounts.{name}"
    if not _NAME.fullmatch(name):
        raise CannotStart(f"{key}: name it with small letters, digits and -, 2 to 50 of them, as in `crm-import`")
    if not isinstance(entry, dict) or (unknown := set(entry) - _KEYS):
        what = f"unknown {sorted(unknown)}" if isinstance(entry, dict) else "no table"
        raise CannotStart(f"{key}: {what}; it has the keys: {', '.join(sorted(_KEYS))}")
    for needed in ("owner", "purpose"):
        if not isinstance(entry.get(needed), str) or not entry[needed].strip():
            raise CannotStart(f"{key}.{needed}: say who answers for this account, and what it is for")
    owner = entry["owner"].strip()
    if not is_name(f"user:{owner}") or owner.startswith((SERVICE, TERMINAL)):
        raise CannotStart(f"{key}.owner: write the id that a person signs in with, as in `olga.petrov`; got {owner!r}")
    groups = entry.get("groups", [])
    if not isinstance(groups, list) or not all(isinstance(each, str) and is_name(f"group:{each}") for each in groups):
        raise CannotStart(f"{key}.groups: write a list of names without spaces and commas; got {groups!r}")
    if not isinstance(entry.get("unit", ""), str):
        raise CannotStart(f"{key}.unit: write the name of a unit, or leave it out")
    return ServiceAccount(name, owner, tuple(groups), entry["purpose"], entry.get("unit", ""))
