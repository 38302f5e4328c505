"""Reviews: what waits for a person, and what became of it. A row is a draft with the question and why it waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert

from app.domain.masking import mentioned
from app.domain.review import Terms, ensure_not_written, person
from app.errors import Conflict, NotFound
from app.store import actions, audit, events, sealed
from app.store.db import Work
from app.store.plain import as_json
from app.store.tables import reviews

STANDARD = Terms()


@dataclass(frozen=True, slots=True)
class Proposed:
    """Uses of tools (`tool`, `arguments`) that a person must approve, and the rights with which they would run."""

    actions: Sequence[Mapping[str, Any]]
    groups: tuple[str, ...] = ()
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a reviewer decides; `final` and `data` replace the draft's, `arguments` those of the uses by their place.

    `note` is told to the person who asked. Text, data, note and reason are masked; `masks` are all placeholders of the
    review from then on, None where none came with the decision.
    """

    by: str
    approve: bool
    because: str
    final: str | None = None
    data: dict[str, Any] | None = None
    arguments: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    note: str = ""
    masks: Mapping[str, str] | None = None

    @property
    def edits(self) -> bool:
        """Say whether it changes what was drafted."""
        return self.final is not None or self.data is not None or bool(self.arguments)


@dataclass(frozen=True, slots=True)
class Narrow:
    """Which reviews to list: of a kind, of a use case, in somebody's hands (`of`), only those that are overdue."""

    kind: str = ""
    usecase: str = ""
    of: str = ""
    overdue: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What goes before the reviewers: a draft (`text`, `data`) in which the placeholders of `masks` stand, and why.

    `authors` are the people who wrote the draft, if people did.
    """

    turn_id: UUID
    usecase: str
    asker: str
    question: str
    why: str
    text: str = ""
    data: Mapping[str, Any] | None = None
    masks: Mapping[str, str] = field(default_factory=dict)
    complaint: str | None = None
    authors: tuple[str, ...] = ()
    terms: Terms = STANDARD


async def open_(work: Work, opening: Opening) -> UUID:
    """Put a draft before the reviewers, and tell who listens.

    Raises Conflict where the turn has a review of this kind already.
    """
    review_id, terms = uuid4(), opening.terms
    texts = (opening.question, opening.text, as_json(opening.data), opening.complaint or "")
    masks = mentioned(texts, opening.masks)
    row = {name: getattr(opening, name) for name in ("turn_id", "usecase", "asker", "question", "why", "complaint")}
    row |= {"id": review_id, "draft": opening.text, "data": dict(opening.data) if opening.data is not None else None}
    row |= {"masks": as_json(masks) if masks else None, "status": "open", "asker_groups": [], "asker_unit": ""}
    row |= {"authors": list(opening.authors), "kind": terms.kind, "priority": terms.priority, "hours": terms.hours}
    statement = insert(reviews).on_conflict_do_nothing(constraint="reviews_turn_kind").returning(reviews.c.id)
    if (await work.run(statement, sealed.closed(work.seals, "reviews", row))).first() is None:
        raise Conflict(f"This turn has a review of the kind {terms.kind} already.")
    await due(work, review_id)
    return review_id


async def complain(work: Work, filed: Opening) -> UUID:
    """Put a complaint before the reviewers; while nobody has decided, another one replaces it. Raises Conflict."""
    rows = await work.sql(
        "SELECT id, status, masks FROM reviews WHERE turn_id = :id AND kind = 'complaint' FOR UPDATE", id=filed.turn_id
    )
    found = rows.first()
    if found is None:
        return await open_(work, filed)
    if found.status != "open":
        raise Conflict("Somebody has decided on your complaint about this answer.")
    masks = mentioned((filed.question, filed.text, as_json(filed.data), filed.complaint or ""), filed.masks)
    # What a placeholder of the replaced words stood for is kept, or its number would be given out again.
    masks |= sealed.known(work.seals, "reviews", found.id, found.masks)
    await _write(work, found.id, {"complaint": filed.complaint, "masks": as_json(masks) if masks else None})
    review_id: UUID = found.id
    return review_id


async def of_turn(work: Work, turn_id: UUID) -> list[dict[str, Any]]:
    """Give the reviews of a turn, the oldest first."""
    rows = await work.sql("SELECT * FROM reviews WHERE turn_id = :id ORDER BY created_at", id=turn_id)
    return [_opened(work, row) for row in rows.mappings()]


async def due(work: Work, review_id: UUID) -> None:
    """Start the clock of a review that was just opened, or opened again, and tell who listens."""
    rows = await work.sql(
        "UPDATE reviews SET due_at = now() + make_interval(secs => hours * 3600), overdue_at = NULL,"
        " taken_by = NULL, taken_until = NULL WHERE id = :id RETURNING *",
        id=review_id,
    )
    row = rows.mappings().one()
    await events.emit(work, "review.opened", subject=f"reviews/{row['id']}", usecase=row["usecase"], data=news(row))


def news(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Give what an event tells of a review: ids and times, nobody's words."""
    told = {name: row[name] for name in ("turn_id", "kind", "priority", "job_id")}
    people = {"user_id": row["asker"], "assignee": row["assigned_to"]}
    return {"review_id": row["id"], **told, **people, "due_at": row["due_at"].isoformat()}


