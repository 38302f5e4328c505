"""`python -m benchmarks guard`: what identity, limits, screen and output checks cost a turn, each on and off in a run.

Turns run one after the other in this process, over real engines and a vendor that answers at once; the variants take
turns, so that a busy machine is busy for all of them. Wall-clock and processor time of each whole turn.
"""

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest.mock import patch

import orjson
import uvloop
from rich.console import Console
from rich.table import Table

from app.control.limits import Limits
from app.domain.identity import Permission, Principal
from app.domain.turn import Turn
from app.settings import Settings
from app.turn import screen
from app.turn.suspicion import Suspicion
from app.wiring.service import Service, build
from app.work.keys import Wanted
from benchmarks.columns import QUESTION
from benchmarks.load import NUMBER, quantile
from benchmarks.report import conditions
from benchmarks.stage import Stage

ACCOUNT = "benchmark"
ROLES = f"""
[service_accounts.{ACCOUNT}]
owner = "benchmark@localhost"
groups = ["sales"]
purpose = "Measures the service"
"""
# As many counters as the file that comes along has, and nobody refused.
MOST = 1_000_000_000
LIMITS = "\n".join(
    f"[{part}]\nrequests_per_minute = {MOST}\nconcurrent_turns = {MOST}\ntokens_per_minute = {MOST}\n"
    for part in ("person", "key", "address")
)
ADDRESS = "198.51.100.7"
WARM_UP = 20
EVERYTHING, NOTHING, STRANGER, BY_KEY = "everything", "nothing", "without identity", "by API key"
# What is told of each part: the variant with it, and the one without.
ROWS = {
    "identity, by token": (EVERYTHING, STRANGER),
    "identity, by API key": (BY_KEY, STRANGER),
    "limits": (EVERYTHING, "without limits"),
    "masking": (EVERYTHING, "without masking"),
    "injection screen": (EVERYTHING, "without injection screen"),
    "output checks": (EVERYTHING, "without output checks"),
    "all of it": (EVERYTHING, NOTHING),
}


@dataclass(frozen=True, slots=True)
class Variant:
    """A way to run a turn: who asks is proven by `proof` ("": known already), and what `off` names is left out."""

    name: str
    proof: str
    off: tuple[tuple[Any, str, Any], ...] = ()


@dataclass(slots=True)
class Seen:
    """What the turns of one variant took, in seconds of wall-clock and of this process' processor time."""

    wall_s: list[float] = field(default_factory=list)
    cpu_s: list[float] = field(default_factory=list)

    def figures(self) -> dict[str, float]:
        """Give the quantiles in milliseconds."""
        kinds = {"": self.wall_s, "cpu_": self.cpu_s}
        return {
            f"{kind}p{share}_ms": quantile(took, share / 100) or 0.0
            for kind, took in kinds.items()
            for share in (50, 99)
        }


