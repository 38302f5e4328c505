"""Sealed fields: AES-256-GCM under data keys of the database, which key-encryption keys of the settings wrap.

A sealed text is bound to its place: moved to another row it does not open. What was never sealed opens to itself.
"""

import os
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Protocol

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy.exc import DBAPIError

from app.errors import AppError, DependencyDown, Unsealable
from app.telemetry import metrics

log = structlog.get_logger(__name__)
# Every process looks for new keys so often, and a new key seals only after longer: nobody meets one it does not know.
FRESH_S = 10.0
_AGAIN_S = 1.0
KEY_BYTES = 32
_NONCE_BYTES = 12
_HEAD = re.compile(r"sealed:(\d{1,9}):")
_HEAD_BYTES = re.compile(rb"sealed:(\d{1,9}):")
# Not now(), the transaction's beginning: another process may have made the first key since.
_ROWS = (
    "SELECT id, wrapped_by, wrapped, usable_from <= clock_timestamp() AS usable FROM data_keys"
    " WHERE retired_at IS NULL ORDER BY id"
)


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A data key as the database holds it: `by` names the key-encryption key, without telling it."""

    id: int
    by: str
    key: bytes


class Wrapping:
    """The key-encryption keys: the first wraps, all unwrap."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys = {fingerprint(key): AESGCM(key) for key in keys}
        self.first = fingerprint(keys[0])

    def wrap(self, id: int, key: bytes) -> Wrapped:
        """Wrap a data key under the first key."""
        nonce = os.urandom(_NONCE_BYTES)
        return Wrapped(id, self.first, nonce + self._keys[self.first].encrypt(nonce, key, _wrapped_as(id)))

    def unwrap(self, wrapped: Wrapped) -> bytes | None:
        """Give the data key, or None where no key of ours wrapped it or it was altered."""
        key = self._keys.get(wrapped.by)
        if key is None:
            return None
        try:
            return key.decrypt(wrapped.key[:_NONCE_BYTES], wrapped.key[_NONCE_BYTES:], _wrapped_as(wrapped.id))
        except InvalidTag:
            return None


class _Opens(Protocol):
    def bare(self) -> AbstractAsyncContextManager[Any]: ...


class Seals:
    """Seals and opens the fields of a database; without key-encryption keys it leaves everything as it is."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self.wrapping = Wrapping(keys) if keys else None
        self._ciphers: dict[int, AESGCM] = {}
        self.current = 0
        self._due_at = 0.0

    @property
    def is_due(self) -> bool:
        """Say whether the data keys should be read again before the next transaction."""
        return self.wrapping is not None and time.monotonic() >= self._due_at

    def seal(self, text: str, *, of: str) -> str:
        """Seal a text for its place. Raises DependencyDown while no data key could be read."""
        if self.wrapping is None:
            return text
        # As everywhere in the database: no column holds NUL, so nobody who reads expects one.
        sealed = self._sealed(text.replace("\x00", "").encode(), of)
        return f"sealed:{self.current}:{b64encode(sealed).decode()}"

    def open(self, sealed: str, *, of: str) -> str:
        """Open what was sealed for this place; an unsealed text opens to itself. Raises Unsealable."""
        if not sealed.startswith("sealed:") or not (head := _HEAD.match(sealed)):
            return sealed
        try:
            raw = b64decode(sealed[head.end() :], validate=True)
        except ValueError:
            raise _unsealable("altered", of) from None
        return self._opened(int(head[1]), raw, of).decode()

    def seal_bytes(self, content: bytes, *, of: str) -> bytes:
        """Do the same for bytes."""
        if self.wrapping is None:
            return content
        sealed = self._sealed(content, of)
        return b"sealed:%d:%b" % (self.current, sealed)

    def open_bytes(self, sealed: bytes, *, of: str) -> bytes:
        """Do the same for bytes. Raises Unsealable."""
        head = _HEAD_BYTES.match(sealed)
        return self._opened(int(head[1]), sealed[head.end() :], of) if head else sealed

    async def load(self, database: _Opens) -> None:
        """Read the data keys, and make the first where there is none; one that is held already is kept.

        Keys that cannot be read leave things as they are: what needs them says so.
        """
        if self.wrapping is None:
            return
        self._due_at = time.monotonic() + _AGAIN_S
        try:
            async with database.bare() as work:
                rows = (await work.sql(_ROWS)).all() or await self._first(work)
        except (DependencyDown, DBAPIError) as error:
            log.warning("seals.unread", error=type(error).__name__)
            return
        self._take(rows)
        self._due_at = time.monotonic() + FRESH_S

    async def _first(self, work: Any) -> Any:
        assert self.wrapping is not None, "asked only where keys are sealed"
        made = self.wrapping.wrap(1, AESGCM.generate_key(256))
        await work.sql(
            "INSERT INTO data_keys (id, wrapped_by, wrapped) VALUES (1, :by, :key) ON CONFLICT DO NOTHING",
            by=made.by,
            key=made.key,
        )
        return (await work.sql(_ROWS)).all()

    def _take(self, rows: Iterable[Any]) -> None:
        assert self.wrapping is not None, "asked only where keys are sealed"
        usable = []
        for row in rows:
            if row.id not in self._ciphers:
                key = self.wrapping.unwrap(Wrapped(row.id, row.wrapped_by, bytes(row.wrapped)))
                if key is None:
                    log.error("seals.locked", data_key=row.id, wrapped_by=row.wrapped_by)
                    continue
                self._ciphers[row.id] = AESGCM(key)
            if row.usable:
                usable.append(row.id)
        self.current = max(usable, default=self.current)

    def _sealed(self, content: bytes, of: str) -> bytes:
        cipher = self._ciphers.get(self.current)
        if cipher is None:
            raise DependencyDown(
                "The data keys cannot be read, so nothing can be sealed; `app doctor` says why.", retry_after_s=2
            )
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + cipher.encrypt(nonce, content, of.encode())

    def _opened(self, id: int, raw: bytes, of: str) -> bytes:
        cipher = self._ciphers.get(id)
        if cipher is None:
            # Perhaps made a moment ago by another process.
            self._due_at = min(self._due_at, time.monotonic() + _AGAIN_S)
            raise _unsealable("no_key", of)
        try:
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], of.encode())
        except (InvalidTag, ValueError):
            raise _unsealable("altered", of) from None


def fingerprint(key: bytes) -> str:
    """Name a key-encryption key without telling it."""
    return sha256(b"key-encryption key:" + key).hexdigest()[:16]


def _wrapped_as(id: int) -> bytes:
    return b"data key %d" % id


def _unsealable(reason: str, of: str) -> AppError:
    place = of.partition(":")[0]
    metrics.record_unsealable(reason)
    log.error("seals.unreadable", reason=reason, place=place)
    return Unsealable(f"{place} does not open: {_WHY[reason]}")


_WHY: Mapping[str, str] = {
    "no_key": "its data key is unknown to this process; APP_DATA_KEYS may lack the key that wraps it",
    "altered": "it was altered, or moved here from another row",
}
