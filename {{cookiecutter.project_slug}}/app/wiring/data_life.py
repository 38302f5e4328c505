"""What keeps, gives out and lets go of data, built once."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.domain import keeping
from app.store.db import Database
from app.telemetry.instrumentation import instrument_engine
from app.wiring.ground import Ground
from app.work.erasure import Erasures
from app.work.export import Export
from app.work.retention import Retention


@dataclass(frozen=True, slots=True)
class DataLife:
    """Retention, export and erasure; `keeper` may take something out of the ledger, and nobody else may."""

    keeper: Database
    retention: Retention
    erasures: Erasures
    export: Export

    @property
    def jobs(self) -> tuple[Retention, Erasures]:
        """Give what runs as jobs."""
        return self.retention, self.erasures


def data_life(on: Ground, written: Mapping[str, Any]) -> DataLife:
    """Build it; `written` is what config/retention.toml says. Raises CannotStart."""
    keeper = Database(on.settings.database_url, role="app_keeper", pool_size=1)
    keeper.seals = on.database.seals
    instrument_engine(keeper.engine)
    turns_days = {name: case.contract.retention.turns_days for name, case in on.cases.items()}
    return DataLife(
        keeper=keeper,
        retention=Retention(on.database, keeper, on.relay, keeping.parse(written, turns_days)),
        erasures=Erasures(keeper, on.ingest_database, on.shared, on.relay, on.cases),
        export=Export(on.database, on.cases),
    )