def main(argv: Sequence[str]) -> int:
    """Measure and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks guard", description=__doc__)
    parser.add_argument("--turns", type=int, default=1000, help="turns of each variant")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-guard-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs under an account of its own
        with Stage(folder) as stage:
            environ = stage.environ()
            config = Path(environ["APP_CONFIG_DIR"])
            (config / "limits.toml").write_text(LIMITS)
            with (config / "roles.toml").open("a") as roles:
                roles.write(ROLES)
            with patch.dict(os.environ, environ, clear=True):
                seen = uvloop.run(_measured(stage, turns=arguments.turns))
    found = {name: one.figures() for name, one in seen.items()}
    stated = conditions(0, 1) | {"turns": arguments.turns}
    if arguments.json:
        print(orjson.dumps({"conditions": stated, "variants": found}, default=str).decode())
    else:
        _show(found)
    return 0


async def _measured(stage: Stage, *, turns: int) -> dict[str, Seen]:
    service = build(Settings(_env_file=None))
    await service.start()
    try:
        key = await _key(service)
        variants = list(_variants(service))
        known = [await service.authenticator.principal(token) for token in stage.tokens]
        seen = {variant.name: Seen() for variant in variants}
        for number in range(-WARM_UP, turns):
            for place in range(len(variants)):
                # Whoever comes first after another finds other things in the processor's caches.
                variant, person = variants[(place + number) % len(variants)], number % len(known)
                proof = {"token": stage.tokens[person], "key": key, "": ""}[variant.proof]
                turn = _asked(service, known[person], number * len(variants) + place)
                took = await _took(service, variant, turn, proof=proof)
                if number >= 0:
                    seen[variant.name].wall_s.append(took[0])
                    seen[variant.name].cpu_s.append(took[1])
        return seen
    finally:
        await service.stop()


def _asked(service: Service, who: Principal, number: int) -> Turn:
    question = QUESTION.replace(NUMBER, f"{abs(number):08d}")
    return Turn(usecase=service.usecases["plain"], principal=who, question=question, address=ADDRESS)


async def _took(service: Service, variant: Variant, turn: Turn, *, proof: str) -> tuple[float, float]:
    """Run a turn; gives its seconds of wall-clock and of processor time. Raises OSError when nothing was answered."""
    with ExitStack() as stack:
        for target, name, instead in variant.off:
            stack.enter_context(patch.object(target, name, instead))
        wall_s, cpu_s = time.perf_counter(), time.process_time()
        if proof:
            turn = turn.with_(principal=await service.authenticator.principal(proof))
        ended = await service.pipeline.run(turn)
        took = time.perf_counter() - wall_s, time.process_time() - cpu_s
    if ended.outcome is None or ended.outcome.family != "answered":
        raise OSError(f"{variant.name}: a turn ended as {ended.outcome}: {ended.reason}")
    return took


def _variants(service: Service) -> Iterator[Variant]:
    limits = (Limits, "enter", _nothing_async), (Limits, "leave", _nothing)
    masking = (screen, "masked", _as_they_are)
    injection = (Suspicion, "ensure", _nothing_async)
    check = (type(service.pipeline.check), "__call__", _unchecked)
    yield Variant(EVERYTHING, "token")
    yield Variant(STRANGER, "")
    yield Variant(BY_KEY, "key")
    yield Variant("without limits", "token", limits)
    yield Variant("without masking", "token", (masking,))
    yield Variant("without injection screen", "token", (injection,))
    yield Variant("without output checks", "token", (check,))
    yield Variant(NOTHING, "", (*limits, masking, injection, check))


async def _nothing_async(*_: Any) -> None:
    """Stand for a check that is off."""


def _nothing(*_: Any) -> None:
    """Stand for bookkeeping that is off."""


async def _as_they_are(texts: Sequence[str], masks: Any) -> tuple[list[str], Any]:
    return list(texts), masks


async def _unchecked(_: object, turn: Turn) -> Turn:
    assert turn.draft is not None, "check runs after answer"
    return turn.with_(outcome=turn.draft.outcome)


async def _key(service: Service) -> str:
    """Make an API key, as an operator does."""
    operator = Principal("benchmark", permissions=frozenset(Permission))
    made = await service.keys.make(operator, Wanted("benchmark", ACCOUNT), because="to be measured")
    return made.key


def _show(found: Mapping[str, Mapping[str, float]]) -> None:
    names = ("p50_ms", "p99_ms", "cpu_p50_ms")
    table = Table("part", *(f"{name.removesuffix('_ms')} {side}" for name in names for side in ("on", "off", "cost")))
    for part, (with_, without) in ROWS.items():
        cells = []
        for name in names:
            on, off = found[with_][name], found[without][name]
            cells += [f"{on:.3f}", f"{off:.3f}", f"{on - off:+.3f}"]
        table.add_row(part, *cells)
    Console(width=None if sys.stdout.isatty() else 160).print(table)
