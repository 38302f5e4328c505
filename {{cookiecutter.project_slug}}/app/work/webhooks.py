"""The operator's hand on receivers of events: made, changed, tried, sent to again; each change asks why."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

from app.control.audience import Audience
from app.control.outside import Inside, ensure_outside, host_of
from app.control.people import People
from app.domain.event import KINDS
from app.domain.identity import Permission, Principal
from app.domain.webhook import new_secret
from app.errors import BadInput, Forbidden, quoted
from app.store import audit, deliveries, events
from app.store import webhooks as table
from app.store.db import Database, Work
from app.store.deliveries import DeliveryRow
from app.store.webhooks import Fresh, Listens, Maker, WebhookRow
from app.work.sending import CURE

MOST = 100
NAME_CHARS, URL_CHARS = 100, 2000
OVERLAP_H, MOST_OVERLAP_H = 24.0, 720.0
TRIED = "webhook.tested"
# Whoever wants to be told only when it is tried, needs no receiver.
CHOICES = tuple(kind for kind in KINDS if kind != TRIED)


@dataclass(frozen=True, slots=True)
class Made:
    """A receiver that was just made, or whose secret was replaced. Nobody can give `secret` again."""

    row: WebhookRow
    secret: str


@dataclass(frozen=True, slots=True)
class WebhookDesk:
    """Where operators manage receivers; `internal` lets these stand in a private network, and without TLS."""

    database: Database
    people: People
    usecases: Collection[str]
    audience: Audience
    internal: bool

    async def listed(self, who: Principal) -> list[WebhookRow]:
        """List receivers, those that are on first. Raises Forbidden."""
        _needs(who)
        async with self.database.work() as work:
            return await table.listed(work)

    async def one(self, who: Principal, id: UUID) -> WebhookRow:
        """Give a receiver. Raises Forbidden, NotFound."""
        _needs(who)
        async with self.database.work() as work:
            return await table.get(work, id)

    async def make(self, who: Principal, *, name: str, url: str, listens: Listens, because: str) -> Made:
        """Make a receiver; where it is cannot be changed later. Raises BadInput with what is allowed, Conflict."""
        _needs(who)
        because, name = _said(because), name.strip()
        if not 0 < len(name) <= NAME_CHARS:
            raise BadInput(f"Name the receiver: 1 to {NAME_CHARS} characters, such as the system that listens.")
        self._ensure_url(url)
        await self._ensure_listens(who, listens)
        fresh = Fresh(uuid4(), name, url, new_secret())
        async with self.database.work() as work:
            if len(await table.listed(work)) >= MOST:
                raise BadInput(f"There are {MOST} receivers already, which is the most.")
            await table.add(work, fresh, listens, by=Maker(who.user_id, who.token_groups, who.unit))
            row = await table.get(work, fresh.id)
            await _note(work, "webhook.made", row, by=who, because=because)
            work.after_commit.append(self.audience.refresh)
        return Made(row, fresh.secret)

    async def change(
        self, who: Principal, id: UUID, *, listens: Listens | None = None, enabled: bool | None = None, because: str
    ) -> WebhookRow:
        """Change what a receiver is told, or turn it off or on; None stays as it is. Raises BadInput, NotFound."""
        _needs(who)
        because = _said(because)
        async with self.database.work() as work:
            before = await table.get(work, id, lock=True)
            wanted = listens or listens_of(before)
            if listens is not None:
                await self._ensure_listens(who, wanted, had_words=before["words"])
            on = before["enabled"] if enabled is None else enabled
            why_off = f"turned off by {who.user_id}" if before["enabled"] else before["why_off"]
            await table.change(work, id, wanted, enabled=on, why_off=why_off)
            row = await table.get(work, id)
            await _note(work, "webhook.changed", row, by=who, because=because, before=before)
            work.after_commit.append(self.audience.refresh)
        return row

    async def rotate(self, who: Principal, id: UUID, *, overlap_h: float, because: str) -> Made:
        """Sign with a new secret, and with the former one too for so many hours. Raises BadInput, NotFound."""
        _needs(who)
        because = _said(because)
        if not 0 <= overlap_h <= MOST_OVERLAP_H:
            raise BadInput(f"The former secret may sign for 0 to {MOST_OVERLAP_H:g} hours more; got {overlap_h:g}.")
        secret = new_secret()
        async with self.database.work() as work:
            before = await table.get(work, id, lock=True)
            await table.rotate(work, id, secret, overlap_s=overlap_h * 3600)
            row = await table.get(work, id)
            await _note(work, "webhook.rotated", row, by=who, because=because, before=before)
        return Made(row, secret)

    async def test(self, who: Principal, id: UUID, *, because: str) -> UUID:
        """Send an event to one receiver, whatever it listens to; gives the event's id. Raises BadInput, NotFound."""
        _needs(who)
        because = _said(because)
        async with self.database.work() as work:
            row = await table.get(work, id)
            if not row["enabled"]:
                raise BadInput("This receiver is off; turn it on first.")
            told = {"webhook_id": str(id), "by": who.user_id}
            event_id = await events.emit(work, TRIED, subject=f"webhooks/{id}", data=told)
            await deliveries.hand(work, id, event_id)
            await deliveries.put_back(work, id, event_id=event_id)
            await audit.note(work, actor=who.user_id, action=TRIED, subject=str(id), reason=because,
                             after={"event": str(event_id)})  # fmt: skip
        return event_id

    async def deliveries(
        self, who: Principal, id: UUID, *, status: str = "", before: datetime | None = None
    ) -> list[DeliveryRow]:
        """List the newest 100 deliveries of a status (empty: any). Raises Forbidden, NotFound."""
        _needs(who)
        async with self.database.work() as work:
            await table.get(work, id)
            return await deliveries.listed(work, id, status=status, before=before)

    async def replay(
        self, who: Principal, id: UUID, *, event_id: UUID | None = None, since: datetime | None = None, because: str
    ) -> int:
        """Send one event again however it ended, or every dead letter; gives how many. Raises BadInput, NotFound."""
        _needs(who)
        because = _said(because)
        async with self.database.work() as work:
            row = await table.get(work, id, lock=True)
            if event_id is not None:
                await deliveries.one(work, id, event_id)
            count = await deliveries.put_back(work, id, event_id=event_id, since=since)
            told = {"deliveries": count, "event": str(event_id) if event_id else None}
            await audit.note(work, actor=who.user_id, action="webhook.replayed", subject=str(id), reason=because,
                             before={"dead": row["dead"]}, after=told)  # fmt: skip
        return count

    def _ensure_url(self, url: str) -> None:
        if len(url) > URL_CHARS or not host_of(url):
            raise BadInput("The address is no https address without a password, such as https://example.org/events.")
        if not (self.internal or urlsplit(url).scheme == "https"):
            raise BadInput(
                f"The address begins with http, and anybody on the way could read along: use https, or {CURE}."
            )
        try:
            ensure_outside(url, internal=self.internal, cure=CURE)
        except Inside as error:
            raise BadInput(f"Nothing may be sent to this address: {error}.") from error

    async def _ensure_listens(self, who: Principal, listens: Listens, *, had_words: bool = False) -> None:
        if not listens.kinds or (strange := sorted(set(listens.kinds) - set(CHOICES))):
            named = ", ".join(quoted(each) for each in strange) if listens.kinds else "nothing"
            raise BadInput(f"`kinds` names {named}; there are: {', '.join(CHOICES)}.")
        if listens.usecases == () or (unknown := sorted(set(listens.usecases or ()) - set(self.usecases))):
            named = ", ".join(quoted(each) for each in unknown) if listens.usecases else "nothing"
            raise BadInput(f"`usecases` names {named}; leave it out for all of: {', '.join(self.usecases) or 'none'}.")
        if listens.words and not had_words:
            await self._ensure_words(who)

    async def _ensure_words(self, who: Principal) -> None:
        later = await self.people.principal(who.user_id, groups=who.token_groups, unit=who.unit)
        if not (who.may(Permission.READ_ALL_TURNS) and later.may(Permission.READ_ALL_TURNS)):
            raise Forbidden(
                f"Words leave under the rights of the person who makes the receiver, who needs the permission"
                f" {Permission.READ_ALL_TURNS.value}; sign in as somebody who holds it, or leave `words` out."
            )


def listens_of(row: WebhookRow) -> Listens:
    """Give what a receiver is told."""
    return Listens(tuple(row["kinds"]), None if row["usecases"] is None else tuple(row["usecases"]), row["words"])


def _needs(who: Principal) -> None:
    if not who.may(Permission.MANAGE_WEBHOOKS):
        raise Forbidden(f"This needs the permission {Permission.MANAGE_WEBHOOKS.value}.")


def _said(because: str) -> str:
    if not because.strip():
        raise BadInput("Say why: the reason is kept with the change.", errors=[{"field": "reason", "wrong": "empty"}])
    return because.strip()


async def _note(
    work: Work, action: str, row: WebhookRow, *, by: Principal, because: str, before: WebhookRow | None = None
) -> None:
    told = {"before": _told(before) if before else None, "after": _told(row)}
    await audit.note(work, actor=by.user_id, action=action, subject=str(row["id"]), reason=because, **told)


def _told(row: WebhookRow) -> dict[str, Any]:
    # Of the address the host alone: many hold a password in their path.
    said = {name: row[name] for name in ("name", "kinds", "usecases", "words", "enabled", "version")}
    return {**said, "host": host_of(row["url"])}
