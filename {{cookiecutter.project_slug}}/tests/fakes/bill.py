"""What the vendor charges, counted on its own side: the other half of a reconciliation.

A call is charged from the moment it is accepted: refusals (4xx, 5xx) cost nothing, a call that hangs or breaks costs
what went in and what was said so far. `undelivered` are charged calls whose asker never got to read the count.
"""

from collections import Counter
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from typing import Any

BLOCK_CHARS = 256
BLOCK_TOKENS = 64


@dataclass(slots=True)
class Entry:
    """One call on the bill, in tokens; `cached` are those of the input that were read before."""

    model: str
    name: str = ""
    fault: str = "ok"
    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    delivered: bool = False


@dataclass(slots=True)
class Bill:
    """Every charged call by model, and each one by itself where the prompt named a plan; `open` ones have not ended."""

    models: dict[str, Counter[str]] = field(default_factory=dict)
    named: dict[str, list[Entry]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    disconnects: int = 0
    open: int = 0

    def charge(self, entry: Entry) -> None:
        """Put an accepted call on the bill once it has ended, however it did."""
        self.open -= 1
        sums = self.models.setdefault(entry.model, Counter())
        parts = {"input": entry.input, "output": entry.output, "cached": entry.cached, "written": entry.written}
        kind = "delivered" if entry.delivered else "undelivered"
        sums.update({"calls": 1, kind: 1})
        sums.update({f"{part}_tokens": tokens for part, tokens in parts.items()})
        sums.update({f"{kind}_{part}_tokens": tokens for part, tokens in parts.items()})
        if entry.name:
            self.named.setdefault(entry.name, []).append(entry)

    def refuse(self, status: int) -> None:
        """Count a call that was turned away, for which nothing is charged."""
        self.refused[str(status)] += 1

    def as_json(self, name: str = "") -> dict[str, Any]:
        """Give the sums; with a name the calls of that plan alone."""
        if name:
            return {"calls": [asdict(entry) for entry in self.named.get(name, [])]}
        total: Counter[str] = Counter()
        for sums in self.models.values():
            total.update(sums)
        return {
            "total": dict(total),
            "models": {model: dict(sums) for model, sums in self.models.items()},
            "refused": dict(self.refused),
            "disconnects": self.disconnects,
            "open": self.open,
        }


@dataclass(slots=True)
class Prefixes:
    """Beginnings of prompts that were read before, in blocks of 64 tokens."""

    seen: set[bytes] = field(default_factory=set)

    def cached(self, text: str) -> int:
        """Give how many tokens of a prompt's beginning were seen before, and remember this one."""
        known, is_known, running = 0, True, blake2b(digest_size=16)
        for start in range(0, len(text) - BLOCK_CHARS + 1, BLOCK_CHARS):
            running.update(text[start : start + BLOCK_CHARS].encode())
            mark = running.digest()
            is_known = is_known and mark in self.seen
            known += BLOCK_TOKENS * is_known
            self.seen.add(mark)
        return known
