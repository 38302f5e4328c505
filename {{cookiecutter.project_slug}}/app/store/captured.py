"""What people said the right answer is: proposed, accepted as a case of the evaluation, or rejected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert

from app.errors import NotFound
from app.store import sealed
from app.store.db import Work
from app.store.tables import captured_cases

Kind = Literal["correction", "complaint", "review"]
Status = Literal["proposed", "accepted", "rejected"]
# So many are masked, or listed, at a time.
MOST = 200
_THOSE = (
    "(cast(:usecase AS text) IS NULL OR usecase = :usecase) AND (cast(:status AS text) IS NULL OR status = :status)"
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """What is proposed about a turn: the right answer (`expected`, or `data` of a structured one), or a `remark`."""

    turn_id: UUID
    kind: Kind
    by: str
    expected: str = ""
    data: Mapping[str, Any] | None = None
    remark: str = ""
    status: Status = "proposed"


@dataclass(frozen=True, slots=True)
class Captured:
    """A captured case as it is kept; `edited_by` wrote the right answer, where it is not the proposer's any more."""

    id: UUID
    turn_id: UUID
    usecase: str
    kind: Kind
    asker: str
    proposed_by: str
    question: str
    expected: str
    expected_data: Mapping[str, Any] | None
    remark: str
    is_masked: bool
    status: Status
    created_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    reason: str | None = None
    written_at: datetime | None = None
    edited_by: str | None = None


_SELECT = f"SELECT {', '.join(each.name for each in fields(Captured))} FROM captured_cases"  # noqa: S608 - constants


async def add(work: Work, proposal: Proposal) -> UUID | None:
    """Keep a proposal with the turn's masked question; a second one of the same person replaces the first.

    None where the turn is unknown or was erased, or where a person has decided on the first one already; a reviewer
    who decides anew replaces what they decided before.
    """
    seen = await work.sql("SELECT usecase, user_id, question FROM turns WHERE id = :id", id=proposal.turn_id)
    turn = seen.first()
    if turn is None or not turn.question:
        return None
    known = await work.sql(
        "SELECT id, status FROM captured_cases WHERE turn_id = :turn_id AND kind = :kind AND proposed_by = :by"
        " FOR UPDATE",
        turn_id=proposal.turn_id,
        kind=proposal.kind,
        by=proposal.by,
    )
    before = known.first()
    if before is not None and before.status != "proposed" and proposal.kind != "review":
        return None
    id: UUID = before.id if before else uuid4()
    row = {
        "id": id,
        "turn_id": proposal.turn_id,
        "usecase": turn.usecase,
        "kind": proposal.kind,
        "asker": turn.user_id,
        "proposed_by": proposal.by,
        "question": turn.question,
        "expected": proposal.expected,
        "expected_data": dict(proposal.data) if proposal.data is not None else None,
        "remark": proposal.remark,
        "is_masked": False,
        "status": proposal.status,
        "decided_by": proposal.by if proposal.status == "accepted" else None,
        "edited_by": None,
    }
    kept = sealed.closed(work.seals, "captured_cases", row)
    anew = ("expected", "expected_data", "remark", "is_masked", "status", "decided_by", "edited_by")
    again = {name: kept[name] for name in anew}
    await work.run(insert(captured_cases).on_conflict_do_update(index_elements=["id"], set_=again), kept)
    return id


async def withdraw(work: Work, turn_id: UUID, *, kind: Kind, by: str) -> None:
    """Forget what this person proposed about a turn, as long as nobody has decided on it."""
    await work.sql(
        "DELETE FROM captured_cases WHERE turn_id = :turn_id AND kind = :kind AND proposed_by = :by"
        " AND status = 'proposed'",
        turn_id=turn_id,
        kind=kind,
        by=by,
    )


async def take_back(work: Work, turn_id: UUID) -> list[UUID]:
    """Leave the cases that reviewers of a turn made as proposals only; gives those that were accepted."""
    rows = await work.sql(
        "UPDATE captured_cases SET status = 'proposed', decided_by = NULL, decided_at = NULL, reason = NULL"
        " WHERE turn_id = :turn_id AND kind = 'review' AND status = 'accepted' RETURNING id",
        turn_id=turn_id,
    )
    return [row.id for row in rows]


async def get(work: Work, id: UUID) -> Captured:
    """Give a captured case, and lock it for this transaction. Raises NotFound."""
    rows = await work.sql(f"{_SELECT} WHERE id = :id FOR UPDATE", id=id)
    row = rows.mappings().first()
    if row is None:
        raise NotFound("There is no captured case with this id.")
    return _opened(work, row)


async def listed(
    work: Work, *, usecase: str | None = None, status: Status | None = None, most: int = MOST
) -> list[Captured]:
    """List captured cases, the newest first."""
    rows = await work.sql(
        f"{_SELECT} WHERE {_THOSE} ORDER BY created_at DESC LIMIT :most",
        usecase=usecase,
        status=status,
        most=most,
    )
    return [_opened(work, row) for row in rows.mappings()]


async def count(work: Work, *, usecase: str | None = None, status: Status | None = None) -> int:
    """Count captured cases."""
    counted = f"SELECT count(*) FROM captured_cases WHERE {_THOSE}"  # noqa: S608 - constants
    rows = await work.sql(counted, usecase=usecase, status=status)
    return int(rows.scalar_one())


async def unmasked(work: Work) -> list[Captured]:
    """Give cases in which known names were not looked for yet, locked, the oldest first."""
    rows = await work.sql(
        f"{_SELECT} WHERE NOT is_masked ORDER BY created_at LIMIT :most FOR UPDATE SKIP LOCKED",
        most=MOST,
    )
    return [_opened(work, row) for row in rows.mappings()]


async def change(work: Work, id: UUID, **columns: Any) -> None:
    """Set columns of a case; what is sealed is sealed again."""
    kept = sealed.closed(work.seals, "captured_cases", {"id": id, **columns})
    await work.run(captured_cases.update().where(captured_cases.c.id == id), kept)


async def written(work: Work, ids: Sequence[UUID]) -> None:
    """Note that these cases stand in a file now."""
    await work.sql("UPDATE captured_cases SET written_at = now() WHERE id = ANY(:ids)", ids=list(ids))


async def counts(work: Work) -> dict[tuple[str, str], int]:
    """Count cases by use case and status."""
    rows = await work.sql("SELECT usecase, status, count(*) AS n FROM captured_cases GROUP BY 1, 2")
    return {(row.usecase, row.status): row.n for row in rows}


def _opened(work: Work, row: Mapping[Any, Any]) -> Captured:
    return Captured(**sealed.opened(work.seals, "captured_cases", dict(row)))
