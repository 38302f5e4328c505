"""The kill switch under load: from the click to the last word sent and the last new call of a model."""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress

from ops.prove.clicks import Crowd
from ops.prove.fleet import Fleet, fleet
from ops.prove.report import Claim, Proof, percentile

# The promise, with Redis and without it, and so long a click is watched for what comes after it.
LIMIT_S, LIMIT_WITHOUT_REDIS_S = 1.0, 3.0
WATCH_S, WATCH_WITHOUT_REDIS_S = 2.0, 4.5
READING_S, PATIENCE_S = 1.0, 90.0
PACE = {"latency_s": 0.05, "latency_to_s": 0.2, "tokens_per_s": 15}


@dataclass(frozen=True, slots=True)
class Click:
    """What came after one click, in seconds: its own answer, the last word of any stream, the last call of a model."""

    answered_s: float
    last_word_s: float
    last_call_s: float
    reading: int


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--times", type=int, default=50, help="clicks, and as many again with Redis stopped")
    parser.add_argument("--apis", type=int, default=4, help="processes of the API")
    parser.add_argument("--workers", type=int, default=4, help="workers of the queue")
    parser.add_argument("--readers", type=int, default=16, help="people who read streamed answers at the same time")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Start a fleet, click so many times with Redis and without it, and judge."""
    with tempfile.TemporaryDirectory(prefix="prove-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        console.print(f"starting {arguments.apis} processes of the API and {arguments.workers} workers", markup=False)
        columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn())
        with (
            fleet(folder, apis=arguments.apis, workers=arguments.workers) as running,
            Progress(*columns, console=console, disable=not sys.stdout.isatty()) as progress,
        ):
            task = progress.add_task("clicks", total=2 * arguments.times)
            trial = Trial(running, readers=arguments.readers, tick=lambda: progress.advance(task))
            with_redis, without, lost = asyncio.run(trial.run(arguments.times))
    return judged(with_redis, without, [*trial.crowd.seen.faults, *lost], trial, vars(arguments))


class Trial:
    """Clicks, one after the other, while everybody reads."""

    def __init__(self, running: Fleet, *, readers: int, tick: object = None) -> None:
        self._fleet, self._tick = running, tick
        self.crowd = Crowd(running, readers=readers, jobs=2 * len(running.urls))
        self._readers = readers

    async def run(self, times: int) -> tuple[list[Click], list[Click], list[str]]:
        """Give the clicks with Redis, those without it, and the jobs that were lost."""
        async with httpx2.AsyncClient(base_url=self._fleet.vendor_url, timeout=PATIENCE_S) as vendor:
            (await vendor.post("/_pace", json=PACE)).raise_for_status()
            reading = asyncio.create_task(self.crowd.run())
            try:
                usual = [await self._click(vendor, number, watch_s=WATCH_S) for number in range(times)]
                # Askers whose limits are counted meanwhile are none of this proof's business.
                await asyncio.to_thread(self._fleet.stack.kill, "redis")
                without = [await self._click(vendor, number, watch_s=WATCH_WITHOUT_REDIS_S) for number in range(times)]
                await asyncio.to_thread(self._fleet.stack.revive, "redis")
            finally:
                self.crowd.seen.is_over = True
                await asyncio.gather(reading, return_exceptions=True)
            if reading.done() and not reading.cancelled() and (error := reading.exception()):
                raise TimeoutError(f"the readers broke off: {error!r}")
        return usual, without, await self.crowd.account(PATIENCE_S + 2 * times)

    async def _click(self, vendor: httpx2.AsyncClient, number: int, *, watch_s: float) -> Click:
        reading = await self._until_all_read()
        url = self._fleet.urls[number % len(self._fleet.urls)]
        clicked = time.time()
        await self._turn(url, enabled=False)
        answered = time.time()
        await asyncio.sleep(watch_s)
        words = max(self.crowd.seen.at.values())
        calls = (await vendor.get("/_calls", params={"count": "1"})).json()["last_at"]
        await self._turn(url, enabled=True)
        if callable(self._tick):
            self._tick()
        return Click(answered - clicked, max(0.0, words - clicked), max(0.0, calls - clicked), reading)

    async def _turn(self, url: str, *, enabled: bool) -> None:
        body = {"subject": "ai", "enabled": enabled, "reason": "the proof of the kill switch"}
        async with httpx2.AsyncClient(base_url=url, timeout=PATIENCE_S) as door:
            (await door.post("/v1/admin/flags", headers=self.crowd.operator, json=body)).raise_for_status()

    async def _until_all_read(self) -> int:
        """Wait until most of them are in the middle of an answer. Raises TimeoutError."""
        until = time.monotonic() + PATIENCE_S
        while (reading := self.crowd.seen.reading(time.time() - READING_S)) < 0.6 * self._readers:
            if time.monotonic() > until:
                raise TimeoutError(f"only {reading} of {self._readers} read; {self.crowd.seen.faults[-3:]}")
            await asyncio.sleep(0.05)
        return reading


def judged(
    usual: Sequence[Click],
    without: Sequence[Click],
    faults: Sequence[str],
    trial: Trial,
    settings: Mapping[str, object],
) -> Proof:
    """Say what holds."""
    return Proof(
        name="killswitch",
        title="The kill switch under load",
        claims=[
            _claim("with Redis", usual, LIMIT_S),
            _claim("with Redis stopped", without, LIMIT_WITHOUT_REDIS_S),
            Claim("no request and no job failed otherwise", not faults, "; ".join(faults[:5]) or "none"),
        ],
        figures={
            "clicks": len(usual) + len(without),
            "reading at the click, least": min((click.reading for click in (*usual, *without)), default=0),
            "with Redis": _figures(usual),
            "with Redis stopped": _figures(without),
            "turns": dict(trial.crowd.seen.endings),
            "jobs": len(trial.crowd.job_urls),
        },
        settings={name: settings[name] for name in ("times", "apis", "workers", "readers")} | {"vendor": PACE},
    )


def _claim(where: str, clicks: Sequence[Click], limit_s: float) -> Claim:
    words, calls = (percentile([getattr(click, name) for click in clicks], 0.99) for name in _WATCHED)
    found = f"last word p99 {words:.3f} s, last call of a model p99 {calls:.3f} s, of {len(clicks)} clicks"
    return Claim(
        f"{where}: from the click to the last of both, p99 under {limit_s:g} s", max(words, calls) < limit_s, found
    )


_WATCHED = ("last_word_s", "last_call_s")


def _figures(clicks: Sequence[Click]) -> dict[str, str]:
    told = {}
    for name in ("answered_s", *_WATCHED):
        values = [getattr(click, name) for click in clicks]
        shares = ((share, percentile(values, share)) for share in (0.5, 0.99))
        told[name] = ", ".join(
            [*(f"p{100 * share:g} {value:.3f}" for share, value in shares), f"most {max(values, default=0):.3f}"]
        )
    return told
