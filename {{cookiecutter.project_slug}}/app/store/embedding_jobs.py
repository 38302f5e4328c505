"""What the configuration wishes for, and the jobs about it: so that a change is acted on once, by whoever sees it."""

from app.store.db import Work


async def wished(work: Work) -> str:
    """Give the space that the configuration named when a process last acted on it."""
    return str((await work.sql("SELECT space FROM embedding_wish")).scalar_one())


async def wish(work: Work, name: str) -> None:
    """Note that this space is named now."""
    await work.sql("UPDATE embedding_wish SET space = :name, at = now() WHERE space <> :name", name=name)


async def is_open(work: Work, space: str, *, ended_within_s: float = 0.0) -> bool:
    """Say whether a job about this space waits or runs, or has ended within so many seconds without success."""
    rows = await work.sql(
        "SELECT 1 FROM jobs WHERE kind = 'embed' AND input ->> 'space' = :space"
        " AND (status IN ('queued', 'running', 'cancelling') OR (status IN ('failed', 'cancelled')"
        " AND finished_at > now() - make_interval(secs => :within_s))) LIMIT 1",
        space=space,
        within_s=ended_within_s,
    )
    return rows.first() is not None
