"""What `make up` shows: the parts' lines with coloured names, how long a step takes, and the table of what runs."""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TextIO

from rich.console import Console
from rich.table import Table

COLOURS = ("\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m")
OFF = "\x1b[0m"
WIDTH = 17
# Anything longer than the first says so, then at each of these, then as often as the last.
TOLD_AT_S = (2, 5, 10, 20, 30)


class Screen:
    """Standard output; `quiet` leaves the parts' own lines to their log files."""

    def __init__(self, *, quiet: bool = False, out: TextIO | None = None) -> None:
        """Colours appear on a terminal only."""
        self.quiet = quiet
        self._out = out or sys.stdout
        self._colour = self._out.isatty()
        self._names: list[str] = []

    def say(self, text: str) -> None:
        """One line of our own."""
        self._write(f"\x1b[1m{text}{OFF}" if self._colour else text)

    def plain(self, text: str) -> None:
        """A text as it is."""
        self._write(text)

    def line(self, name: str, text: str) -> None:
        """One line of a part."""
        if self.quiet:
            return
        if name not in self._names:
            self._names.append(name)
        label = f"{name:<{WIDTH}}| "
        if self._colour:
            label = f"{COLOURS[self._names.index(name) % len(COLOURS)]}{label}{OFF}"
        self._write(label + text)

    def table(self, rows: Sequence[tuple[str, str, str]]) -> None:
        """What runs where: name, process id, address."""
        table = Table("what", "process", "where")
        for row in rows:
            table.add_row(*row)
        with suppress(OSError):
            Console(file=self._out, width=None if self._colour else 140).print(table)

    @asynccontextmanager
    async def step(self, name: str) -> AsyncIterator[None]:
        """Time a step, telling while it takes long."""
        began = time.monotonic()
        ticker = asyncio.create_task(self._tick(name, began))
        try:
            yield
            self.say(f"{name}: done in {time.monotonic() - began:.1f} s")
        finally:
            ticker.cancel()

    async def _tick(self, name: str, began: float) -> None:
        for told_s in itertools.chain(TOLD_AT_S, itertools.count(2 * TOLD_AT_S[-1], TOLD_AT_S[-1])):
            await asyncio.sleep(began + told_s - time.monotonic())
            self.say(f"{name}: {told_s} s so far")

    def _write(self, text: str) -> None:
        # A closed pipe (`make up | head`) must not keep us from stopping the parts.
        with suppress(OSError, ValueError):
            self._out.write(text + "\n")
            self._out.flush()
