"""What there is of a person and for them, counted: documents they may read, and what is kept of their own."""

from collections.abc import Iterable
from decimal import Decimal

from app.domain.access import Claims
from app.store.db import Work
from app.store.documents import MAY_READ, claimed


async def readable(work: Work, *, claims: Claims) -> dict[str, int]:
    """Count, by use case, the documents that these claims may read."""
    rows = await work.sql(
        f"SELECT usecase, count(*) AS n FROM documents WHERE acl_id {MAY_READ}"  # noqa: S608 - a constant
        " AND status = 'ready' GROUP BY usecase",
        **claimed(claims),
    )
    return {row.usecase: row.n for row in rows}


async def kept(work: Work, *, user_id: str, claims: Claims) -> dict[str, int]:
    """Count what is kept of a person: conversations, turns, opinions, queued work, and documents they sent."""
    rows = await work.sql(
        "SELECT (SELECT count(*) FROM sessions WHERE user_id = :user_id) AS conversations,"  # noqa: S608 - a constant
        " (SELECT count(*) FROM turns WHERE user_id = :user_id AND channel <> 'shadow') AS turns,"
        " (SELECT count(*) FROM feedback WHERE user_id = :user_id) AS opinions,"
        " (SELECT count(*) FROM jobs WHERE user_id = :user_id) AS jobs,"
        f" (SELECT count(*) FROM documents WHERE owner = :user_id AND acl_id {MAY_READ}) AS documents",
        user_id=user_id,
        **claimed(claims),
    )
    return dict(rows.mappings().one())


async def spent_today(work: Work, usecases: Iterable[str], *, user_id: str) -> dict[str, Decimal]:
    """Give what the person has spent and holds today (UTC) in these use cases, in US dollars."""
    rows = await work.sql(
        "SELECT split_part(name, '/', 1) AS usecase, spent + reserved AS used FROM budgets WHERE kind = 'person'"
        " AND name = ANY(:names) AND period = (now() AT TIME ZONE 'UTC')::date",
        names=[f"{usecase}/{user_id}" for usecase in usecases],
    )
    return {row.usecase: row.used for row in rows}
