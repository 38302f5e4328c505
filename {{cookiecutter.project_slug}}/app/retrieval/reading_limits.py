"""What the reader of files and its children agree on: bounds, and how a file and its answer are sent."""

import struct
from dataclasses import dataclass

MEGABYTE = 1_000_000
# Sizes of the facts and of the content that follow; size of the answer that follows.
REQUEST, ANSWER = struct.Struct(">IQ"), struct.Struct(">Q")
# How a child says that its memory did not suffice even for saying so.
EXHAUSTED = 77


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the reading of one file, and how many files a child reads before another takes its place."""

    memory_bytes: int = 1024 * MEGABYTE
    cpu_s: float = 60.0
    wall_s: float = 120.0
    answer_bytes: int = 64 * MEGABYTE
    files: int = 100
