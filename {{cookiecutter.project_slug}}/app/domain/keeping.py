"""How long each class of data is kept, in days: config/retention.toml, made stricter by the contract of a use case."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.errors import CannotStart

FILE = "config/retention.toml"
# What a use case's retention.turns_days bounds as well: whatever repeats the words of its turns.
BOUND_BY_TURNS = (
    *("turns", "calls", "sessions", "jobs", "job_events", "reviews"),
    *("feedback", "incidents", "captured_cases"),
)


@dataclass(frozen=True, slots=True)
class Days:
    """Days by class; `turns` with the calls that they made, `calls` are those that jobs made by themselves."""

    turns: int = 365
    calls: int = 365
    sessions: int = 365
    jobs: int = 90
    job_events: int = 30
    uploads: int = 7
    reviews: int = 365
    feedback: int = 365
    incidents: int = 730
    captured_cases: int = 365
    outbox: int = 1
    events: int = 30
    evaluations: int = 730
    access_changes: int = 730
    certificates: int = 3650


@dataclass(frozen=True, slots=True)
class Keeping:
    """What config/retention.toml says, and `turns_days` of each use case's contract."""

    days: Days = field(default_factory=Days)
    turns_days: Mapping[str, int] = field(default_factory=dict)

    def of(self, name: str, usecase: str = "") -> int:
        """Give the days that a class is kept; of a use case whose contract is stricter, the contract's."""
        days: int = getattr(self.days, name)
        return min(days, self.turns_days.get(usecase, days)) if name in BOUND_BY_TURNS else days

    def by_usecase(self, name: str) -> Mapping[str, int]:
        """Give the days of a class for each use case that there is."""
        return {usecase: self.of(name, usecase) for usecase in self.turns_days}

    @property
    def longest_days(self) -> int:
        """Give the days after which nothing of the ledger is kept any more."""
        return max(self.days.turns, self.days.calls)


def parse(config: Mapping[str, Any], turns_days: Mapping[str, int]) -> Keeping:
    """Read config/retention.toml; what it leaves out has its default. Raises CannotStart with key and cure."""
    known = [each.name for each in fields(Days)]
    if unknown := set(config) - {"days"}:
        raise CannotStart(f"{FILE}: unknown {sorted(unknown)}; there is one table: [days]")
    days = config.get("days", {})
    faults = [f"{FILE}, days.{name}: unknown; allowed: {', '.join(known)}" for name in sorted(set(days) - set(known))]
    faults += [
        f"{FILE}, days.{name}: {value!r}; write a whole number of days, 1 or more"
        for name, value in days.items()
        if name in known and (not isinstance(value, int) or isinstance(value, bool) or value < 1)
    ]
    if faults:
        raise CannotStart("\n".join(faults))
    return Keeping(Days(**days), dict(turns_days))