async def propose(work: Work, review_id: UUID, proposed: Proposed) -> None:
    """Put uses of tools before the reviewers, beside the draft."""
    rights = {"asker_groups": list(proposed.groups), "asker_unit": proposed.unit}
    await work.run(reviews.update().where(reviews.c.id == review_id), rights)
    await actions.propose(work, review_id, proposed.actions)


ANY = Narrow()


async def listed(
    work: Work, *, status: str = "open", limit: int = 100, offset: int = 0, narrow: Narrow = ANY
) -> list[dict[str, Any]]:
    """List reviews of a status with their actions: by priority and deadline, or decided ones, the newest first."""
    order = "r.priority, r.due_at, r.id" if status == "open" else "r.decided_at DESC, r.id"
    rows = await work.sql(
        "SELECT r.* FROM reviews r WHERE r.status = :status AND (:kind = '' OR r.kind = :kind)"  # noqa: S608 - ours
        " AND (:usecase = '' OR r.usecase = :usecase) AND (NOT :overdue OR r.due_at < now())"
        " AND (:of = '' OR r.assigned_to = :of OR r.decided_by = :of OR (r.taken_by = :of AND r.taken_until > now()))"
        f" ORDER BY {order} LIMIT :limit OFFSET :offset",
        status=status,
        limit=limit,
        offset=offset,
        kind=narrow.kind,
        usecase=narrow.usecase,
        of=narrow.of,
        overdue=narrow.overdue,
    )
    found = [_opened(work, row) for row in rows.mappings()]
    proposed = await actions.of(work, [row["id"] for row in found])
    return [{**row, "actions": proposed[row["id"]]} for row in found]


async def get(work: Work, review_id: UUID, *, lock: bool = True) -> dict[str, Any]:
    """Give a review with its actions, and lock it for this transaction. Raises NotFound."""
    statement = "SELECT * FROM reviews WHERE id = :id" + (" FOR UPDATE" if lock else "")  # noqa: S608 - constants
    row = (await work.sql(statement, id=review_id)).mappings().first()
    if row is None:
        raise NotFound("There is no review with this id.")
    told = _opened(work, row)
    return {**told, "actions": (await actions.of(work, [review_id]))[review_id]}


def _opened(work: Work, row: Mapping[Any, Any]) -> dict[str, Any]:
    masks = sealed.known(work.seals, "reviews", row["id"], row["masks"])
    return {**sealed.opened(work.seals, "reviews", row), "masks": masks}


async def decide(work: Work, review_id: UUID, decision: Decision, *, job_id: UUID | None = None) -> dict[str, Any]:
    """Approve (perhaps edited) or reject, with an audit row; nobody approves what they wrote.

    `job_id` is the job that will run what is approved. Raises Forbidden, Conflict, NotFound.
    """
    row = await get(work, review_id)
    if decision.approve:
        ensure_not_written(row, decision.by)
    if decision.approve and decision.final is None and sealed.UNREADABLE in (row["final"], row["draft"]):
        raise Conflict("The draft does not open any more; write the answer anew, or reject it.")
    status = "approved" if decision.approve else "rejected"
    # An empty text that somebody approves stays empty.
    result = {
        "status": status,
        "decided_by": decision.by,
        "reason": decision.because,
        "final": _first(decision.final, row["final"], row["draft"]) if decision.approve else None,
        "final_data": _first(decision.data, row["final_data"], row["data"]) if decision.approve else None,
        # What a reviewer put forward has their word to the asker with it.
        "note": decision.note or (row["note"] if decision.approve and row["put_forward_by"] else None),
        **_grown(decision),
    }
    await _write(work, review_id, {**result, "job_id": job_id or row["job_id"]})
    await work.sql("UPDATE reviews SET decided_at = now(), taken_by = NULL WHERE id = :id", id=review_id)
    if decision.approve:
        await actions.approve(work, review_id, edited=decision.arguments)
    else:
        await actions.reject(work, review_id)
    await _noted(work, row, decision, action=f"review.{status}", after={"status": status})
    return await get(work, review_id)


