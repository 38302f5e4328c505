"""What people look back with: money, queued work, and documents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app.domain.usecase import UseCase
from app.store.db import Database
from app.work.job_desk import JobDesk
from app.work.jobs import Jobs
from app.work.shelf import Shelf
from app.work.spending import Accounts


@dataclass(frozen=True, slots=True)
class Lookback:
    """Each with the rights of who looks."""

    accounts: Accounts
    desk: JobDesk
    shelf: Shelf


def lookback(database: Database, usecases: Mapping[str, UseCase], jobs: Jobs, levels: Sequence[str]) -> Lookback:
    """Put it together: nothing in it is connected or kept."""
    return Lookback(
        Accounts(database, usecases), JobDesk(database, usecases, jobs.relay), Shelf(database, jobs, levels)
    )
