"""From many measurements to one figure each: medians of the rounds, ratios to the floor, and the goals beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

Found = Mapping[tuple[str, str], Mapping[str, Any]]
# What the contract of HTTP says a turn may end with; anything else is a fault of ours.
DOCUMENTED = ("402 ", "409 ", "429 ", "503 ", "504 ")
IDEAL_S = 0.2


@dataclass(frozen=True, slots=True)
class Goal:
    """A promise about one figure: `found` beside what is wanted; None when it was not measured."""

    name: str
    wanted: str
    found: float | None
    is_met: bool | None
    unit: str = "ms"


def merged(rounds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Give the median of each figure over the rounds; faults are added up."""
    faults: dict[str, int] = {}
    for one in rounds:
        for kind, count in one["faults"].items():
            faults[kind] = faults.get(kind, 0) + count
    names = [name for name in rounds[0] if name not in ("faults", "sent", "asked")]
    known = {name: [one[name] for one in rounds if one[name] is not None] for name in names}
    medians = {name: round(median(values), 3) if values else None for name, values in known.items()}
    return {"asked": sum(one["asked"] for one in rounds), "faults": faults, **medians}


def ratio(found: Found, system: str, column: str, *, name: str = "per_s") -> float | None:
    """Give a figure as a share of the floor's."""
    ours, floor = found.get((system, column), {}).get(name), found.get(("floor", column), {}).get(name)
    return ours / floor if ours is not None and floor else None


def undocumented(found: Found) -> dict[str, int]:
    """Give the service's outcomes that stand in no document, with their number."""
    strange: dict[str, int] = {}
    for (system, _), figures in found.items():
        if system in ("plain", "cited"):
            for kind, count in figures["faults"].items():
                if not kind.startswith(DOCUMENTED):
                    strange[kind] = strange.get(kind, 0) + count
    return strange


def goals(found: Found, *, start_s: float | None, clients: int = 50) -> list[Goal]:
    """Compare with the goals of docs/explanation/performance.md."""

    def of(system: str, column: str, name: str) -> float | None:
        value: float | None = found.get((system, column), {}).get(name)
        return value

    ideal = clients / IDEAL_S
    slow, late = of("plain", "slow", "per_s"), _quotient(found, "slow")
    vendor_first = of("vendor", "stream_one", "first_p50_ms") or 0.0
    first = of("plain", "stream_one", "first_p50_ms")
    return [
        _most("one client, without retrieval, p50", 5, of("plain", "one", "p50_ms")),
        _most("one client, without retrieval, p99", 12, of("plain", "one", "p99_ms")),
        _most("one client, with retrieval over the samples, p50", 15, of("cited", "one", "p50_ms")),
        _least("50 clients, share of the floor's requests a second", 0.5, ratio(found, "plain", "fifty"), "share"),
        _least("vendor of 200 ms, 50 clients, share of the ideal", 0.95, slow / ideal if slow else None, "share"),
        _most("the same, p99 over p50", 1.1, late, "times"),
        _most("500 arrivals a second, p99 over p50", 3, _quotient(found, "arrivals"), "times"),
        _most("undocumented outcomes", 0, sum(undocumented(found).values()), "turns"),
        _most("time to first token added, p50", 10, first - vendor_first if first is not None else None),
        _most("start to first answer", 3, start_s, "s"),
        _most("memory of the API process", 200, _memory(found), "MB"),
    ]


def _quotient(found: Found, column: str) -> float | None:
    figures = found.get(("plain", column), {})
    return figures["p99_ms"] / figures["p50_ms"] if figures.get("p50_ms") else None


def _memory(found: Found) -> float | None:
    known = [figures["memory_mb"] for (system, _), figures in found.items() if system in ("plain", "cited")]
    return max((one for one in known if one is not None), default=None)


def _most(name: str, limit: float, found: float | None, unit: str = "ms") -> Goal:
    return Goal(name, f"<= {limit:g}", found, None if found is None else found <= limit, unit)


def _least(name: str, limit: float, found: float | None, unit: str = "ms") -> Goal:
    return Goal(name, f">= {limit:g}", found, None if found is None else found >= limit, unit)
