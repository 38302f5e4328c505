"""Readiness: a row counts only when something ran and passed."""

import json

import pytest

from app.evaluation.readiness import State, assess, requirements


def write(folder, name, at, proofs):
    (folder / f"tests-{name}.json").write_text(json.dumps({"at": at, "commit": "abc", "proofs": proofs}))


@pytest.mark.proves("OPS-8")
def test_rows_are_proven_broken_or_not_yet_by_what_ran(tmp_path):
    begun = next(requirement.id for requirement in requirements() if requirement.missing)
    write(tmp_path, "gw0", "2026-01-01", {"CTL-1": {"a": "passed", "b": "failed"}, "SEC-4": {"c": "passed"}})
    write(
        tmp_path,
        "gw1",
        "2026-01-02",
        {"CTL-1": {"b": "passed"}, begun: {"f": "passed"}, "OBS-1": {"d": "skipped"}, "REL-9": {"e": "failed"}},
    )
    rows = {row.requirement.id: row for row in assess(tmp_path)}
    assert rows["CTL-1"].state is State.PROVEN, "the newer run of a test counts"
    assert rows["SEC-4"].state is State.PROVEN
    assert rows[begun].state is State.BEGUN, "something is missing yet, whatever its tests say"
    assert rows["OBS-1"].state is State.NOT_YET, "a skipped test proves nothing"
    assert rows["REL-9"].state is State.BROKEN
    assert len(rows) == len(requirements()) == 73


def test_without_evidence_nothing_is_proven(tmp_path):
    assert {row.state for row in assess(tmp_path)} == {State.NOT_YET}
