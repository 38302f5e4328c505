"""Uses of tools with effects: proposed by a model, approved by a person, begun once.

waits → approved → running → ran, or failed; `unknown` when nobody can say whether it was done; rejected by a person.
What is approved gets a seal over tool and arguments, with which what is about to run is compared.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from app.store import sealed
from app.store.db import Work
from app.store.tables import review_actions

# What a person can still decide about.
UNDECIDED = ("waits", "failed", "unknown")


async def propose(work: Work, review_id: UUID, actions: Sequence[Mapping[str, Any]]) -> None:
    """Put uses (`tool`, `arguments`) before the reviewers, in the order in which they would run."""
    rows = [
        {
            "review_id": review_id,
            "ordinal": ordinal,
            "tool": action["tool"],
            "proposed": action["arguments"],
            "arguments": action["arguments"],
            "status": "waits",
        }
        for ordinal, action in enumerate(actions)
    ]
    if rows:
        await work.run(insert(review_actions), [sealed.closed(work.seals, "review_actions", row) for row in rows])


async def of(work: Work, review_ids: Iterable[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Give the actions of each review, in order."""
    found: dict[UUID, list[dict[str, Any]]] = {review_id: [] for review_id in review_ids}
    rows = await work.sql(
        "SELECT * FROM review_actions WHERE review_id = ANY(:ids) ORDER BY review_id, ordinal", ids=list(found)
    )
    for row in rows.mappings():
        found[row["review_id"]].append(sealed.opened(work.seals, "review_actions", row))
    return found


async def of_turn(work: Work, turn_id: UUID) -> list[dict[str, Any]]:
    """Say what became of the uses that a turn proposed, without what they were about."""
    rows = await work.sql(
        "SELECT a.tool, a.status, a.error FROM review_actions a JOIN reviews r ON r.id = a.review_id"
        " WHERE r.turn_id = :turn_id ORDER BY a.ordinal",
        turn_id=turn_id,
    )
    return [dict(row) for row in rows.mappings()]


def fingerprint(action: Mapping[str, Any]) -> str:
    """Give the SHA-256 of what a use would do: its review, its place, its tool and its arguments."""
    said = [str(action["review_id"]), action["ordinal"], action["tool"], action["arguments"]]
    # PostgreSQL keeps keys in an order of its own.
    return hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()


def is_as_approved(action: Mapping[str, Any]) -> bool:
    """Say whether a use that is about to run is, to the last byte, what a person approved."""
    return hmac.compare_digest(str(action["approved"]), fingerprint(action))


async def edit(work: Work, review_id: UUID, edited: Mapping[int, Mapping[str, Any]]) -> None:
    """Give undecided uses other arguments, by their places."""
    for ordinal, arguments in edited.items():
        row = {"review_id": review_id, "ordinal": ordinal, "arguments": dict(arguments)}
        await _write(work, sealed.closed(work.seals, "review_actions", row), only=UNDECIDED)


async def approve(work: Work, review_id: UUID, *, edited: Mapping[int, Mapping[str, Any]]) -> int:
    """Approve what is undecided, with other arguments where some are given, and seal it; gives how many that are."""
    await edit(work, review_id, edited)
    waiting = [each for each in (await of(work, [review_id]))[review_id] if each["status"] in UNDECIDED]
    for action in waiting:
        place = {"review_id": review_id, "ordinal": action["ordinal"], "approved": fingerprint(action)}
        row = {**sealed.closed(work.seals, "review_actions", place), "status": "approved", "error": ""}
        await _write(work, row, only=UNDECIDED)
    return len(waiting)


async def _write(work: Work, row: Mapping[str, Any], *, only: Sequence[str]) -> None:
    changed = {name: value for name, value in row.items() if name not in ("review_id", "ordinal")}
    is_it = (review_actions.c.review_id == row["review_id"]) & (review_actions.c.ordinal == row["ordinal"])
    await work.run(review_actions.update().where(is_it, review_actions.c.status.in_(only)), changed)


async def wait_again(work: Work, review_id: UUID, *, those: str) -> None:
    """Put those that are `approved`, or `rejected`, before the reviewers again."""
    await work.sql(
        "UPDATE review_actions SET status = 'waits' WHERE review_id = :id AND status = :those",
        id=review_id,
        those=those,
    )


async def reject(work: Work, review_id: UUID) -> None:
    """Refuse what waits; what failed, or may have been done, stays so for whoever reads it later."""
    await work.sql(
        "UPDATE review_actions SET status = 'rejected' WHERE review_id = :id AND status = 'waits'", id=review_id
    )


async def begin(work: Work, review_id: UUID) -> dict[str, Any] | None:
    """Take the next approved use; once this is committed, nobody else ever begins it without a new approval."""
    rows = await work.sql(
        "UPDATE review_actions SET status = 'running', started_at = now(), finished_at = NULL"
        " WHERE (review_id, ordinal) = (SELECT review_id, ordinal FROM review_actions WHERE review_id = :id"
        "   AND status = 'approved' ORDER BY ordinal LIMIT 1 FOR UPDATE) RETURNING *",
        id=review_id,
    )
    row = rows.mappings().first()
    return sealed.opened(work.seals, "review_actions", row) if row else None


async def finish(work: Work, review_id: UUID, ordinal: int, *, status: str, result: str = "", error: str = "") -> None:
    """Write how a use ended: ran, failed or unknown."""
    told = {"review_id": review_id, "ordinal": ordinal, "result": result}
    await work.sql(
        "UPDATE review_actions SET status = :status, result = :result, error = :error, finished_at = now()"
        " WHERE review_id = :id AND ordinal = :ordinal AND status = 'running'",
        id=review_id,
        ordinal=ordinal,
        status=status,
        result=sealed.closed(work.seals, "review_actions", told)["result"],
        error=error,
    )


async def lost(work: Work, review_id: UUID) -> list[str]:
    """Mark what somebody began and nobody finished as unknown; gives the tools. The caller must hold the job."""
    rows = await work.sql(
        "UPDATE review_actions SET status = 'unknown', finished_at = now(),"
        " error = 'the worker stopped in the middle: whether this was done is not known'"
        " WHERE review_id = :id AND status = 'running' RETURNING tool",
        id=review_id,
    )
    return list(rows.scalars())


async def stranded(work: Work) -> list[UUID]:
    """Find reviews with approved or begun uses whose job has ended: cancelled, or given up."""
    rows = await work.sql(
        "SELECT r.id FROM reviews r JOIN jobs j ON j.id = r.job_id"
        " WHERE j.status IN ('succeeded', 'failed', 'cancelled') AND EXISTS (SELECT 1 FROM review_actions a"
        "   WHERE a.review_id = r.id AND a.status IN ('approved', 'running'))"
        " FOR UPDATE OF r SKIP LOCKED"
    )
    return list(rows.scalars())
