"""The processes that make up the service: one table for `make up`, the drills, the tests and the container files."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Part:
    """One command of the service; `grace_s` is how long it may drain after SIGTERM."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    health: str = ""  # A path on the API that answers 200 once this part is ready; "" when it serves no HTTP.
    grace_s: float = 20.0
    waits: bool = False  # On one machine it leaves the processors to the others until those are ready.


@dataclass(frozen=True)
class Plan:
    """What `up` runs: `migrate` first, then the `parts` until one ends, and `samples` once they are ready."""

    parts: tuple[Part, ...]
    migrate: Part
    samples: Part
    ask: Part


def app(*words: str) -> tuple[str, ...]:
    """The argument list of one of the service's own commands."""
    return (sys.executable, "-m", "app", *words)


PARTS = (
    Part("api", app("serve"), health="/health/ready"),
    Part("worker-turns", app("worker", "turns"), waits=True),
    Part("worker-documents", app("worker", "documents")),
    Part("beat", app("worker", "beat"), grace_s=5.0, waits=True),
)
MIGRATE = Part("migrate", app("migrate"))
SAMPLES = Part("samples", app("ingest", "--sample"))
# `--as NAME QUESTION` follows.
ASK = Part("ask", app("ask"))

SERVICE = Plan(parts=PARTS, migrate=MIGRATE, samples=SAMPLES, ask=ASK)
