"""Starts the parts, shows and keeps their lines, notices when one ends, and stops them all together."""

import asyncio
import json
import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT, Popen

from ops.local import processes
from ops.local.keeper import keeper
from ops.local.parts import Part
from ops.local.screen import Screen

TAIL_LINES = 20
CHUNK_BYTES = 65536
POLL_S = 0.05
# After a part's end its children may hold the pipe open.
LAST_WORDS_S = 0.5
ABANDONED_GRACE_S = 5.0


class Child:
    """One running part, its last lines and, at the end, its exit code."""

    def __init__(self, part: Part, process: Popen[bytes]) -> None:
        """Take over the started process; its group has its id."""
        self.part, self.pid, self._process = part, process.pid, process
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self.exit_code: int | None = None

    async def follow(self, tell: Callable[[str], None]) -> int:
        """Pass its lines on until it ends; answers the shell's exit code, 128 + n after signal n."""
        reading = asyncio.create_task(self._read(tell))
        # Polled, because asyncio's own wait also waits for whoever else holds the pipe.
        while (code := self._process.poll()) is None:  # noqa: ASYNC110
            await asyncio.sleep(POLL_S)
        await asyncio.wait({reading}, timeout=LAST_WORDS_S)
        reading.cancel()
        self.exit_code = code if code >= 0 else 128 - code
        return self.exit_code

    async def _read(self, tell: Callable[[str], None]) -> None:
        # Not readline(): it fails on lines longer than its buffer.
        stream, rest = asyncio.StreamReader(), b""
        protocol = asyncio.StreamReaderProtocol(stream)
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, self._process.stdout)
        try:
            while chunk := await stream.read(CHUNK_BYTES):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    self._pass_on(line, tell)
        finally:
            pipe.close()
            if rest:
                self._pass_on(rest, tell)

    def _pass_on(self, line: bytes, tell: Callable[[str], None]) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self.tail.append(text)
        tell(text)


class Supervisor:
    """The children of one `up`; what runs is also written to `folder`/run for the next start to clean up."""

    def __init__(self, folder: Path, screen: Screen) -> None:
        """Nothing starts yet."""
        self._logs, self._record = folder / "log", folder / "run/parts.json"
        self._screen = screen
        self._following: dict[Child, asyncio.Task[int]] = {}
        self._ended: asyncio.Queue[Child] = asyncio.Queue()
        for made in (self._logs, self._record.parent):
            made.mkdir(mode=0o700, parents=True, exist_ok=True)

    def end_leftovers(self) -> list[str]:
        """Kill the parts of an earlier `up` that died without its keeper; answers their names."""
        if not self._record.exists():
            return []
        running = processes.listing()
        found = []
        for name, (group, command) in json.loads(self._record.read_text() or "{}").items():
            # The number alone could be someone else's by now.
            if any(process.group == group and command in process.command for process in running):
                processes.send(group, signal.SIGKILL, group=True)
                found.append(name)
        self._record.unlink()
        return found

    def start(self, part: Part, env: Mapping[str, str]) -> Child:
        """Start a part that is meant to stay."""
        child = self._spawn(part, env)
        self._following[child].add_done_callback(lambda _: self._ended.put_nowait(child))
        return child

    async def run(self, part: Part, env: Mapping[str, str]) -> Child:
        """Run a command to its end."""
        child = self._spawn(part, env)
        # Shielded: whoever gives up on this command leaves its end to `stop`.
        await asyncio.shield(self._following[child])
        self._forget(child)
        return child

    def log(self, name: str) -> Path:
        """Everything the part of this name has written since it started."""
        return self._logs / f"{name}.log"

    async def first_end(self) -> Child:
        """Wait until a part that was meant to stay has ended."""
        return await self._ended.get()

    async def stop(self, hurry: asyncio.Event) -> None:
        """End all at once: SIGTERM, each one's grace (none once `hurry` is set), then SIGKILL to its whole group."""
        await asyncio.gather(*(self._end(child, hurry) for child in list(self._following)))

    def _spawn(self, part: Part, env: Mapping[str, str]) -> Child:
        process = Popen(
            part.argv, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, env={**env, **part.env}, start_new_session=True
        )
        child = Child(part, process)
        keeper.watch(child.pid, signal.SIGTERM, grace_s=min(part.grace_s, ABANDONED_GRACE_S))
        self._following[child] = asyncio.create_task(self._follow(child))
        self._write_record()
        return child

    async def _follow(self, child: Child) -> int:
        name = child.part.name
        with self.log(name).open("w") as log:

            def tell(text: str) -> None:
                log.write(text + "\n")
                log.flush()
                self._screen.line(name, text)

            return await child.follow(tell)

    async def _end(self, child: Child, hurry: asyncio.Event) -> None:
        # To the leader alone: a worker drains, while its children would drop what they hold.
        if child.exit_code is None:
            processes.send(child.pid, signal.SIGTERM)
        impatience = asyncio.create_task(hurry.wait())
        waiting = {self._following[child], impatience}
        await asyncio.wait(waiting, timeout=child.part.grace_s, return_when=asyncio.FIRST_COMPLETED)
        impatience.cancel()
        if not self._following[child].done():
            self._screen.say(f"{child.part.name} did not stop by itself: killed")
        processes.send(child.pid, signal.SIGKILL, group=True)
        with suppress(asyncio.CancelledError):
            await self._following[child]
        self._forget(child)

    def _forget(self, child: Child) -> None:
        keeper.forget(child.pid)
        self._following.pop(child, None)
        self._write_record()

    def _write_record(self) -> None:
        rows = {child.part.name: (child.pid, " ".join(child.part.argv)) for child in self._following}
        self._record.write_text(json.dumps(rows))
