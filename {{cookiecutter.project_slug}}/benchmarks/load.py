"""The load: clients that ask again and again, or arrivals that wait for nobody; a process of its own.

`python -m benchmarks.load` reads a Load as JSON from standard input and writes what it measured to standard output.
"""

import asyncio
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast

import orjson
import uvloop

from benchmarks.serving import length

PATIENCE_S = 30.0
MOST_CONNECTIONS = 2000
NUMBER = "NNNNNNNN"


@dataclass(frozen=True, slots=True)
class Load:
    """What to send where; NUMBER in the body becomes a different number each time, so that no cache answers.

    With `rate` set, so many arrive a second whatever comes back, and a latency counts from when its request was due.
    """

    port: int
    path: str
    body: str
    heads: list[list[str]]
    clients: int = 1
    seconds: float = 3.0
    warmup_s: float = 0.5
    rate: float = 0.0
    accept: str = "application/json"
    first: str = ""
    last: str = ""


@dataclass(slots=True)
class Seen:
    """Latencies in seconds, those of first tokens, and what went wrong, by kind."""

    took_s: list[float] = field(default_factory=list)
    first_s: list[float] = field(default_factory=list)
    faults: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    sent: int = 0

    def as_json(self) -> dict[str, Any]:
        """Give the figures; times in milliseconds."""
        good = len(self.took_s)
        return {
            "sent": self.sent,
            "asked": good + self.faults.total(),
            "faults": dict(self.faults),
            "per_s": good / self.seconds if self.seconds else 0.0,
            **{f"p{share}_ms": quantile(self.took_s, share / 100) for share in (50, 95, 99)},
            **{f"first_p{share}_ms": quantile(self.first_s, share / 100) for share in (50, 99)},
        }


def quantile(seconds: list[float], share: float) -> float | None:
    """Give a quantile in milliseconds; None of nothing."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))], 3)


class Client(asyncio.Protocol):
    """One connection with one request at a time."""

    def __init__(self, load: Load) -> None:
        self._first, self._last = load.first.encode(), load.last.encode()
        self._transport: asyncio.Transport | None = None
        self._buffer = b""
        self._stop = 0
        self._answered: asyncio.Future[str] | None = None
        self.first_at = 0.0

    @property
    def is_open(self) -> bool:
        """Say whether another request can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the way there."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._transport = None
        self._end("connection lost")

    async def ask(self, request: bytes) -> str:
        """Send a request and give what was wrong with the answer: nothing, if all was well."""
        assert self._transport is not None
        self._buffer, self._stop, self.first_at = b"", 0, 0.0
        self._answered = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answered

    def data_received(self, data: bytes) -> None:
        """Gather the answer; note when its first token came."""
        self._buffer = self._buffer + data if self._buffer else data
        if self._first and not self.first_at and self._first in self._buffer:
            self.first_at = time.perf_counter()
        if not self._stop:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            is_chunked = b"chunked" in self._buffer[:end].lower()
            self._stop = -1 if is_chunked else end + 4 + length(self._buffer[:end])
        if self._buffer.endswith(b"0\r\n\r\n") if self._stop < 0 else len(self._buffer) >= self._stop:
            self._end(self._fault())

    def _fault(self) -> str:
        status = self._buffer[9:12].decode()
        if status != "200":
            return f"{status} {problem(self._buffer)}".strip()
        return "" if self._last in self._buffer else "unfinished stream"

    def _end(self, fault: str) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(fault)


def problem(answer: bytes) -> str:
    """Give the type of a problem document."""
    try:
        return str(orjson.loads(answer.partition(b"\r\n\r\n")[2]).get("type", ""))
    except (orjson.JSONDecodeError, AttributeError):
        return ""


class Generator:
    """Makes the load and measures."""

    def __init__(self, load: Load) -> None:
        self._load, self._seen = load, Seen()
        self._numbers = count(int(time.time() * 1000) % 10_000_000)
        self._requests = [self._request(head) for head in load.heads]
        self._from = 0.0
        self._idle: list[Client] = []

    async def run(self) -> Seen:
        """Give what was seen after the warm-up."""
        load = self._load
        started = time.perf_counter()
        self._from = started + load.warmup_s
        until = self._from + load.seconds
        await (self._open(started, until) if load.rate else self._closed(until))
        self._seen.seconds = load.seconds
        return self._seen

    def _request(self, head: list[str]) -> tuple[bytes, bytes]:
        load = self._load
        lines = [
            f"POST {load.path} HTTP/1.1",
            "Host: 127.0.0.1",
            "Content-Type: application/json",
            f"Accept: {load.accept}",
            f"Content-Length: {len(load.body.encode())}",
            *head,
        ]
        before, _, after = load.body.partition(NUMBER)
        return ("\r\n".join(lines) + "\r\n\r\n" + before).encode(), after.encode()

    def _next(self, place: int) -> bytes:
        self._seen.sent += 1
        before, after = self._requests[place % len(self._requests)]
        return b"%s%08d%s" % (before, next(self._numbers) % 100_000_000, after)

    async def _connected(self) -> Client:
        loop = asyncio.get_running_loop()
        _, client = await loop.create_connection(lambda: Client(self._load), "127.0.0.1", self._load.port)
        return client

    async def _closed(self, until: float) -> None:
        await asyncio.gather(*(self._again(place, until) for place in range(self._load.clients)))

    async def _again(self, place: int, until: float) -> None:
        client = await self._connected()
        while (now := time.perf_counter()) < until:
            if not client.is_open:
                client = await self._connected()
            # Another person each time: nobody is measured at the edge of their own rate.
            fault = await client.ask(self._next(place))
            place += self._load.clients
            self._note(client, fault, since=now, counts=time.perf_counter() < until)

    async def _open(self, started: float, until: float) -> None:
        due, tasks, place = started, [], 0
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(self._arrival(place, due)))
            place, due = place + 1, due + 1 / self._load.rate
        for task in (await asyncio.wait(tasks, timeout=PATIENCE_S))[1]:
            task.cancel()
            self._seen.faults["no answer in time"] += 1

    async def _arrival(self, place: int, due: float) -> None:
        client = self._idle.pop() if self._idle else None
        try:
            if client is None or not client.is_open:
                client = await self._connected()
            fault = await client.ask(self._next(place))
        except OSError as error:
            self._seen.faults[type(error).__name__] += 1
            return
        self._note(client, fault, since=due, counts=True)
        if len(self._idle) < MOST_CONNECTIONS:
            self._idle.append(client)

    def _note(self, client: Client, fault: str, *, since: float, counts: bool) -> None:
        if since < self._from or not counts:
            return
        if fault:
            self._seen.faults[fault] += 1
            return
        self._seen.took_s.append(time.perf_counter() - since)
        if client.first_at:
            self._seen.first_s.append(client.first_at - since)


def main() -> None:
    """Do what standard input says."""
    load = Load(**orjson.loads(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(orjson.dumps(uvloop.run(Generator(load).run()).as_json()))


if __name__ == "__main__":
    main()
