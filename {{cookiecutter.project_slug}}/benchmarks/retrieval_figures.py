"""What the measurements of the search come to, and the goals beside them."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

RECALL, NEAR_P99_MS, HYBRID_P50_MS = 0.95, 50.0, 15.0
SMALL, LARGE = 100_000, 1_000_000


@dataclass(frozen=True, slots=True)
class Sample:
    """One question: milliseconds, PostgreSQL's processor time in ms (None where it cannot be read), what was found."""

    ms: float
    cpu_ms: float | None
    ids: Sequence[int]
    plan: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """One system asked by one person."""

    p50_ms: float
    p99_ms: float
    cpu_p50_ms: float | None
    cpu_p99_ms: float | None
    recall: float | None
    worst_recall: float | None
    plans: str


def figures(samples: Sequence[Sample], truth: Sequence[Sequence[int]] | None) -> Figures:
    """Sum up; recall is the share of the ten best of `truth` that was found, where there are so many questions."""
    times, cpu = [one.ms for one in samples], [one.cpu_ms for one in samples if one.cpu_ms is not None]
    recalls = [
        len(set(one.ids[:10]) & set(best[:10])) / len(best[:10])
        for one, best in zip(samples, truth or (), strict=False)
        if best
    ]
    plans = Counter(one.plan for one in samples if one.plan)
    return Figures(
        p50_ms=round(quantile(times, 0.5), 2),
        p99_ms=round(quantile(times, 0.99), 2),
        cpu_p50_ms=round(quantile(cpu, 0.5), 2) if cpu else None,
        cpu_p99_ms=round(quantile(cpu, 0.99), 2) if cpu else None,
        recall=round(mean(recalls), 4) if recalls else None,
        worst_recall=round(min(recalls), 2) if recalls else None,
        plans=", ".join(f"{plan} {count}" for plan, count in plans.most_common()),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """Give the value that this share of them does not exceed."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def goals(chunks: int, people: Mapping[str, Mapping[str, Figures]]) -> list[dict[str, Any]]:
    """Compare with the goals of docs/explanation/performance.md."""
    found = []
    for visible, systems in people.items():
        near, hybrid = systems["vectors"], systems["hybrid"]
        who = f"{chunks:,} chunks, {visible}"
        if near.recall is not None:
            found.append(_goal(f"{who}: recall@10 >= {RECALL}", near.recall, is_met=near.recall >= RECALL))
        if chunks >= LARGE:
            name = f"{who}: filtered vector search p99 <= {NEAR_P99_MS:g} ms"
            found.append(_goal(name, near.p99_ms, is_met=near.p99_ms <= NEAR_P99_MS))
        elif chunks == SMALL:
            name = f"{who}: hybrid p50 <= {HYBRID_P50_MS:g} ms"
            found.append(_goal(name, hybrid.p50_ms, is_met=hybrid.p50_ms <= HYBRID_P50_MS))
    return found


def _goal(name: str, found: float, *, is_met: bool) -> dict[str, Any]:
    return {"name": name, "found": found, "met": is_met}
