"""Random companies ask under both locks and under each alone: nobody is shown a document that they may not read."""

import argparse
import asyncio
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import psycopg
from hypothesis import HealthCheck, Phase, Verbosity, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import NonInteractiveExampleWarning
from psycopg import sql
from rich.console import Console
from sqlalchemy.engine import make_url

from app.settings import ROOT, Settings
from app.store.migrate import migrate
from app.telemetry import logging
from app.wiring.service import build
from ops.local.engines import Engines
from ops.prove.harbour import LOCKS, Harbour, take_away
from ops.prove.report import Claim, Proof
from ops.prove.site import HERE, USECASES, vendor
from ops.prove.worlds import Company, Step, companies, steps

SECRET = "for proofs only, and long enough to sign with"  # noqa: S105 - of a service that is thrown away
STEPS = 60
Prompts = Callable[[], Iterable[Any]]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--count", type=int, default=10_000, help="questions, under each of the three sets of locks")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same companies")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Run as many questions under each set of locks, each with a database of its own."""
    found: dict[str, Harbour] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        with Engines(Path(name), environ={}, settings={"fsync": "off"}) as engines, vendor() as vendor_url:
            for number, locks in enumerate(LOCKS):
                url = another_database(engines.database_url)
                with _prompts(vendor_url) as prompts:
                    made = settings_for(url, f"{engines.redis_url.rstrip('/').removesuffix('/0')}/{number}", vendor_url)
                    found[locks] = tried(made, prompts, locks, count=arguments.count, seed_=arguments.seed)
                console.print(f"{locks}: {_asked(found[locks].seen)} questions, {len(found[locks].leaks)} leaks")
    conditions = {"questions under each": arguments.count, "seed": arguments.seed}
    return judged(found, conditions, seconds=time.monotonic() - started)


def judged(found: dict[str, Harbour], conditions: dict[str, Any], *, seconds: float) -> Proof:
    """Make claims of what was seen."""
    claims = [
        Claim(
            f"with {locks} nobody is shown what they may not read, and everybody is listed what they may",
            not harbour.leaks,
            "; ".join(harbour.leaks[:3]) or f"{_asked(harbour.seen)} questions",
        )
        for locks, harbour in found.items()
    ]
    quoted = {locks: sum(n for what, n in harbour.seen.items() if "quoted" in what) for locks, harbour in found.items()}
    claims.append(Claim("there was something to leak", min(quoted.values()) > 0, f"texts with a quote: {quoted}"))
    figures = {locks: dict(sorted(harbour.seen.items())) for locks, harbour in found.items()}
    return Proof("rights", __doc__ or "", claims, {**figures, "seconds": round(seconds, 1)}, conditions)


def tried(made: Settings, prompts: Prompts, locks: str, *, count: int, seed_: int) -> Harbour:
    """Let random companies ask until so many questions were asked; gives what was seen."""
    take_away(made.database_url, locks)
    with asyncio.Runner() as runner:
        harbour = runner.run(_opened(made, prompts, locks))
        try:
            for company, course in _worlds(seed_):
                if _asked(harbour.seen) >= count:
                    break
                runner.run(lived(harbour, company, course))
        finally:
            runner.run(harbour.service.stop())
    return harbour


async def _opened(made: Settings, prompts: Prompts, locks: str) -> Harbour:
    service = build(made)
    await service.start()
    return Harbour(service, prompts, locks)


async def lived(harbour: Harbour, company: Company, course: Sequence[Step]) -> None:
    """Take a company through its steps."""
    await harbour.open(company)
    for step in course:
        await harbour.take(company, step)


def _worlds(seed_: int) -> Iterator[tuple[Company, list[Step]]]:
    """Yield companies with what happens to them, for ever; the same for the same seed."""
    batch: list[tuple[Company, list[Step]]] = []
    course = st.lists(steps, min_size=STEPS, max_size=STEPS)
    number = seed_
    while True:

        @seed(number)
        @settings(
            max_examples=12,
            phases=[Phase.generate],
            database=None,
            deadline=None,
            verbosity=Verbosity.quiet,
            suppress_health_check=list(HealthCheck),
        )
        @given(companies, course)
        def gather(company: Company, course: list[Step]) -> None:
            batch.append((company, course))

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NonInteractiveExampleWarning)
            gather()
        # The first of each batch is the simplest there is.
        yield from batch[1:]
        batch.clear()
        number += 1_000_003


def another_database(url: str) -> str:
    """Make and migrate a database on the same server."""
    name = f"rights_{uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    made = make_url(url).set(database=name).render_as_string(hide_password=False)
    migrate(made)
    return made


def settings_for(database_url: str, redis_url: str, vendor_url: str) -> Settings:
    """Give the settings of a service whose models are the fake vendor's."""
    logging.configure("ERROR", False)
    values: dict[str, Any] = {
        "database_url": database_url,
        "redis_url": redis_url,
        "secret_key": SECRET,
        "usecases_dir": USECASES,
        "config_dir": _config(),
        "model_provider": "openai",
        "openai_api_key": "fake",
        "openai_base_url": f"{vendor_url}/v1",
        "anthropic_api_key": "fake",
        "anthropic_base_url": vendor_url,
    }
    return Settings(_env_file=None, **values)


def _config() -> Path:
    # The proofs' models beside the project's own files, as ops/prove/site.py lays them out for its processes.
    folder = Path(tempfile.mkdtemp(prefix="rights-config-"))
    for file in (ROOT / "config").glob("*.toml"):
        (folder / file.name).write_text(file.read_text())
    (folder / "models.toml").write_text((HERE / "config" / "models.toml").read_text())
    return folder


@contextmanager
def _prompts(vendor_url: str) -> Iterator[Prompts]:
    """Give the requests that the fake vendor has received since it was asked last."""
    with httpx2.Client(base_url=vendor_url, timeout=30) as client:

        def fresh() -> Iterable[Any]:
            requests = client.get("/_calls").json()["requests"]
            if requests:
                client.delete("/_calls").raise_for_status()
            return list(requests)

        yield fresh


def _asked(seen: Counter[str]) -> int:
    return seen["ask"] + seen["again"]
