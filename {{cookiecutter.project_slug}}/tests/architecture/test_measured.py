"""What docs/explanation/performance.md says of the operator's hand is what its evidence says."""

import json
import re
from typing import Any

from app.settings import ROOT

PAGE = re.sub(r"\s+", " ", (ROOT / "docs" / "explanation" / "performance.md").read_text("utf-8"))


def figures(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "ops" / "evidence" / f"{name}.json").read_text("utf-8"))["figures"])


def test_the_kill_switch() -> None:
    found = figures("killswitch")
    for case, row in (
        ("with Redis", "with Redis: until the last word of any stream"),
        ("with Redis stopped", "Redis stopped: until the last word"),
    ):
        told = re.match(r"p50 ([\d.]+), p99 ([\d.]+)", found[case]["last_word_s"])
        assert told and f"| {row} | {told[1]} s | {told[2]} s |" in PAGE
    last = [re.search(r"p99 ([\d.]+)", found[case]["last_call_s"]) for case in ("with Redis", "with Redis stopped")]
    assert last[0] and f"until the last new call of a model | before the click was answered | {last[0][1]} s |" in PAGE
    assert last[1] and f"| {last[1][1]} s |" in PAGE.partition("Redis stopped: until the last call")[2]


def test_the_rollouts() -> None:
    found = figures("rollout")
    slow, wrong, dear = (
        found[f"{kind}: the candidate's turns when it was halted"] for kind in ("slow", "wrong", "dear")
    )
    assert (
        f"a slow one was halted after {slow} turns of its own, a wrong one after {wrong}, a dear one after {dear}"
        in PAGE
    )
    assert f"a good one ({found['a good one: turns of the candidate, all rollouts']:,} turns of it) none was" in PAGE


def test_the_pages_that_add_turns_up() -> None:
    found = figures("ledger")
    overview, costs = (
        re.match(r"first ([\d.]+) s", found[f"the {page}"]) for page in ("Overview of 30 days", "Costs of 90 days")
    )
    assert overview and costs
    assert (
        f"the Overview of 30 days takes {overview[1]} s for whoever looks first, and the Costs of 90 days {costs[1]} s"
        in PAGE
    )
