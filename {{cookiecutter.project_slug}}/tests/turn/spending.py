"""A use case of one's own with a model, and services over it, to spend money with."""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from app.api.app import create
from app.settings import ROOT
from app.store.db import Database
from app.wiring.service import Service, build
from tests.conftest import make_settings

SLOW = ROOT / "tests/samples/slow"


def folder(tmp_path: Path, **changes: str) -> tuple[Path, str]:
    """Write a use case under a name of its own; `changes` replace keys of its contract, written as TOML."""
    name = f"spend_{uuid4().hex[:8]}"
    home = tmp_path / "usecases" / name
    shutil.copytree(SLOW / "prompts", home / "prompts")
    contract = (SLOW / "contract.toml").read_text()
    for key, value in {"ladder": '["standard"]', "timeout_s": "60", **changes}.items():
        contract, found = re.subn(rf"^{key} = .*$", f"{key} = {value}", contract, flags=re.MULTILINE)
        assert found == 1, key
    (home / "contract.toml").write_text(contract)
    return home.parent, name


def service(usecases_dir: Path, urls: Mapping[str, str], *, vendor_url: str = "", **changes: Any) -> Service:
    """Build a service over the folder, asking the fake vendor when there is one."""
    model = {"model_provider": "openai", "openai_api_key": "k", "openai_base_url": f"{vendor_url}/v1"}
    more = {**(model if vendor_url else {}), "usecases_dir": usecases_dir, **changes}
    return build(make_settings(urls["database_url"], urls["redis_url"], **more))


def client(of: Service) -> httpx2.AsyncClient:
    """Open the service's HTTP door."""
    transport = httpx2.ASGITransport(app=create(of, pages=()))
    return httpx2.AsyncClient(transport=transport, base_url="http://test", timeout=120)


async def budgets(database: Database, name: str) -> dict[str, tuple[Any, Any]]:
    """Give what is spent and reserved per kind in the budgets of a use case, as numbers."""
    async with database.work() as work:
        rows = await work.sql(
            "SELECT kind, spent, reserved FROM budgets WHERE name = :name OR name LIKE :mine",
            name=name,
            mine=f"{name}/%",
        )
        return {row.kind: (row.spent, row.reserved) for row in rows}


async def ledger(database: Database, name: str) -> list[Any]:
    """Give the turns of a use case, the oldest first, with the sum of their priced calls as `spent`."""
    async with database.work() as work:
        rows = await work.sql(
            "SELECT t.*, (SELECT coalesce(sum(c.cost_usd), 0) FROM calls c WHERE c.turn_id = t.id) AS spent"
            " FROM turns t WHERE usecase = :name ORDER BY started_at",
            name=name,
        )
        return list(rows)
