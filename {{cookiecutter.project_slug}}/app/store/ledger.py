"""The ledger: one row per turn and one per model call, append-only, masked text only."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, LiteralString
from uuid import UUID, uuid4

from sqlalchemy.dialects.postgresql import insert

from app.domain.event import checked, people
from app.domain.masking import lasting
from app.domain.outcome import Outcome
from app.domain.turn import Call, Message, Passage, Route, Turn
from app.errors import NotFound
from app.store import evidence, sealed
from app.store.budgets import Held, cost_usd
from app.store.db import Database, Work
from app.store.plain import as_json
from app.store.sealing import Seals
from app.store.sessions import pointer
from app.store.tables import turns


async def record(work: Work, turn: Turn, said: Sequence[Message] | None) -> bool:
    """Write the turn, its calls and what was `said`; False when it has its row already: it was given up for dead.

    None leaves sessions alone; otherwise the turn lets go of its session, also when nothing was said.
    """
    row, made, messages, known = _written(work.seals, turn, said)
    rows = await work.sql(
        "SELECT record_turn(cast(:turn AS jsonb), cast(:made AS jsonb), cast(:said AS jsonb), :known)",
        turn=row,
        made=made,
        said=messages,
        known=known,
    )
    return bool(rows.scalar_one())


async def end(
    database: Database, turn: Turn, said: Sequence[Message] | None, *, told: Mapping[str, Any] | None = None
) -> bool:
    """Do the same and settle the budgets, in one trip: for a turn that leaves nothing else behind.

    `told` is the event of its answer, where somebody listens to answers.
    """
    await database.ready()
    written = (*_written(database.seals, turn, said), cost_usd(turn.tape))
    if told is None:
        statement: LiteralString = "SELECT end_turn(%s::jsonb, %s::jsonb, %s::jsonb, %s, %s)"
        return bool(await database.trip(statement, *written))
    statement = "SELECT end_turn_and_tell(%s::jsonb, %s::jsonb, %s::jsonb, %s, %s, %s, %s::jsonb, %s::text[])"
    data = checked("answer.given", told)
    return bool(await database.trip(statement, *written, uuid4(), as_json(data), people(data)))


def _written(seals: Seals, turn: Turn, said: Sequence[Message] | None) -> tuple[str, str, str | None, str | None]:
    row, made = as_json(turn_row(turn)), as_json(_call_rows(turn))
    if said is None:
        return row, made, None, None
    return row, made, as_json(_messages(seals, turn, said)), _known(seals, turn) if said else None


def _known(seals: Seals, turn: Turn) -> str | None:
    """Give the session's map of placeholders, sealed; None where nothing that was said adds to it."""
    kept = lasting(turn.masks, (turn.screened, turn.draft.text if turn.draft else ""))
    return sealed.masks(seals, "sessions", turn.session_id, kept) if kept else None


def _messages(seals: Seals, turn: Turn, said: Sequence[Message]) -> list[dict[str, Any]]:
    # Citations go with what the assistant said, without quotes: rights may change tomorrow.
    cited = turn.draft.citations if turn.draft and turn.outcome and turn.outcome.family == "answered" else ()
    pointers = [pointer(citation) for citation in cited]
    return [
        {
            "place": place,
            "role": message.role,
            "text": sealed.message(seals, turn, message),
            "citations": pointers if message.role == "assistant" else [],
        }
        for place, message in enumerate(said, start=1)
    ]


async def give_up(work: Work, held: Held) -> bool:
    """Write the row of a turn whose process died: its cost is unknown; False when it was recorded after all."""
    row = {
        "id": held.turn_id,
        "started_at": held.started_at,
        "usecase": held.usecase,
        "channel": held.channel,
        "user_id": held.user_id,
        "unit": held.unit,
        "session_id": held.session_id,
        "job_id": held.job_id,
        "outcome": Outcome.FAILED_ABANDONED.value,
        "reason": f"the process died; budgets count the ${held.amount.normalize():f} that it held",
        "question": "",
        "latency_ms": (held.expires_at - held.started_at).total_seconds() * 1000,
        "cost_usd": None,
        "trace_id": held.trace_id,
    }
    written = await work.run(insert(turns).on_conflict_do_nothing().returning(turns.c.id), row)
    return written.first() is not None


