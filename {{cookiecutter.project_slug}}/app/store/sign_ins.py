"""Browsers that are signed in, by the hash of their cookie; what the issuer said of the person is sealed."""

from dataclasses import dataclass
from typing import Any

import orjson

from app.store.db import Database, Work


@dataclass(frozen=True, slots=True)
class SignIn:
    """What was said when the person signed in; `until` is in seconds since 1970."""

    said: dict[str, Any]
    until: float


def _place(hash_: bytes) -> str:
    return f"sign_ins.claims:{hash_.hex()}"


async def begin(work: Work, hash_: bytes, *, user_id: str, said: dict[str, Any], life_s: float) -> None:
    """Remember a browser for so many seconds; whoever is over by now is forgotten on the way."""
    await work.sql("DELETE FROM sign_ins WHERE expires_at < now()")
    await work.sql(
        "INSERT INTO sign_ins (hash, user_id, claims, expires_at)"
        " VALUES (:hash, :user_id, :claims, now() + make_interval(secs => :life_s))",
        hash=hash_,
        user_id=user_id,
        claims=work.seals.seal(orjson.dumps(said).decode(), of=_place(hash_)),
        life_s=life_s,
    )


async def found(database: Database, hash_: bytes) -> SignIn | None:
    """Give the sign-in with this hash, unless it is over; one trip. Raises DependencyDown."""
    text = await database.trip(
        "SELECT json_build_object('claims', claims, 'until', extract(epoch FROM expires_at))::text"
        " FROM sign_ins WHERE hash = %s AND expires_at > now()",
        hash_,
    )
    if text is None:
        return None
    row = orjson.loads(text)
    said = orjson.loads(database.seals.open(row["claims"], of=_place(hash_)))
    return SignIn(said, float(row["until"]))


async def end(work: Work, hash_: bytes) -> None:
    """Sign a browser out."""
    await work.sql("DELETE FROM sign_ins WHERE hash = :hash", hash=hash_)
