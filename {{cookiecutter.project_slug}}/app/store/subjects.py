"""Groups and business units that this service has met, for whom something can be turned off."""

from app.store.db import Work

# Somebody who has not asked for so long may be named anew.
LATELY_DAYS = 90


async def groups(work: Work) -> set[str]:
    """Give the groups that the company's directory lists, and those that documents are open to."""
    rows = await work.sql(
        "SELECT name FROM directory_groups WHERE NOT gone"
        " UNION SELECT substr(name, 7) FROM acls, unnest(readers) AS name WHERE starts_with(name, 'group:')"
    )
    return {str(row.name) for row in rows}


async def units(work: Work) -> set[str]:
    """Give the units for which money was counted."""
    rows = await work.sql("SELECT name FROM budgets WHERE kind = 'unit' UNION SELECT unit FROM daily_costs")
    return {str(row.name) for row in rows}


async def has_asked(work: Work, unit: str) -> bool:
    """Say whether somebody of this unit has asked lately; the ledger has no list of units, and is looked through."""
    rows = await work.sql(
        "SELECT EXISTS (SELECT FROM turns WHERE unit = :unit AND started_at > now() - make_interval(days => :days))",
        unit=unit,
        days=LATELY_DAYS,
    )
    return bool(rows.scalar_one())
