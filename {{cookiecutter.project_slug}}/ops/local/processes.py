"""Looks at and ends the processes of this machine, by id and by group."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")
POLL_S = 0.02


class Process(NamedTuple):
    """One process that has not ended; `command` is its argument list joined by spaces."""

    pid: int
    group: int
    command: str


def listing() -> list[Process]:
    """All running processes, zombies left out."""
    return _from_proc() if (PROC / "self/stat").exists() else _from_ps()


def _from_proc() -> list[Process]:
    found = []
    for folder in PROC.iterdir():
        if not folder.name.isdecimal():
            continue
        try:
            state, _parent, group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except (OSError, ValueError):
            continue  # It ended while we looked.
        if state != "Z":
            found.append(Process(int(folder.name), int(group), command))
    return found


def _from_ps() -> list[Process]:
    columns = ["ps", "-A", "-ww", "-o", "pid=,pgid=,state=,args="]
    rows = subprocess.run(columns, check=True, capture_output=True, text=True).stdout.splitlines()
    fields = [row.split(None, 3) for row in rows]
    return [Process(int(f[0]), int(f[1]), f[3]) for f in fields if len(f) == 4 and not f[2].startswith("Z")]


def send(pid: int, sign: signal.Signals, *, group: bool = False) -> None:
    """Send a signal to a process, or to its whole group; one that is gone is no error."""
    # macOS answers PermissionError for a group of zombies.
    with suppress(ProcessLookupError, PermissionError):
        (os.killpg if group else os.kill)(pid, sign)


def wait_until(true: Callable[[], bool], timeout_s: float) -> bool:
    """Poll until `true()` holds; False when it did not within the time."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end(pids: Iterable[int], *, steps: Sequence[tuple[signal.Signals, float]]) -> None:
    """Send each signal in turn to those still running, waiting the seconds beside it."""
    named = set(pids)
    for sign, grace_s in steps:
        for pid in named:
            send(pid, sign)
        if wait_until(lambda: named.isdisjoint(process.pid for process in listing()), grace_s):
            return


def free_port(wanted: int = 0, host: str = "127.0.0.1", tries: int = 200) -> int:
    """The wanted port when nobody has it, else the next free one; 0 asks for any."""
    for port in range(wanted, wanted + tries) if wanted else (0,):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise OSError(f"no free port between {wanted} and {wanted + tries - 1} on {host}")
