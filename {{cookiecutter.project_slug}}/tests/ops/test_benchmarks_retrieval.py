"""The benchmark of the search runs at its smallest, over documents that are the same each time."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from benchmarks.__main__ import GOOD, main
from benchmarks.retrieval import SYSTEMS
from benchmarks.retrieval_corpus import AREAS, PIECES, VISIBLE, Corpus, claims
from benchmarks.retrieval_figures import Sample, figures, goals

pytestmark = pytest.mark.xdist_group("benchmarks")


@pytest.mark.slow
@pytest.mark.proves("SCL-2", "SEC-4")
def test_a_short_run_measures_every_person_and_system(tmp_path: Path) -> None:
    words = [
        "retrieval",
        "--chunks",
        "3000",
        "--questions",
        "3",
        "--memory-gb",
        "1",
        "--no-judge",
        "--out",
        str(tmp_path),
    ]
    assert main(words) == GOOD
    report = json.loads(next(tmp_path.glob("retrieval-*.json")).read_text())
    people = report["corpora"]["3000"]["people"]
    assert set(people) == set(VISIBLE)
    for systems in people.values():
        assert set(systems) == set(SYSTEMS)
        assert systems["vectors"]["recall"] == 1.0
        assert systems["hybrid"]["plans"] == "exact 3"
        assert all(one["p50_ms"] > 0 for one in systems.values())


def test_the_same_seed_makes_the_same_documents() -> None:
    one, other = Corpus(1000), Corpus(1000)
    topics = np.arange(5)
    assert one.texts(topics) == other.texts(topics)
    assert np.array_equal(one.vectors(topics), other.vectors(topics))


def test_areas_hold_their_share_and_each_person_sees_all_smaller_ones() -> None:
    counted = [0] * len(AREAS)
    for area, topics in Corpus(100_000).batches():
        counted[area] += len(topics) * PIECES
    for count, (share, _) in zip(counted, AREAS.values(), strict=True):
        assert count == pytest.approx(100_000 * share, abs=2 * PIECES)
    seen = [set(claims(visible)) for visible in VISIBLE]
    assert all(fewer < more for fewer, more in pairwise(seen))


def test_recall_is_the_share_of_the_ten_best_that_was_found() -> None:
    samples = [Sample(1.0, 0.5, [1, 2, 3], "exact"), Sample(3.0, 0.7, [9], "index")]
    found = figures(samples, [[1, 2], [7, 9]])
    assert (found.recall, found.worst_recall, found.p50_ms, found.cpu_p99_ms) == (0.75, 0.5, 3.0, 0.7)
    assert found.plans == "exact 1, index 1"


def test_a_goal_belongs_to_the_size_it_was_set_for() -> None:
    one = figures([Sample(60.0, None, [1], "index")], [[1]])
    told = {
        size: [goal["met"] for goal in goals(size, {"1 %": {"vectors": one, "hybrid": one}})]
        for size in (100_000, 1_000_000)
    }
    assert told == {100_000: [True, False], 1_000_000: [True, False]}
