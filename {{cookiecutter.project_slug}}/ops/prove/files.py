"""Files broken in thousands of ways: each is read or says why not, in time, and no child or memory is left behind."""

import argparse
import asyncio
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn

from app.errors import Unreadable
from app.retrieval.parse import READERS
from app.retrieval.reading import ReadingRoom
from app.retrieval.reading_limits import MEGABYTE, Limits
from ops.prove.report import Claim, Proof, percentile
from ops.prove.samples import broken, good

LIMITS = Limits(memory_bytes=512 * MEGABYTE, cpu_s=20, wall_s=60)
# What this process may grow by: answers and the allocator's own, but not a little for each file.
MOST_GROWN_BYTES = 50 * MEGABYTE
WARMED_UP = 200
File = tuple[str, bytes]


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--count", type=int, default=5_000, help="files")
    parser.add_argument("--seed", type=int, default=1, help="the same seed breaks the same files")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Break good files of every format, some of them several times, and read each in a child process."""
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not sys.stdout.isatty()) as progress:
        task = progress.add_task("files", total=arguments.count)
        return asyncio.run(tried(arguments.count, arguments.seed, lambda: progress.advance(task)))


@dataclass(slots=True)
class Tally:
    """What became of the files so far; `grown_from` is the memory of this process once everything is loaded."""

    found: Counter[str] = field(default_factory=Counter)
    strange: list[str] = field(default_factory=list)
    times_s: list[float] = field(default_factory=list)
    grown_from: int = 0


async def tried(count: int, seed: int, told: Callable[[], object]) -> Proof:
    """Read them two at a time."""
    room, tally, files = ReadingRoom(LIMITS), Tally(), enumerate(_files(count, seed))
    started = time.monotonic()

    async def read() -> None:
        for number, (kind, content) in files:
            outcome, took_s = await _read(room, kind, content)
            tally.found[outcome] += 1
            tally.times_s.append(took_s)
            if outcome not in ("read", *Unreadable.REASONS):
                tally.strange.append(f"file {number} ({kind}): {outcome}")
            if number <= WARMED_UP:
                tally.grown_from = _memory_bytes()
            told()

    await asyncio.gather(read(), read())
    took_s = time.monotonic() - started
    await room.close()
    return _proof(tally, took_s=took_s, conditions={"files": count, "seed": seed})


def _proof(tally: Tally, *, took_s: float, conditions: Mapping[str, int]) -> Proof:
    left, longest_s, grown = _children(), max(tally.times_s), _memory_bytes() - tally.grown_from
    claims = (
        Claim(
            "every file is read or has one of the documented reasons",
            not tally.strange,
            "; ".join(tally.strange[:5]) or "all",
        ),
        Claim(f"no file takes longer than {LIMITS.wall_s:g} s", longest_s < LIMITS.wall_s + 10, f"{longest_s:.1f} s"),
        Claim("no child process is left", not left, f"left: {left}"),
        Claim(
            f"this process grows by less than {MOST_GROWN_BYTES // MEGABYTE} MB after {WARMED_UP} files",
            grown < MOST_GROWN_BYTES,
            f"{grown / MEGABYTE:.1f} MB",
        ),
    )
    figures = {
        "outcomes": dict(tally.found.most_common()),
        "files a second": round(len(tally.times_s) / took_s, 1),
        "p50_ms": round(percentile(tally.times_s, 0.5) * 1000, 1),
        "p99_ms": round(percentile(tally.times_s, 0.99) * 1000, 1),
    }
    return Proof("files", "Files broken on purpose", claims, figures, conditions)


def _files(count: int, seed: int) -> Iterator[File]:
    chance = random.Random(seed)  # noqa: S311 - the same files again for the same seed
    kinds = sorted(READERS)
    for number in range(count):
        kind = kinds[number % len(kinds)]
        content = good()[kind]
        for _ in range(chance.choice((1, 1, 1, 3))):
            content = broken(content, chance)
        yield kind, content


async def _read(room: ReadingRoom, kind: str, content: bytes) -> tuple[str, float]:
    started = time.monotonic()
    try:
        await room.read_apart(content, filename=f"a.{kind}")
        outcome = "read"
    except Unreadable as error:
        outcome = str(error.extra["reason"])
    except Exception as error:
        outcome = repr(error)
    return outcome, time.monotonic() - started


def _memory_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _children() -> list[str]:
    """Name the processes that this one has started and not buried, where the kernel tells."""
    listed = Path(f"/proc/{os.getpid()}/task")
    return [id for task in listed.glob("*/children") for id in task.read_text().split()] if listed.exists() else []
