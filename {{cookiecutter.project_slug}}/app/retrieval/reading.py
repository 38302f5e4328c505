"""Reading files apart: each in a child process with bounds on memory, time and answer, killed for certain when it ends.

A file is written by others: it may hang its reader, crash it, or fill the memory. The child has no secrets, no sockets
and no files of this process to lose (see `reading_child`), so the worst file costs its child and gets a sentence.
"""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import structlog

from app.errors import DependencyDown, Unreadable
from app.retrieval.chunk import Chunk, Parsed
from app.retrieval.parse import ensure_size
from app.retrieval.reading_limits import ANSWER, EXHAUSTED, MEGABYTE, REQUEST, Limits

log = structlog.get_logger(__name__)

ROOT = Path(__file__).parents[2]
CHILD = "app.retrieval.reading_child"


@dataclass(slots=True)
class ReadingRoom:
    """The children of this process: started when needed, used again, at most `children` at once.

    Belongs to one event loop. An idle child goes after `idle_s` seconds; `close` ends them all.
    """

    limits: Limits = field(default_factory=Limits)
    children: int = 2
    idle_s: float = 60.0
    _free: asyncio.Semaphore = field(init=False)
    _idle: list["_Child"] = field(default_factory=list)
    _all: set["_Child"] = field(default_factory=set)
    _is_closed: bool = False

    def __post_init__(self) -> None:
        self._free = asyncio.Semaphore(self.children)

    async def read_apart(self, content: bytes, *, filename: str, media_type: str = "") -> Parsed:
        """Read a document in a child process; raises Unreadable with a reason and a sentence.

        A deadline or a stop that cancels this kills the child at once. Raises DependencyDown once the room is closed.
        """
        ensure_size(content)
        request = _request(content, {"filename": filename, "media_type": media_type})
        async with self._free:
            child = self._take()
            is_fresh = child is None
            child = child or await self._start()
            try:
                return await self._read(child, request)
            except _Crashed:
                # What a reader left behind from an earlier file may have killed it: the file gets a child of its own.
                if is_fresh:
                    raise
            return await self._read(await self._start(), request)

    async def close(self) -> None:
        """End every child for good; whoever still waits gets DependencyDown, and another worker reads the document."""
        self._is_closed = True
        ending = list(self._all)
        for child in ending:
            self._end(child)
        await asyncio.gather(*(child.process.wait() for child in ending))

    async def _read(self, child: "_Child", request: bytes) -> Parsed:
        is_fit = False
        try:
            async with asyncio.timeout(self.limits.wall_s):
                answer = await child.ask(request, most_bytes=self.limits.answer_bytes)
            is_fit = bool(answer["fit"])
        except TimeoutError as error:
            raise _too_slow(self.limits.wall_s) from error
        except (EOFError, ConnectionError, BrokenPipeError) as error:
            # The pipe closes a moment before the process is gone; a child that lives on without it is killed below.
            with suppress(TimeoutError):
                await asyncio.wait_for(child.process.wait(), 5)
            raise self._fault(child.process.returncode) from error
        finally:
            self._leave(child) if is_fit else self._end(child)
        return _parsed(answer)

    def _take(self) -> "_Child | None":
        while self._idle:
            child = self._idle.pop()
            child.rest()
            if child.process.returncode is None:
                return child
        return None

    async def _start(self) -> "_Child":
        if self._is_closed:
            raise _stopping()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-s", "-m", CHILD, json.dumps(asdict(self.limits)), str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
            cwd="/",
            start_new_session=True,
        )
        child = _Child(process)
        # One that was ended stays until the event loop has its exit status: `close` waits for it.
        self._all = {child, *(each for each in self._all if each.process.returncode is None)}
        return child

    def _leave(self, child: "_Child") -> None:
        self._idle.append(child)
        child.timer = asyncio.get_running_loop().call_later(self.idle_s, self._end, child)

    def _end(self, child: "_Child") -> None:
        child.kill()
        if child in self._idle:
            self._idle.remove(child)

    def _fault(self, code: int | None) -> Unreadable | DependencyDown:
        if self._is_closed:
            return _stopping()
        log.warning("reading.died", code=code)
        if code == -signal.SIGXCPU:
            return _too_slow(self.limits.cpu_s)
        if code == EXHAUSTED:
            most = self.limits.memory_bytes // MEGABYTE
            return Unreadable(f"Reading the document takes more than {most:,} MB of memory.", reason="oversized")
        return _Crashed("The file makes its reader crash. Open it, save it anew and try again.", reason="crashed")


class _Crashed(Unreadable):
    """The child died of something else than a limit."""


@dataclass(slots=True, eq=False)
class _Child:
    process: asyncio.subprocess.Process
    timer: asyncio.TimerHandle | None = None

    async def ask(self, request: bytes, *, most_bytes: int) -> Mapping[str, Any]:
        """Send a file and wait for what was found; raises EOFError or OSError when the child dies meanwhile."""
        assert self.process.stdin and self.process.stdout, "children are started with pipes"
        self.process.stdin.write(request)
        await self.process.stdin.drain()
        (size,) = ANSWER.unpack(await self.process.stdout.readexactly(ANSWER.size))
        if size > most_bytes:
            raise Unreadable("The document says more than can be searched. Split it.", reason="oversized")
        found: Mapping[str, Any] = json.loads(await self.process.stdout.readexactly(size))
        return found

    def rest(self) -> None:
        """Forget the end that was set for idling."""
        if self.timer:
            self.timer.cancel()

    def kill(self) -> None:
        """Kill the child and whatever it started; the event loop takes its exit status."""
        self.rest()
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def _environment() -> dict[str, str]:
    """Give the child what Python needs, and no setting or key of this process."""
    own = {"PYTHONPATH": str(ROOT), "LANG": "C.UTF-8", "MALLOC_ARENA_MAX": "2"}
    if sys.pycache_prefix:
        own["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    if sys.dont_write_bytecode:
        own["PYTHONDONTWRITEBYTECODE"] = "1"
    return own


def _request(content: bytes, facts: Mapping[str, str]) -> bytes:
    head = json.dumps(facts).encode()
    return REQUEST.pack(len(head), len(content)) + head + content


def _parsed(answer: Mapping[str, Any]) -> Parsed:
    if "reason" in answer:
        raise Unreadable(answer["detail"], reason=answer["reason"])
    chunks = [Chunk(heading, page, text) for heading, page, text in answer["chunks"]]
    return Parsed(chunks, answer["hidden"], answer["language"])


def _stopping() -> DependencyDown:
    return DependencyDown("This worker is stopping; another one reads the document.")


def _too_slow(limit_s: float) -> Unreadable:
    return Unreadable(
        f"Reading the document takes longer than {limit_s:g} s. Split it, or save it in a simpler form.",
        reason="too_slow",
    )