async def put_forward(work: Work, review_id: UUID, decision: Decision) -> dict[str, Any]:
    """Keep what a reviewer would approve for another one to clear, whoever it was given to. Raises NotFound."""
    row = await get(work, review_id)
    written = {"final": _first(decision.final, row["final"], row["draft"]), "note": decision.note or row["note"]}
    written |= {"final_data": _first(decision.data, row["final_data"], row["data"]), **_grown(decision)}
    by = person(decision.by)
    written |= {"authors": sorted({*row["authors"], by} if decision.edits else row["authors"]), "put_forward_by": by}
    await _write(work, review_id, {**written, "assigned_to": None, "taken_by": None, "taken_until": None})
    await actions.edit(work, review_id, decision.arguments)
    await _noted(work, row, decision, action="review.put_forward", after={"status": "open", "put_forward_by": by})
    return await get(work, review_id)


async def reopen(work: Work, review_id: UUID, *, by: str, because: str) -> dict[str, Any]:
    """Take a decision back, with an entry in the audit; what was written stays before the reviewers, and by whom.

    Raises Conflict where it is open, or where something that was approved has begun: that cannot be taken back here.
    """
    row = await get(work, review_id)
    if row["status"] == "open":
        raise Conflict("Nobody has decided on this yet.")
    begun = [each["tool"] for each in row["actions"] if each["status"] in ("approved", "running", "ran")]
    if begun:
        raise Conflict(f"{begun[0]} was approved and is done, or being done: take it back in the other system.")
    await actions.wait_again(work, review_id, those="rejected")
    await _undecided(work, review_id, why=row["why"])
    before = {"status": row["status"], "decided_by": row["decided_by"]}
    await audit.note(work, actor=by, action="review.reopened", subject=str(review_id), reason=because,
                     before=before, after={"status": "open"})  # fmt: skip
    return await get(work, review_id)


async def back_to_a_person(work: Work, review_id: UUID, *, why: str) -> None:
    """Open a review again: nothing more of it runs until people decide anew, but not who wrote it."""
    await actions.wait_again(work, review_id, those="approved")
    await _undecided(work, review_id, why=why)


async def _undecided(work: Work, review_id: UUID, *, why: str) -> None:
    await work.sql(
        "UPDATE reviews SET status = 'open', why = :why, decided_by = NULL, decided_at = NULL, reason = NULL,"
        " put_forward_by = NULL WHERE id = :id",
        id=review_id,
        why=why,
    )
    await due(work, review_id)


async def _write(work: Work, review_id: UUID, changed: Mapping[str, Any]) -> None:
    kept = sealed.closed(work.seals, "reviews", {"id": review_id, **changed})
    await work.run(reviews.update().where(reviews.c.id == review_id), kept)


def _grown(decision: Decision) -> dict[str, str]:
    return {"masks": as_json(dict(decision.masks))} if decision.masks is not None else {}


async def _noted(
    work: Work, row: Mapping[str, Any], decision: Decision, *, action: str, after: Mapping[str, Any]
) -> None:
    # The audit cannot be forgotten, and who reads it may not read what was quoted: it says what was edited, not how.
    edited = {"text": decision.final is not None, "data": decision.data is not None}
    uses = [{"tool": each["tool"], "edited": each["ordinal"] in decision.arguments} for each in row["actions"]]
    await audit.note(work, actor=decision.by, action=action, subject=str(row["id"]), reason=decision.because,
                     before={"status": row["status"]}, after={**after, "edited": edited, "actions": uses})  # fmt: skip


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
