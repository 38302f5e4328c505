"""The operator's hand on API keys: made, listed, rotated, revoked; each change asks why and stands in the audit."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field

from app.control import keys
from app.control.accounts import SERVICE, ServiceAccount
from app.control.auth import CHANNEL
from app.control.keys import cut
from app.control.people import People
from app.domain.identity import Permission, Principal
from app.errors import BadInput, Forbidden, quoted
from app.store import audit
from app.store import keys as table
from app.store.broadcast import Broadcast
from app.store.db import Database, Work
from app.store.keys import Fresh, KeyRow, Scope

DAYS, MOST_DAYS = 90, 366
OVERLAP_H, MOST_OVERLAP_H = 24.0, 720.0
DAY_S = 86_400.0
NAME_CHARS = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """A key to be made: a name to know it by, whose it is, what it is for, and for how many days."""

    name: str
    account: str
    scope: Scope = field(default_factory=Scope)
    days: float = DAYS


@dataclass(frozen=True, slots=True)
class Made:
    """A key that was just made. Nobody can give `key` again."""

    row: KeyRow
    key: str


@dataclass(frozen=True, slots=True)
class KeyDesk:
    """Where operators manage keys; `forget` has this process look keys up anew."""

    database: Database
    broadcast: Broadcast
    people: People
    usecases: Collection[str]
    forget: Callable[[], None]

    @property
    def accounts(self) -> list[ServiceAccount]:
        """Give the service accounts of config/roles.toml by name."""
        return sorted(self.people.roles.accounts.values(), key=lambda account: account.name)

    async def listed(self, who: Principal) -> list[KeyRow]:
        """List keys, those that work first. Raises Forbidden."""
        _needs(who)
        async with self.database.work() as work:
            return await table.listed(work)

    async def total(self, who: Principal) -> int:
        """Count the keys that were ever made. Raises Forbidden."""
        _needs(who)
        async with self.database.work() as work:
            return await table.count(work)

    async def make(self, who: Principal, wanted: Wanted, *, because: str) -> Made:
        """Make a key. Raises BadInput with what is allowed, Forbidden for more than the maker may do."""
        _needs(who)
        because, name = _said(because), wanted.name.strip()
        if not name or len(name) > NAME_CHARS:
            raise BadInput(f"Name the key: 1 to {NAME_CHARS} characters, such as the program that will use it.")
        if not 0 < wanted.days <= MOST_DAYS:
            raise BadInput(f"A key works for 1 to {MOST_DAYS} days; got {wanted.days:g}.")
        account = self._account(wanted.account)
        await self._ensure_allowed(who, account, wanted.scope)
        fresh, key = keys.make()
        async with self.database.work() as work:
            await _added(work, fresh, Wanted(name, account.name, wanted.scope, wanted.days), by=who.user_id)
            row = await table.get(work, fresh.id)
            await _note(work, "key.made", row, by=who, because=because, before=None)
        return Made(row, key)

    async def rotate(self, who: Principal, key_id: str, *, overlap_h: float, because: str) -> Made:
        """Make a key like this one, which works for so many hours more. Raises NotFound, Conflict, Forbidden."""
        _needs(who)
        because = _said(because)
        if not 0 <= overlap_h <= MOST_OVERLAP_H:
            raise BadInput(f"The old key may work for 0 to {MOST_OVERLAP_H:g} hours more; got {overlap_h:g}.")
        fresh, key = keys.make()
        async with self.database.work() as work:
            old = await table.get(work, key_id)
            scope = Scope(*(_tuple(names) for names in (old["permissions"], old["groups"], old["usecases"])))
            await self._ensure_allowed(who, self._account(old["account"]), scope)
            days = min(MOST_DAYS, (old["expires_at"] - old["created_at"]).total_seconds() / DAY_S)
            await _added(work, fresh, Wanted(old["name"], old["account"], scope, days), by=who.user_id)
            await table.replace(work, key_id, by_id=fresh.id, overlap_s=overlap_h * 3600)
            row = await table.get(work, fresh.id)
            now = await table.get(work, key_id)
            await _note(work, "key.rotated", now, by=who, because=because, before=old)
            work.after_commit.append(self._tell)
        return Made(row, key)

    async def revoke(self, who: Principal, key_id: str, *, because: str) -> KeyRow:
        """End a key at once and for ever. Raises NotFound, Conflict, Forbidden."""
        _needs(who)
        because = _said(because)
        async with self.database.work() as work:
            old = await table.get(work, key_id)
            await table.revoke(work, key_id, by=who.user_id)
            row = await table.get(work, key_id)
            await _note(work, "key.revoked", row, by=who, because=because, before=old)
            work.after_commit.append(self._tell)
        return row

    async def _tell(self) -> None:
        self.forget()
        await self.broadcast.publish(CHANNEL, "key")

    def _account(self, name: str) -> ServiceAccount:
        account = self.people.roles.accounts.get(f"{SERVICE}{name}")
        if account is None:
            there = ", ".join(account.name for account in self.accounts) or "none yet"
            raise BadInput(
                f"There is no service account {quoted(name)}; there are: {there}. Add one to config/roles.toml:"
                " [service_accounts.<name>] with owner, groups and purpose."
            )
        return account

    async def _ensure_allowed(self, who: Principal, account: ServiceAccount, scope: Scope) -> None:
        held = (await self.people.principal(account.user_id, groups=account.groups)).permissions
        within: dict[str, tuple[tuple[str, ...] | None, Collection[str]]] = {
            "permissions": (scope.permissions, {each.value for each in held}),
            "groups": (scope.groups, account.groups),
            "usecases": (scope.usecases, self.usecases),
        }
        for place, (names, allowed) in within.items():
            _within(place, names, allowed)
        if more := sorted(each.value for each in cut(held, scope.permissions) - who.permissions):
            raise Forbidden(
                f"Nobody hands out what they do not hold: you lack {', '.join(more)}."
                " Leave them out of the key's permissions, or ask somebody who holds them."
            )


def _within(place: str, names: tuple[str, ...] | None, allowed: Collection[str]) -> None:
    if names == ():
        raise BadInput(f"`{place}` is empty, so the key could do nothing; leave it out for all of the account's.")
    if names is not None and (strange := sorted(set(names) - set(allowed))):
        there = ", ".join(sorted(allowed)) or "none"
        raise BadInput(f"`{place}` names {', '.join(strange)}; the account has: {there}.")


def _needs(who: Principal) -> None:
    if not who.may(Permission.MANAGE_KEYS):
        raise Forbidden(f"This needs the permission {Permission.MANAGE_KEYS.value}.")


def _said(because: str) -> str:
    if not because.strip():
        raise BadInput("Say why: the reason is kept with the change.", errors=[{"field": "reason", "wrong": "empty"}])
    return because.strip()


def _tuple(names: list[str] | None) -> tuple[str, ...] | None:
    return None if names is None else tuple(names)


async def _added(work: Work, fresh: Fresh, wanted: Wanted, *, by: str) -> None:
    await table.add(work, fresh, name=wanted.name, account=wanted.account, scope=wanted.scope, by=by, days=wanted.days)


async def _note(work: Work, action: str, row: KeyRow, *, by: Principal, because: str, before: KeyRow | None) -> None:
    changed = {"before": _told(before) if before else None, "after": _told(row)}
    await audit.note(work, actor=by.user_id, action=action, subject=row["id"], reason=because, **changed)


def _told(row: KeyRow) -> dict[str, object]:
    said = {name: value for name, value in row.items() if name in _TOLD}
    return {**said, "expires_at": row["expires_at"].isoformat()}


_TOLD = {"name", "account", "permissions", "groups", "usecases", "status", "replaced_by"}
