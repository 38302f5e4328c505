"""A service with people of a test's own: for each permission one who holds all but it, and one who holds nothing."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copytree
from typing import Any
from uuid import uuid4

import httpx2
from fastapi import FastAPI

from app.api.app import create
from app.console import pages
from app.control.development import DevelopmentIssuer
from app.domain.identity import Permission
from app.settings import Settings
from app.wiring.service import Service, build
from tests.api.serving import changed
from tests.conftest import CONFIG

Headers = dict[str, str]
PERMISSIONS = re.compile(r"^\[permissions\]\n.*?(?=^\[)", re.MULTILINE | re.DOTALL)
ORIGIN = "http://test"
PATIENCE_S = 60


@dataclass
class House:
    """The service, its application, and a door to it; people go by the names that the test gave them."""

    service: Service
    app: FastAPI
    door: httpx2.AsyncClient
    mark: str
    _cookies: dict[str, str] = field(default_factory=dict)

    def id_of(self, person: str) -> str:
        """Give the id by which the service knows a person of this house."""
        return f"{self.mark}.{person.replace(' ', '.')}"

    def as_(self, person: str) -> Headers:
        """Give the headers by which a person is known to the API."""
        issuer = self.service.authenticator.issuer
        assert isinstance(issuer, DevelopmentIssuer)
        return {"Authorization": f"Bearer {issuer.token(self.id_of(person))}"}

    async def seated(self, person: str) -> Headers:
        """Give the headers of a browser in which this person is signed in, on a page of ours."""
        if person not in self._cookies:
            form = {"person": self.id_of(person), "next": "/"}
            response = await self.door.post("/console/sign-in", data=form, headers={"Origin": ORIGIN})
            assert response.status_code == 303, response.text
            self._cookies[person] = "; ".join(
                header.partition(";")[0] for header in response.headers.get_list("set-cookie")
            )
            self.door.cookies.clear()
        return {"Cookie": self._cookies[person], "Origin": ORIGIN}

    async def ask(self, person: str, question: str, *, usecase: str = "handbook", **more: Any) -> dict[str, Any]:
        """Ask and expect an answer."""
        url = f"/v1/usecases/{usecase}/turns"
        response = await self.door.post(url, json={"question": question, **more}, headers=self.as_(person))
        assert response.status_code == 200, response.text
        told: dict[str, Any] = response.json()
        return told


@asynccontextmanager
async def house(
    settings: Settings,
    folder: Path,
    people: Mapping[str, Mapping[str, Any]],
    contracts: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[House]:
    """Open a house; `people` are {"name": {"may": [...], "groups": [...]}}, contracts change as in `serving`."""
    mark = f"h{uuid4().hex[:8]}"
    config = _config(folder, {f"{mark}.{name.replace(' ', '.')}": given for name, given in people.items()})
    service = build(settings.model_copy(update={"config_dir": config}))
    for name, changes in (contracts or {}).items():
        case = service.usecases[name]
        service.usecases[name] = replace(case, contract=changed(case.contract, changes))  # type: ignore[index]
    await service.start()
    app = create(service, pages=pages.ROUTERS)
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, timeout=PATIENCE_S) as door:
        yield House(service, app, door, mark)
    await service.stop()


def everyone_but() -> dict[str, dict[str, Any]]:
    """Give people of whom each lacks one permission, one who lacks all, and one who lacks none."""
    every = [permission.value for permission in Permission]
    lacking = {f"without {lacked}": {"may": [each for each in every if each != lacked]} for lacked in every}
    return {**lacking, "with nothing": {"may": []}, "with everything": {"may": every}}


def _config(folder: Path, people: Mapping[str, Mapping[str, Any]]) -> Path:
    config = copytree(CONFIG, folder / "config")
    granted = {f"may.{permission.value}": [permission.value] for permission in Permission}
    lines = ["[permissions]", "everyone = []", *(f'"{group}" = {names}' for group, names in granted.items()), "", ""]
    roles = (config / "roles.toml").read_text()
    (config / "roles.toml").write_text(PERMISSIONS.sub(lambda _: "\n".join(lines), roles))
    entries = [
        f'["{id_}"]\nname = "{id_}"\ngroups = {[*given.get("groups", ()), *(f"may.{name}" for name in given["may"])]}\n'
        for id_, given in people.items()
    ]
    (config / "people.toml").write_text("\n".join(entries))
    return config
