"""Ends the processes named to it once the process that named them is gone, however that one died.

It is a child that waits at the end of a pipe: a SIGKILL closes the pipe as surely as a clean exit does. The kernel's
own "signal on parent death" reaches neither grandchildren nor macOS, and fires when the *thread* that forked ends.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

POLL_S = 0.05


class Keeper:
    """This process' line to its keeper; the keeper starts with the first thing to watch."""

    def __init__(self) -> None:
        self._child: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self._turn = threading.Lock()

    def watch(self, group: int, sign: signal.Signals, *, grace_s: float, rank: int = 0) -> None:
        """End this process group when we are gone; lower ranks end first, stragglers by SIGKILL after the grace."""
        self._tell(f"watch {group} {int(sign)} {grace_s} {rank}")

    def forget(self, group: int) -> None:
        """Leave this process group alone: it ended in good order."""
        self._tell(f"forget {group}")

    def remove(self, path: Path) -> None:
        """Delete this file when we are gone."""
        self._tell(f"remove {path}")

    def spare(self, path: Path) -> None:
        """Do not delete this file after all."""
        self._tell(f"spare {path}")

    def _tell(self, line: str) -> None:
        with self._turn, suppress(BrokenPipeError):
            if self._child is None or self._owner != os.getpid() or self._child.poll() is not None:
                self._owner, self._child = os.getpid(), _spawn()
            if self._child.stdin is not None:
                self._child.stdin.write(line.encode() + b"\n")
                self._child.stdin.flush()


def _spawn() -> subprocess.Popen[bytes]:
    quiet = subprocess.DEVNULL  # Else a reader of our output would wait for the keeper too.
    command = [sys.executable, "-I", "-S", __file__]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=quiet, stderr=quiet, start_new_session=True)


keeper = Keeper()


def _signal(group: int, sign: int, *, whole: bool) -> bool:
    try:
        (os.killpg if whole else os.kill)(group, sign)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def _end(watched: Iterable[tuple[int, int, float]]) -> None:
    left = {}
    for group, sign, grace_s in watched:
        # To the leader alone: a worker drains, while its children would drop what they hold.
        _signal(group, sign, whole=False)
        left[group] = time.monotonic() + grace_s
    while left:
        time.sleep(POLL_S)
        for group, deadline in list(left.items()):
            if not _signal(group, 0, whole=False) or time.monotonic() > deadline:
                _signal(group, signal.SIGKILL, whole=True)
                del left[group]


def keep(lines: BinaryIO) -> None:
    """Read what to watch until the other end closes, then end it, rank by rank."""
    watched: dict[int, tuple[int, float, int]] = {}
    files = set()
    for line in lines:
        verb, _, rest = line.decode().rstrip("\n").partition(" ")
        if verb == "watch":
            words = rest.split()
            watched[int(words[0])] = (int(words[1]), float(words[2]), int(words[3]))
        elif verb == "forget":
            watched.pop(int(rest), None)
        elif verb == "remove":
            files.add(rest)
        elif verb == "spare":
            files.discard(rest)
    for path in files:
        with suppress(OSError):
            Path(path).unlink()
    for now in sorted({rank for _, _, rank in watched.values()}):
        _end((group, sign, grace_s) for group, (sign, grace_s, rank) in watched.items() if rank == now)


if __name__ == "__main__":
    keep(sys.stdin.buffer)
