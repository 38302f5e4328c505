"""`python -m benchmarks call`: processor time of one model call through the gateway, beside a bare POST by aiohttp.

Nothing but the call: a rendered prompt goes out, a draft comes back, with breaker, retries, deadline, price and span.
Processor time of this process (not wall-clock time) by calls, so that a busy machine does not spoil the figures.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from statistics import median
from urllib.request import urlopen

import aiohttp
import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from app.domain.identity import Principal
from app.domain.turn import Delta, Turn
from app.domain.usecase import UseCase
from app.llm import catalog
from app.llm.gateway import Gateway
from app.llm.providers import Providers, Vendor
from app.settings import ROOT
from app.store.shared import Shared
from app.store.turnstile import Turnstile
from app.wiring import usecases
from benchmarks.columns import QUESTION
from ops.local.processes import free_port
from ops.local.redis import Redis

PATHS: dict[catalog.VendorName, str] = {"openai": "/v1", "openai_compatible": "/v1", "anthropic": ""}
FLOOR = "aiohttp alone"
READY_S = 20.0
OWNERS = dict.fromkeys(("workflow", "prompt", "cost", "on_call"), "benchmark@localhost")
Ask = Callable[[bool], Awaitable[object]]


def main(argv: Sequence[str]) -> int:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks call", description=__doc__)
    parser.add_argument("--calls", type=int, default=2000, help="calls for each figure")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over so many")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args(argv)
    port = free_port()
    with (
        tempfile.TemporaryDirectory(prefix="bench-call-", ignore_cleanup_errors=True) as folder,
        subprocess.Popen([sys.executable, "-m", "benchmarks.vendor", str(port), "{}"], cwd=ROOT) as vendor,
    ):
        redis = Redis(Path(folder) / "redis")
        try:
            redis.start()
            _wait(f"http://127.0.0.1:{port}/keys")
            found = uvloop.run(_measured(port, redis.url, calls=arguments.calls, rounds=arguments.rounds))
        finally:
            redis.stop()
            vendor.terminate()
    _show(found, as_json=arguments.json)
    return 0


async def _measured(port: int, redis_url: str, *, calls: int, rounds: int) -> dict[str, dict[str, float]]:
    """Give milliseconds of processor time a call, by system and load; systems in alternation."""
    url, found = f"http://127.0.0.1:{port}", dict[str, dict[str, list[float]]]()
    shared = Shared(redis_url)
    turnstiles = {"": Turnstile(None), ", slots in Redis": Turnstile(shared)}
    models = _models()
    case = usecases.load(ROOT / "benchmarks" / "usecases", owners=OWNERS, rungs=models.rungs)["plain"]
    async with aiohttp.ClientSession() as session:
        asks: dict[str, Ask] = {FLOOR: lambda streamed: _bare(session, url, streamed=streamed)}
        gateways = [
            (f"{vendor}{name}", _gateway(models, Vendor(vendor, "key", f"{url}{PATHS[vendor]}", "tiny"), turnstile))
            for name, turnstile in turnstiles.items()
            for vendor in list(PATHS)[: None if not name else 1]
        ]
        for name, gateway in gateways:
            asks[name] = lambda streamed, gateway=gateway: _ask(gateway, case, streamed=streamed)  # type: ignore[misc]
        for _ in range(rounds):
            for name, ask in asks.items():
                for column, (at_once, streamed) in _loads().items():
                    spent = await _cpu_ms(ask, calls, at_once=at_once, streamed=streamed)
                    found.setdefault(name, {}).setdefault(column, []).append(spent)
    for _, gateway in gateways:
        await gateway.aclose()
    for turnstile in turnstiles.values():
        await turnstile.close()
    await shared.close()
    return {name: {column: median(seen) for column, seen in row.items()} for name, row in found.items()}


def _loads() -> dict[str, tuple[int, bool]]:
    return {
        "one": (1, False),
        "fifty in flight": (50, False),
        "one, streamed": (1, True),
        "fifty, streamed": (50, True),
    }


async def _cpu_ms(ask: Ask, calls: int, *, at_once: int, streamed: bool) -> float:
    async def several(count: int) -> None:
        for _ in range(count):
            await ask(streamed)

    async def load(count: int) -> None:
        await asyncio.gather(*(several(count // at_once) for _ in range(at_once)))

    await load(at_once * 4)
    begun = time.process_time()
    await load(calls)
    return 1000 * (time.process_time() - begun) / (calls // at_once * at_once)


async def _bare(session: aiohttp.ClientSession, url: str, *, streamed: bool) -> None:
    said = [{"role": "system", "content": "You answer questions. " * 24}, {"role": "user", "content": QUESTION}]
    body = orjson.dumps({"model": "gpt-6-sol", "messages": said, "stream": streamed})
    async with session.post(f"{url}/v1/chat/completions", data=body) as answer:
        whole = await answer.read()
        if not streamed:
            orjson.loads(whole)


async def _ask(gateway: Gateway, case: UseCase, *, streamed: bool) -> None:
    async def heard(_: Delta) -> None:
        pass

    listener = heard if streamed else None
    turn = Turn(usecase=case, principal=Principal("ada"), question=QUESTION, screened=QUESTION, listener=listener)
    await gateway.answer(turn, case.prompts["answer.v1"])


def _models() -> catalog.Catalog:
    models = catalog.parse(tomllib.loads((ROOT / "config" / "models.toml").read_text()))
    return models.model_copy(update={"limits": catalog.Limits(concurrent_calls=1000)})


def _gateway(models: catalog.Catalog, vendor: Vendor, turnstile: Turnstile) -> Gateway:
    gateway = Gateway(models, Providers(vendor), turnstile=turnstile)
    gateway.warm()
    return gateway


def _wait(url: str) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        with suppress(OSError), urlopen(url, timeout=1):  # noqa: S310 - our own address
            return
        time.sleep(0.02)
    raise OSError("the vendor did not start")


def _show(found: dict[str, dict[str, float]], *, as_json: bool) -> None:
    if as_json:
        print(orjson.dumps(found).decode())
        return
    table = Table("call", *_loads(), title="Processor time of one model call, ms")
    for name, row in found.items():
        table.add_row(name, *(f"{row[column]:.3f}" for column in _loads()))
    Console(width=None if sys.stdout.isatty() else 120).print(table)
