"""What is older than it may be: found, counted, removed; what is held stays.

The ledger goes through functions of the owner (0016_data_life.sql): the role of this job may read it and no more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import orjson
from sqlalchemy.exc import DBAPIError

from app.domain.keeping import Keeping
from app.store import audit
from app.store.db import Work

MOST = 1000
ACTOR = "retention"
# PostgreSQL's code for a lock that was not to be had in time.
LOCKED = "55P03"


class Busy(Exception):
    """Somebody reads what is to be dropped, and turns must not wait for them."""


@dataclass(frozen=True, slots=True)
class _Rule:
    """Rows of a class besides the ledger: by which `key` they go, how old they are (`at`), and whose they are."""

    table: str
    key: str
    at: str
    user: str = "''"
    usecase: str = "''"
    also: str = "true"
    source: str = ""

    @property
    def rows(self) -> str:
        """Give the statement that finds what is due; `:days` by use case and `:otherwise` bound the age."""
        return (
            f"SELECT {self.key} FROM {self.source or self.table + ' AS x'}"  # noqa: S608 - ours
            f" WHERE {self.at} < now() - make_interval("
            f"   days => coalesce((CAST(:days AS jsonb) ->> {self.usecase})::integer, :otherwise))"
            f" AND NOT is_held({self.user}, {self.usecase}, {self.at}) AND {self.also}"
        )


_MESSAGES = "messages x JOIN sessions s ON s.id = x.session_id"
_EVENTS = "job_events x JOIN jobs j ON j.id = x.job_id"
_OPINIONS = "feedback x LEFT JOIN turns t ON t.id = x.turn_id"
# An opinion about a turn that is gone says nothing any more.
_OPINION_AT = "CASE WHEN t.id IS NULL THEN '-infinity' ELSE x.created_at END"
_EMPTY = "coalesce(x.busy_until, now()) <= now() AND NOT EXISTS (SELECT FROM messages m WHERE m.session_id = x.id)"
# The newest says since when a document has its readers.
_REPLACED = "EXISTS (SELECT FROM access_changes y WHERE y.document_id = x.document_id AND y.id > x.id)"
_UNHELD = "NOT EXISTS (SELECT FROM unnest(x.people) AS p WHERE is_held(p, x.usecase, x.at))"
_RULES: Mapping[str, Sequence[_Rule]] = {
    "sessions": (
        _Rule("messages", "x.session_id, x.ordinal", "x.created_at", "s.user_id", "s.usecase", source=_MESSAGES),
        _Rule("sessions", "x.id", "x.updated_at", "x.user_id", "x.usecase", _EMPTY),
    ),
    "job_events": (
        _Rule("job_events", "x.id", "x.created_at", "j.user_id", "j.usecase", "j.finished_at < now()", _EVENTS),
    ),
    "jobs": (_Rule("jobs", "x.id", "x.finished_at", "x.user_id", "x.usecase"),),
    "uploads": (_Rule("uploads", "x.id", "x.created_at", "x.user_id"),),
    "reviews": (_Rule("reviews", "x.id", "x.created_at", "x.asker", "x.usecase"),),
    "feedback": (_Rule("feedback", "x.turn_id, x.user_id", _OPINION_AT, "x.user_id", "t.usecase", source=_OPINIONS),),
    "incidents": (_Rule("incidents", "x.id", "x.at", "x.user_id", "x.usecase"),),
    "captured_cases": (_Rule("captured_cases", "x.id", "x.created_at", "x.asker", "x.usecase"),),
    "outbox": (_Rule("outbox", "x.id", "x.sent_at"),),
    "events": (_Rule("events", "x.id", "x.at", usecase="x.usecase", also=_UNHELD),),
    "evaluations": (
        _Rule("evaluations", "x.id", "x.at"),
        _Rule("comparisons", "x.id", "x.at"),
        _Rule("shadow_runs", "x.shadow_id", "x.at"),
    ),
    "access_changes": (_Rule("access_changes", "x.id", "x.at", also=_REPLACED),),
    "certificates": (
        _Rule("erasures", "x.id", "x.finished_at", also="x.status = 'done'"),
        _Rule("holds", "x.id", "coalesce(x.released_at, x.ends_at)"),
    ),
}
CLASSES = tuple(_RULES)


async def unbounded(work: Work) -> None:
    """Let statements of this transaction take their time."""
    await work.sql("SET LOCAL statement_timeout = 0")


async def ensure_months(work: Work, *, ahead: int) -> None:
    """Make the ledger's partitions of this month and those ahead, and of months whose rows came without one."""
    await work.sql("SELECT ensure_months(:ahead)", ahead=ahead)


async def months(work: Work) -> list[date]:
    """Give the first days of the months that have a partition, the oldest first."""
    rows = await work.sql(
        "SELECT to_date(right(c.relname, 7), 'YYYY_MM') AS month"
        " FROM pg_class c JOIN pg_inherits i ON i.inhrelid = c.oid"
        " WHERE i.inhparent = 'turns'::regclass AND c.relname ~ '^turns_[0-9]{4}_[0-9]{2}$' ORDER BY 1"
    )
    return list(rows.scalars())