def turn_row(turn: Turn) -> dict[str, Any]:
    """Give the ledger's row of a finished turn."""
    assert turn.outcome is not None, "a turn is recorded once it has ended"
    draft, usage = turn.draft, turn.tape.usage
    return {
        "id": turn.id,
        "started_at": turn.started_at,
        "usecase": turn.usecase.name,
        "channel": turn.channel,
        "user_id": turn.principal.user_id,
        "unit": turn.principal.unit,
        "key_id": turn.principal.key_id or None,
        "session_id": turn.session_id,
        "job_id": turn.job_item.job_id if turn.job_item else None,
        "outcome": turn.outcome.value,
        "reason": turn.reason,
        "question": turn.screened,
        "answer": draft.text if draft else turn.answer,
        "data": dict(draft.data) if draft and draft.data is not None else None,
        "rung": draft.rung if draft else "",
        "model": draft.model if draft else "",
        "revision": draft.revision if draft else "",
        "confidence": draft.confidence if draft else None,
        "latency_ms": turn.latency_ms,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
        "steps": turn.tape.steps,
        "passages": [_evidence(passage) for passage in turn.passages],
        "retrieval": evidence.row(turn.tape.retrievals),
        "citations": [pointer(citation) for citation in draft.citations] if draft else [],
        "skipped": turn.tape.skipped,
        "tools": turn.tape.tools,
        "route": _route(turn.tape.route),
        "saved_usd": turn.tape.saved_usd,
        "age_s": draft.age_s if draft else None,
        "shadow_of": turn.shadow_of,
        "arm": turn.arm,
        "findings": turn.findings,
        "error": turn.error.slug if turn.error else "",
        "trace_id": turn.trace_id,
    }


def _evidence(passage: Passage) -> dict[str, Any]:
    # Pointers, not text: what a person may read can change after the turn.
    return {
        "chunk_id": passage.chunk_id,
        "document_id": str(passage.document_id),
        "title": passage.title,
        "heading": passage.heading,
        "score": round(passage.score, 4),
        "visible_by": list(passage.visible_by),
        "suspicious": passage.suspicious,
    }


def _route(route: Route | None) -> dict[str, Any] | None:
    if route is None:
        return None
    return {**asdict(route), "saved_usd": str(route.saved_usd) if route.saved_usd is not None else None}


def call_row(call: Call) -> dict[str, Any]:
    """Give what the ledger keeps of a call, whoever made it."""
    return {
        "id": uuid4(),
        "rung": call.rung,
        "provider": call.provider,
        "model": call.model,
        "revision": call.revision,
        "attempt": call.attempt,
        "latency_ms": call.latency_ms,
        "input_tokens": call.usage.input_tokens,
        "output_tokens": call.usage.output_tokens,
        "cost_usd": call.usage.cost_usd,
        "error": call.error,
        "purpose": call.purpose,
        "price": call.price,
        "cached_tokens": call.usage.cached_tokens,
        "wait_ms": call.wait_ms,
        "first_token_ms": call.first_token_ms,
    }


def _call_rows(turn: Turn) -> list[dict[str, Any]]:
    made_by = {
        "started_at": turn.started_at,
        "turn_id": turn.id,
        "usecase": turn.usecase.name,
        "user_id": turn.principal.user_id,
        "unit": turn.principal.unit,
    }
    return [call_row(call) | made_by | {"ordinal": place} for place, call in enumerate(turn.tape.calls, start=1)]


async def story(work: Work, turn_id: UUID, *, user_id: str | None) -> dict[str, Any]:
    """Give everything about one turn; `user_id` None reads anybody's.

    A shadow run repeats a question of a person, who was shown nothing of it: it is nobody's own.
    """
    row = (
        (
            await work.sql(
                "SELECT * FROM turns WHERE id = :id"
                " AND (cast(:user_id AS text) IS NULL OR (user_id = :user_id AND channel <> 'shadow'))",
                id=turn_id,
                user_id=user_id,
            )
        )
        .mappings()
        .first()
    )
    if row is None:
        raise NotFound("There is no turn with this id that you may see.")
    made = await work.sql("SELECT * FROM calls WHERE turn_id = :id ORDER BY ordinal", id=turn_id)
    return {**row, "calls": [dict(call) for call in made.mappings()]}


async def answers(work: Work, turn_ids: Iterable[UUID]) -> dict[UUID, str | None]:
    """Give what these turns were answered, as the ledger has it."""
    rows = await work.sql("SELECT id, answer FROM turns WHERE id = ANY(:ids)", ids=list(turn_ids))
    return {row.id: row.answer for row in rows}


async def totals(work: Work, *, hours: int = 24) -> Sequence[Mapping[str, Any]]:
    """Count turns, failures, latency percentiles in ms and US dollars per use case over the last hours."""
    rows = await work.sql(
        "SELECT usecase, count(*) AS turns, count(*) FILTER (WHERE outcome LIKE 'failed%') AS failed,"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY latency_ms) AS p50_ms,"
        " percentile_cont(0.95) WITHIN GROUP (ORDER BY latency_ms) AS p95_ms, coalesce(sum(cost_usd), 0) AS cost_usd"
        " FROM turns WHERE started_at > now() - make_interval(hours => :hours) GROUP BY usecase ORDER BY usecase",
        hours=hours,
    )
    return [dict(row) for row in rows.mappings()]


async def outcomes(work: Work, *, hours: int = 24) -> Mapping[str, int]:
    """Count turns by outcome over the last hours."""
    rows = await work.sql(
        "SELECT outcome, count(*) AS n FROM turns WHERE started_at > now() - make_interval(hours => :hours)"
        " GROUP BY outcome ORDER BY n DESC",
        hours=hours,
    )
    return {row.outcome: row.n for row in rows}
