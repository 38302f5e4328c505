"""The child that reads files for `reading`: confined before the first one, then one answer for each.

It holds three open files (its pipe, its answers, nothing), may start no program, open no connection and write no file.
Memory is bounded by the kernel on Linux; macOS does not enforce it, the times hold there too.
"""

import ctypes
import json
import os
import resource
import select
import signal
import sys
from contextlib import suppress
from itertools import count
from threading import Thread
from typing import Any, BinaryIO

from app.errors import Unreadable
from app.retrieval.parse import parse
from app.retrieval.reading_limits import ANSWER, EXHAUSTED, REQUEST, Limits

PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38
# Mapped but unused memory (libraries, arenas of the allocator) on top of what may be filled.
UNUSED_BYTES = 1_000_000_000
_PROGRAMS = ("subprocess.", "os.fork", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "pty.")
_REFUSED = ("socket.", "ctypes.dlopen", *_PROGRAMS)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# A child that once needed this share of its memory makes room for a fresh one.
_FULL = 0.5


def main() -> None:
    """Read files until the pipe closes, or until this child is no longer fit."""
    limits, parent = Limits(**json.loads(sys.argv[1])), int(sys.argv[2])
    answers = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(2, 1)
    _die_with(parent)
    confine(limits)
    try:
        _serve(sys.stdin.buffer, answers, limits)
    except MemoryError:
        os._exit(EXHAUSTED)


def confine(limits: Limits) -> None:
    """Give up everything that reading a file does not need; there is no way back."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
        most = limits.memory_bytes + UNUSED_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        # When memory runs out nevertheless, the kernel takes this process and not the worker.
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as score:
            score.write("1000")
    sys.addaudithook(_refuse)


def _die_with(parent: int) -> None:
    if sys.platform == "linux":
        libc = ctypes.CDLL(None)
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    Thread(target=_watch, daemon=True).start()


def _watch() -> None:
    """End with the other end of the pipe, in the middle of a file too."""
    watched = select.poll()
    watched.register(0, 0)
    watched.poll()
    os._exit(0)


def _refuse(event: str, given: tuple[Any, ...]) -> None:
    if event.startswith(_REFUSED):
        raise PermissionError(f"a reader of files may not do this: {event}")
    if event == "open" and isinstance(given[2], int) and given[2] & _WRITING:
        raise PermissionError("a reader of files may not write any")


def _serve(requests: BinaryIO, answers: BinaryIO, limits: Limits) -> None:
    for served in count(1):
        head = requests.read(REQUEST.size)
        if len(head) < REQUEST.size:
            return
        facts_size, content_size = REQUEST.unpack(head)
        facts = json.loads(requests.read(facts_size))
        _allow_cpu(limits.cpu_s)
        answer = _read(requests.read(content_size), **facts)
        answer["fit"] = served < limits.files and _used_bytes() < _FULL * limits.memory_bytes
        written = json.dumps(answer).encode()
        answers.write(ANSWER.pack(len(written)) + written)
        answers.flush()


def _read(content: bytes, *, filename: str, media_type: str) -> dict[str, Any]:
    try:
        parsed = parse(content, filename=filename, media_type=media_type)
    except Unreadable as error:
        return {"reason": error.extra["reason"], "detail": error.detail}
    chunks = [[chunk.heading, chunk.page, chunk.text] for chunk in parsed.chunks]
    return {"chunks": chunks, "hidden": parsed.hidden, "language": parsed.language}


def _allow_cpu(seconds: float) -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _used_bytes() -> int:
    """Give the most memory that this process has held; `getrusage` counts what its parent held before it began."""
    if sys.platform != "linux":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with open("/proc/self/status") as status:
        return next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:")), 0)


if __name__ == "__main__":
    main()
