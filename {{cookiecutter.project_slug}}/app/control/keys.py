"""API keys: how one is made and recognised, and the service account that asks with it."""

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from secrets import token_hex, token_urlsafe

import structlog

from app.control.accounts import SERVICE
from app.control.people import People
from app.control.remembered import Remembered
from app.domain.identity import Permission, Principal
from app.errors import Unauthenticated
from app.store import keys as table
from app.store.background import fault
from app.store.db import Database
from app.store.keys import Found, Fresh

log = structlog.get_logger(__name__)
# So that people, and scanners for secrets, know a key when they see one.
PREFIX = "appkey_"
_FORM = re.compile(r"appkey_[0-9a-f]{12}_[\w-]{43}", re.ASCII)


def make() -> tuple[Fresh, str]:
    """Make a key: what is stored of it, and the key itself, which nobody can give again."""
    key_id = token_hex(6)
    # 256 random bits: nobody guesses them, so a plain hash is as good as a slow one.
    key = f"{PREFIX}{key_id}_{token_urlsafe(32)}"
    return Fresh(key_id, sha256(key.encode()).digest()), key


class Keys:
    """From an API key to the service account behind it, within what the key is for."""

    def __init__(self, database: Database, people: People) -> None:
        self._database, self._people = database, people
        self._known: Remembered[Found] = Remembered(self._look_up)
        self._used: dict[str, float] = {}

    async def _look_up(self, hash_: bytes) -> Found | None:
        return await table.found(self._database, hash_)

    async def principal(self, key: str) -> Principal:
        """Give the account with what it is granted now, cut down to what the key is for.

        Raises Unauthenticated, DependencyDown.
        """
        found = await self._known.get(sha256(key.encode()).digest()) if _FORM.fullmatch(key) else None
        if found is None or found.until <= time.time():
            raise Unauthenticated("The API key is not valid: it is unknown, revoked or expired.")
        account = self._people.roles.accounts.get(f"{SERVICE}{found.account}")
        if account is None:
            raise Unauthenticated(f"The API key's account, {found.account}, is not in config/roles.toml any more.")
        scope = found.scope
        groups = tuple(each for each in account.groups if scope.groups is None or each in scope.groups)
        who = await self._people.principal(account.user_id, name=account.name, groups=groups, unit=account.unit)
        self._used[found.id] = time.time()
        return replace(
            who,
            key_id=found.id,
            permissions=cut(who.permissions, scope.permissions),
            only_usecases=None if scope.usecases is None else frozenset(scope.usecases),
        )

    def forget(self) -> None:
        """Look each key up anew: one has changed."""
        self._known.forget()

    async def note_use(self) -> None:
        """Write down when keys were last used, all at once; a database that is away is told next time."""
        if not self._used:
            return
        used, self._used = self._used, {}
        try:
            async with self._database.work() as work:
                await table.used(work, used)
        # Whatever it was: nobody would start the loop again that calls this.
        except Exception as error:
            self._used = _latest(used, self._used)
            log.warning("keys.use_unwritten", error=fault(error))


def cut(held: frozenset[Permission], wanted: tuple[str, ...] | None) -> frozenset[Permission]:
    """Give those of the held permissions that are wanted; None wants all."""
    return held if wanted is None else frozenset(each for each in held if each.value in wanted)


def _latest(one: Mapping[str, float], other: Mapping[str, float]) -> dict[str, float]:
    return {key_id: max(one.get(key_id, 0), other.get(key_id, 0)) for key_id in {*one, *other}}
