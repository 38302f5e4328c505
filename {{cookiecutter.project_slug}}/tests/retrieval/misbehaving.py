"""A child whose reader does what the file says: the first word of the content is a misdeed."""

import ctypes
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress

from app.retrieval import reading_child
from app.retrieval.chunk import Chunk, Parsed


def hang() -> str:
    time.sleep(600)
    return ""


def spin() -> str:
    while True:
        pass


def fill() -> str:
    return str(len([bytes(10_000_000) + b"x" for _ in range(10_000)]))


def chatter() -> str:
    os.write(1, b"not an answer" * 100)
    print("not an answer either", flush=True)
    return "said"


def look() -> str:
    opened = [os.readlink(f"/proc/self/fd/{number}") for number in range(3, 100) if is_open(number)]
    kinds = sorted({name.partition(":")[0] for name in opened})
    return f"{sorted(os.environ)} {kinds} {resource.getrlimit(resource.RLIMIT_CORE)}"


def is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False


def tried(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return type(error).__name__
    return "done"


DEEDS: dict[str, Callable[[], str]] = {
    "read": lambda: "read",
    "who": lambda: str(os.getpid()),
    "hang": hang,
    "spin": spin,
    "fill": fill,
    "segfault": lambda: str(ctypes.string_at(0)),
    "quit": lambda: os._exit(3),
    "raise": lambda: str(1 // 0),
    "shout": lambda: "x" * 3_000_000,
    "chatter": chatter,
    "look": look,
    "connect": lambda: tried(lambda: socket.create_connection(("127.0.0.1", 9))),
    "run": lambda: tried(lambda: subprocess.run(["true"], check=False)),
    "write": lambda: tried(lambda: os.open("/tmp/written-by-a-reader", os.O_CREAT | os.O_WRONLY)),
}


def parse(content: bytes, *, filename: str, media_type: str) -> Parsed:
    return Parsed([Chunk("", None, DEEDS[content.decode().split()[0]]())], filename, media_type)


if __name__ == "__main__":
    reading_child.parse = parse
    reading_child.main()
    sys.exit(0)
