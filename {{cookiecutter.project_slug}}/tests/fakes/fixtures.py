"""Fixtures of the fakes; name this module in `pytest_plugins`."""

import asyncio
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis
from starlette.applications import Starlette

from tests.fakes import faults
from tests.fakes import vendor as vendors

START_S = 10.0


@dataclass(frozen=True)
class RunningVendor:
    """A fake vendor on a port of this machine."""

    url: str
    app: Starlette

    @property
    def state(self) -> vendors.State:
        """Give what it was told and has seen."""
        state: vendors.State = self.app.state.vendor
        return state

    @property
    def requests(self) -> list[dict[str, Any]]:
        """Give the bodies of the calls so far."""
        return self.state.requests

    def will(self, *plan: str) -> None:
        """Set the faults of the next calls; see tests/fakes/vendor.py."""
        self.state.plan.extend(faults.checked(plan))

    def plan(self, name: str, *plan: str) -> str:
        """Set the faults of calls whose prompt holds a mark, and give that mark: put it into the question."""
        self.state.plans.name({name: plan})
        return f"[[plan:{name}]]"

    def bill(self, name: str = "") -> dict[str, Any]:
        """Give what the vendor charges; with a name each call of that plan."""
        return self.state.bill.as_json(name)


@pytest.fixture(scope="session")
def vendor_server() -> Iterator[RunningVendor]:
    """Run a fake vendor, by a real HTTP server in a thread, for the whole session."""
    app, taken = vendors.create(), vendors.listen()
    server = vendors.server(app)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[taken])), daemon=True)
    thread.start()
    started = time.monotonic()
    while not server.started:
        if time.monotonic() - started > START_S:
            raise RuntimeError("the fake vendor did not start")
        time.sleep(0.01)
    yield RunningVendor(url=f"http://127.0.0.1:{taken.getsockname()[1]}", app=app)
    server.should_exit = True
    server.force_exit = True
    thread.join(timeout=START_S)


@pytest.fixture
def vendor(vendor_server: RunningVendor, redis_url: str) -> RunningVendor:
    """Give the fake vendor, with nothing asked of it yet, and no model held back for what it did to another test."""
    renew(vendor_server, redis_url)
    return vendor_server


def renew(vendor_server: RunningVendor, redis_url: str) -> None:
    """Forget what the vendor was asked, and that a model is held back for what it did before."""
    vendor_server.app.state.vendor = vendors.State()
    with redis.from_url(redis_url) as held:
        if doors := list(held.scan_iter("turnstile:*")):
            held.delete(*doors)