def is_over(month: date, *, now: datetime, days: int) -> bool:
    """Say whether everything that started in this month is older than so many days."""
    beyond = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
    return beyond <= now - timedelta(days=days)


async def drop_month(work: Work, month: date) -> int:
    """Drop a month of the ledger; gives its turns, or -1 where something in it is held. Raises Busy."""
    try:
        rows = await work.sql("SELECT drop_month(:month)", month=month)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", "") != LOCKED:
            raise
        raise Busy from error
    dropped = int(rows.scalar_one())
    if dropped >= 0:  # also where no turn was left: the month's fingerprints are gone now
        beyond = datetime(month.year + month.month // 12, month.month % 12 + 1, 1, tzinfo=UTC)
        since = datetime(month.year, month.month, 1, tzinfo=UTC)
        await _note(work, f"turns_{month:%Y_%m}", since, beyond, None)
    return dropped


async def usecases(work: Work) -> list[str]:
    """Name every use case of which the ledger has rows, those that are no longer configured too."""
    rows = await work.sql("SELECT DISTINCT usecase FROM turns UNION SELECT usecase FROM calls WHERE turn_id IS NULL")
    return sorted(rows.scalars())


async def expire_turns(work: Work, usecase: str, *, before: datetime) -> int:
    """Remove turns of a use case, and tell the audit; gives how many, at most MOST."""
    rows = await work.sql("SELECT expire_turns(:usecase, :before, :most)", usecase=usecase, before=before, most=MOST)
    gone = int(rows.scalar_one())
    if gone:
        await _note(work, usecase, datetime(2000, 1, 1, tzinfo=UTC), before, [usecase])
    return gone


async def expire_calls(work: Work, usecase: str, *, before: datetime) -> int:
    """Remove calls of jobs; gives how many, at most MOST."""
    rows = await work.sql("SELECT expire_calls(:usecase, :before, :most)", usecase=usecase, before=before, most=MOST)
    return int(rows.scalar_one())


async def _note(work: Work, what: str, since: datetime, until: datetime, names: list[str] | None) -> None:
    # The audit's verification accepts that these turns are gone, and no others (app/store/chain.py).
    span = {"from": since.isoformat(), "to": until.isoformat(), "usecases": names}
    await audit.note(
        work, actor=ACTOR, action="turns.expired", subject=what, reason="older than they may be kept", after=span
    )


async def remove(work: Work, name: str, keeping: Keeping) -> int:
    """Remove what is due of a class besides the ledger; gives how many rows, at most MOST of each table."""
    gone = 0
    for rule in _RULES[name]:
        key = rule.key.replace("x.", "")
        statement = f"DELETE FROM {rule.table} WHERE ({key}) IN ({rule.rows} LIMIT {MOST})"  # noqa: S608 - ours
        gone += (await work.sql(statement, **_bounds(name, keeping))).rowcount
    return gone


async def due(work: Work, name: str, keeping: Keeping) -> int:
    """Count what is due of a class besides the ledger."""
    found = 0
    for rule in _RULES[name]:
        statement = f"SELECT count(*) FROM ({rule.rows}) AS due"  # noqa: S608 - ours
        found += (await work.sql(statement, **_bounds(name, keeping))).scalar_one()
    return found


async def turns_due(work: Work, usecase: str, *, before: datetime) -> int:
    """Count the turns of a use case that are due."""
    rows = await work.sql(
        "SELECT count(*) FROM turns t WHERE t.usecase = :usecase AND t.started_at < :before"
        " AND NOT is_held(t.user_id, t.usecase, t.started_at)",
        usecase=usecase,
        before=before,
    )
    return int(rows.scalar_one())


def _bounds(name: str, keeping: Keeping) -> dict[str, object]:
    return {"otherwise": keeping.of(name), "days": orjson.dumps(dict(keeping.by_usecase(name))).decode()}


async def submitted(work: Work, *, every_s: float) -> bool:
    """Take the turn to submit the job; False when somebody did so less than `every_s` ago."""
    rows = await work.sql(
        "UPDATE retention_state SET submitted_at = now()"
        " WHERE submitted_at <= now() - make_interval(secs => :every) RETURNING one",
        every=every_s,
    )
    return rows.first() is not None


async def age(work: Work, *, every_s: float) -> tuple[float, bool]:
    """Give the seconds since the job last ran to its end, and whether it is time to submit it."""
    row = (
        await work.sql(
            "SELECT extract(epoch FROM now() - ended_at) AS age_s,"
            " submitted_at <= now() - make_interval(secs => :every) AS is_due FROM retention_state",
            every=every_s,
        )
    ).one()
    return float(row.age_s), row.is_due


async def ended(work: Work, removed: Mapping[str, int]) -> None:
    """Note that the job ran to its end, and what it removed."""
    await work.sql(
        "UPDATE retention_state SET ended_at = now(), removed = CAST(:removed AS jsonb)",
        removed=orjson.dumps(dict(removed)).decode(),
    )
