"""What is measured: systems in columns, each pair by one load."""

import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import orjson

from benchmarks.load import NUMBER, Load
from benchmarks.stage import Stage

QUESTION = (
    f"How much is paid back a month for travel to {NUMBER} with mia.berg@example.com, and until when is it asked for?"
)
STREAM = "text/event-stream"


@dataclass(frozen=True, slots=True)
class System:
    """Something that answers; `process` is the one whose processor time counts."""

    name: str
    process: str
    path: str
    first: str
    last: str


SYSTEMS = (
    System("vendor", "vendor", "/v1/chat/completions", '"content":"T', "[DONE]"),
    System("floor", "floor", "/turns", "event: delta", "event: end"),
    System("plain", "api", "/v1/usecases/plain/turns", "event: delta", "event: end"),
    System("cited", "api", "/v1/usecases/cited/turns", "event: delta", "event: end"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """One load; `latency_s` is the vendor's, `rate` the arrivals a second when nobody waits for answers."""

    name: str
    clients: int = 0
    rate: float = 0.0
    latency_s: float = 0.0
    streamed: bool = False


COLUMNS = (
    Column("one", clients=1),
    Column("fifty", clients=50),
    Column("slow", clients=50, latency_s=0.2),
    Column("arrivals", rate=500, latency_s=0.2),
    Column("stream_one", clients=1, streamed=True),
    Column("stream_fifty", clients=50, streamed=True),
)


def heads(stage: Stage, system: System) -> list[list[str]]:
    """Give the headers of everybody who asks."""
    tokens = stage.tokens if system.process != "vendor" else ["none"]
    return [[f"Authorization: Bearer {token}"] for token in tokens]


def body(system: System, column: Column) -> str:
    """Give the body to send; the vendor gets as much as the floor sends it."""
    if system.name != "vendor":
        return orjson.dumps({"question": QUESTION}).decode()
    said = [{"role": "system", "content": "You answer questions. " * 24}, {"role": "user", "content": QUESTION}]
    return orjson.dumps({"model": "gpt-6-sol", "messages": said, "stream": column.streamed}).decode()


def measure(stage: Stage, system: System, column: Column, *, seconds: float) -> dict[str, Any]:
    """Give the figures of one load, with processor time and memory of who answered."""
    stage.slow(column.latency_s)
    load = Load(
        port=stage.ports[system.process],
        path=system.path,
        body=body(system, column),
        heads=heads(stage, system),
        clients=column.clients,
        rate=column.rate,
        seconds=seconds,
        warmup_s=min(1.0, seconds / 3),
        accept=STREAM if column.streamed else "application/json",
        first=system.first if column.streamed else "",
        last=system.last if column.streamed else "",
    )
    before_s = stage.cpu_s(system.process)
    seen = generated(load)
    after_s = stage.cpu_s(system.process)
    busy_ms = None if before_s is None or after_s is None else 1000 * (after_s - before_s) / max(1, seen["sent"])
    return {**seen, "cpu_ms": busy_ms, "memory_mb": stage.memory_mb(system.process)}


def generated(load: Load) -> dict[str, Any]:
    """Run the load in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.load"]
    done = subprocess.run(command, input=orjson.dumps(asdict(load)), stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = orjson.loads(done.stdout)
    return found


def pairs(systems: Mapping[str, System], columns: Mapping[str, Column], rounds: int) -> Iterator[tuple[System, Column]]:
    """Give what to measure in order: systems in alternation, so that a noisy minute hits all of them."""
    for _ in range(rounds):
        for column in columns.values():
            for system in systems.values():
                yield system, column
