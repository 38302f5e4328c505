"""What tests of commands about the ledger share: a terminal beside a service whose ledger can be written."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.turn import Call, Draft, Tape, Turn, Usage
from app.settings import ROOT
from tests.conftest import SECRET
from tests.turn import spending


class Desk:
    """An operator's terminal, beside a service whose ledger can be written."""

    def __init__(self, service, name, urls, home):
        self.service, self.name = service, name
        self.env = {
            **os.environ,
            "DATABASE_URL": urls[0],
            "REDIS_URL": urls[1],
            "APP_USECASES_DIR": str(home),
            "APP_SECRET_KEY": SECRET,
            "COLUMNS": "260",
        }

    async def live(self, *, who="sam.reyes", unit="Sales", cost="0.05", times=1, at=None, **changes):
        """Write turns into the ledger; gives the last."""
        for _ in range(times):
            call = Call("standard", "openai", "gpt-x", "r1", 1, Usage(12, 5, Decimal(cost) if cost else None))
            turn = Turn(
                usecase=self.service.usecases[self.name],
                principal=Principal(who, unit=unit),
                started_at=at or datetime.now(UTC) - timedelta(minutes=1),
                tape=Tape(calls=[call]),
                **{
                    "outcome": Outcome.ANSWERED_MODEL,
                    "question": "How much leave?",
                    "draft": Draft("25 days", "standard", Outcome.ANSWERED_MODEL),
                    **changes,
                },
            )
            await self.service.pipeline.record(turn)
        return turn

    async def run(self, *words):
        """Run a command; gives its exit code and what it printed."""
        made = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "app", *words),
            cwd=ROOT,
            env=self.env,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        printed, errors = await made.communicate()
        return made.returncode, printed.decode() or errors.decode()


@pytest.fixture
async def desk(database_url, redis_url, tmp_path):
    contract = {"expected_per_day": "10", "per_month_usd": '"30"', "per_user_day_usd": '"900"'}
    home, name = spending.folder(tmp_path, **contract)
    service = spending.service(home, {"database_url": database_url, "redis_url": redis_url})
    yield Desk(service, name, (database_url, redis_url), home)
    await service.stop()
