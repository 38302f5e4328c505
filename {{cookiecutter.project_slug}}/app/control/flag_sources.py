"""Where flags are read: our own table, or a server that speaks OFREP (flagd does, and others), polled in bulk."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Protocol

import httpx2
import structlog
from pydantic import BaseModel, ValidationError

from app.errors import DependencyDown
from app.store import flags as table
from app.store.db import Database
from app.store.flags import FlagRow

log = structlog.get_logger(__name__)
# OpenFeature Remote Evaluation Protocol, version 0.3: https://github.com/open-feature/protocol
BULK = "/ofrep/v1/evaluate/flags"
TIMEOUT_S = 3.0
NEVER = date.max


class Source(Protocol):
    """Where flags come from; `where` is the address of another system that owns them, "" for our own table."""

    where: str

    async def read(self) -> list[FlagRow]:
        """Give all flags as they stand. Raises DependencyDown."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


class OwnTable:
    """The table `flags`; what the seeds name and the table lacks is added at the first reading."""

    where = ""

    def __init__(self, database: Database, seeds: Sequence[Mapping[str, Any]] = ()) -> None:
        self._database, self._seeds = database, list(seeds)

    async def read(self) -> list[FlagRow]:
        """Read the table."""
        async with self._database.work() as work:
            await table.seed(work, self._seeds)
            rows = await table.every(work)
        self._seeds = []
        return rows

    async def aclose(self) -> None:
        """Hold nothing."""


class _Flag(BaseModel):
    key: str
    value: Any = None
    variant: str = ""
    reason: str = ""
    metadata: dict[str, Any] = {}
    errorCode: str = ""  # noqa: N815 - the protocol's name


class _Bulk(BaseModel):
    flags: list[_Flag]


class Ofrep:
    """A flag server: every flag evaluated there for nobody in particular, read again only when its ETag has changed."""

    def __init__(self, where: str, *, token: str = "") -> None:
        self.where = where
        address = where.replace("flagd://", "http://", 1) if where.startswith("flagd://") else where
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._client = httpx2.AsyncClient(base_url=address.rstrip("/"), timeout=TIMEOUT_S, headers=headers)
        self._etag = ""
        self._rows: dict[str, FlagRow] = {}

    async def read(self) -> list[FlagRow]:
        """Ask for all flags; one that the server cannot evaluate keeps its last known value."""
        headers = {"If-None-Match": self._etag} if self._etag else {}
        try:
            answer = await self._client.post(BULK, json={"context": {}}, headers=headers)
            if answer.status_code == httpx2.codes.NOT_MODIFIED:
                return list(self._rows.values())
            answer.raise_for_status()
            told = _Bulk.model_validate_json(answer.content)
        except (httpx2.HTTPError, ValidationError) as error:
            raise DependencyDown(f"The flags at {self.where} cannot be read: {type(error).__name__}.") from error
        broken = [flag.key for flag in told.flags if flag.errorCode]
        if broken:
            log.warning("flags.not_evaluated", source=self.where, keys=broken[:20])
        kept = {key: self._rows[key] for key in broken if key in self._rows}
        self._rows = kept | {flag.key: self._row(flag) for flag in told.flags if not flag.errorCode}
        self._etag = answer.headers.get("ETag", "")
        return list(self._rows.values())

    async def aclose(self) -> None:
        """Close the connection."""
        await self._client.aclose()

    def _row(self, flag: _Flag) -> FlagRow:
        before = self._rows.get(flag.key)
        definition = {"state": "ENABLED", "variants": {"there": flag.value}, "defaultVariant": "there"}
        if isinstance(flag.value, bool):
            definition = {
                "state": "ENABLED",
                "variants": {"on": True, "off": False},
                "defaultVariant": "on" if flag.value else "off",
            }
        is_same = before is not None and before["definition"] == definition
        told = flag.metadata
        return FlagRow(
            key=flag.key,
            definition=definition,
            kind=_kind(flag.value),
            owner=str(told.get("owner", self.where)),
            expires_on=NEVER,
            version=0 if before is None else before["version"] + (not is_same),
            changed_by=str(told.get("changed_by", "")),
            reason=str(told.get("reason", f"as {self.where} says")),
            changed_at=before["changed_at"] if before and is_same else datetime.now(UTC),
            until=None,
            back=None,
        )


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "string" if isinstance(value, str) else "object"
