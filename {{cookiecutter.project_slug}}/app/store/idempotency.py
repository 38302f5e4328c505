"""The caller's promise that two requests are one: the first is done, the second is told its result."""

from typing import Any
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB

from app.domain.turn import IdempotencyKey
from app.errors import KeyReused, RequestInProgress, Unsealable
from app.store import sealed
from app.store.db import Work

KEPT_HOURS = 24


async def begin(
    work: Work, promise: IdempotencyKey, *, user_id: str, subject_id: UUID, busy_s: float
) -> dict[str, Any] | None:
    """Take the key, or give the stored response; one whose holder died is free again after `busy_s` seconds.

    Raises RequestInProgress while the first request runs, KeyReused when the key came with another request,
    Unsealable.
    """
    taken = await work.sql(
        "INSERT INTO idempotency (user_id, key, request_hash, subject_id, expires_at)"
        " VALUES (:user_id, :key, :hash, :subject_id, now() + make_interval(secs => :busy_s))"
        " ON CONFLICT (user_id, key) DO UPDATE SET request_hash = :hash, subject_id = :subject_id, response = NULL,"
        " created_at = now(), expires_at = excluded.expires_at WHERE idempotency.expires_at < now() RETURNING key",
        user_id=user_id,
        key=promise.key,
        hash=promise.request_hash,
        subject_id=subject_id,
        busy_s=busy_s,
    )
    if taken.first() is not None:
        return None
    row = (
        await work.sql(
            "SELECT request_hash, response FROM idempotency WHERE user_id = :user_id AND key = :key",
            user_id=user_id,
            key=promise.key,
        )
    ).one()
    if row.request_hash != promise.request_hash:
        raise KeyReused("This Idempotency-Key was used for a different request; use a new key.")
    if row.response is None:
        raise RequestInProgress("The first request with this Idempotency-Key is still running.", retry_after_s=1)
    kept = {"user_id": user_id, "key": promise.key, "response": row.response}
    response: dict[str, Any] | None = sealed.opened(work.seals, "idempotency", kept)["response"]
    if response is None:
        raise Unsealable("The response that was kept for this Idempotency-Key does not open; send a new key.")
    return response


async def finish(
    work: Work, promise: IdempotencyKey, *, user_id: str, subject_id: UUID, response: dict[str, Any]
) -> None:
    """Keep the response for a day, unless the key has gone to another request meanwhile."""
    statement = text(
        "UPDATE idempotency SET response = :response, expires_at = now() + make_interval(hours => :hours)"
        " WHERE user_id = :user_id AND key = :key AND subject_id = :subject_id"
    ).bindparams(bindparam("response", type_=JSONB))
    row = {"user_id": user_id, "key": promise.key, "response": response}
    row = sealed.closed(work.seals, "idempotency", row)
    await work.run(statement, {**row, "hours": KEPT_HOURS, "subject_id": subject_id})


async def abandon(work: Work, promise: IdempotencyKey, *, user_id: str, subject_id: UUID) -> None:
    """Free the key: nothing was done, so the same request may be sent again."""
    await work.sql(
        "DELETE FROM idempotency WHERE user_id = :user_id AND key = :key AND subject_id = :subject_id",
        user_id=user_id,
        key=promise.key,
        subject_id=subject_id,
    )
