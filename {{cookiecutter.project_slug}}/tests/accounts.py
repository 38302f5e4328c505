"""A service that has service accounts, and perhaps an issuer of its own: for tests of keys and of signing in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import copytree
from typing import Any

import httpx2
from fastapi import FastAPI

from app.api.app import create
from app.console import pages
from app.settings import ROOT, Settings
from app.wiring.service import Service, build
from tests.conftest import CONFIG, make_settings
from tests.fakes.issuer import Issuer, Registration

SITE = "http://test"
ACCOUNTS = """
[service_accounts.crm]
owner = "olga.petrov"
groups = ["sales", "engineering"]
unit = "Sales"
purpose = "answers inside the CRM"

[service_accounts.night-watch]
owner = "olga.petrov"
groups = ["operators"]
purpose = "looks after the service at night"

[service_accounts.referee]
owner = "hana.lind"
groups = ["privacy"]
purpose = "holds what operators do not"
"""


@dataclass
class Office:
    """The service, its application, and a door to it."""

    service: Service
    app: FastAPI
    door: httpx2.AsyncClient

    async def make(self, headers: Mapping[str, str], **wanted: Any) -> dict[str, Any]:
        """Make a key, and expect that it is made."""
        body = {"name": "a test", "account": "crm", "reason": "the test needs it", **wanted}
        response = await self.door.post("/v1/admin/keys", json=body, headers=headers)
        assert response.status_code == 201, response.text
        made: dict[str, Any] = response.json()
        return made

    async def me(self, key: str) -> httpx2.Response:
        """Ask who one is, by a key."""
        return await self.door.get("/v1/me", headers=bearer(key))


def bearer(key: str) -> dict[str, str]:
    """Give the header that carries a key or token."""
    return {"Authorization": f"Bearer {key}"}


def config_with_accounts(folder: Path) -> Path:
    """Give a configuration of its own, in which there are service accounts."""
    config = copytree(CONFIG, folder / "config", dirs_exist_ok=True)
    roles = config / "roles.toml"
    roles.write_text((ROOT / "config/roles.toml").read_text() + ACCOUNTS)
    return config


def with_issuer(issuer: Issuer, **more: Any) -> dict[str, Any]:
    """Give the settings of a service whose people sign in at this issuer."""
    client = issuer.client
    given = {"oidc_issuer": issuer.url, "oidc_audience": client.audience, "public_url": SITE}
    return {**given, "oidc_client_id": client.id, "oidc_client_secret": client.secret, **more}


def registered(site: str = SITE, **more: Any) -> Registration:
    """Give the registration of a service at this address."""
    return Registration(callbacks=(f"{site}/console/sign-in/callback",), homes=(f"{site}/console/sign-in",), **more)


@asynccontextmanager
async def office(
    database_url: str, redis_url: str, folder: Path, *, more: Mapping[str, str] | None = None, **changes: Any
) -> AsyncIterator[Office]:
    """Open the service; `more` is added to files of its configuration, by their names, and `changes` are settings."""
    config = config_with_accounts(folder)
    for name, text in (more or {}).items():
        (config / name).write_text(f"{(config / name).read_text()}\n{text}\n")
    settings: Settings = make_settings(database_url, redis_url, config_dir=config, **changes)
    service = build(settings)
    await service.start()
    app = create(service, pages=pages.ROUTERS)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=SITE, timeout=60) as door:
        yield Office(service, app, door)
    await service.stop()
