"""Evaluation: the real pipeline, deterministic scorers, an honest number, and exit codes that mean something."""

import pytest

from app.control.break_glass import BreakGlass
from app.errors import CannotStart
from app.evaluation.cases import load
from app.evaluation.suite import Suite, wilson
from app.settings import ROOT
from app.store import quality

CASES = """
cases:
  - id: leave
    as: sam.reyes
    question: How many days of annual leave do employees have?
    expect: {outcome: answered, cites: [leave.md], contains: ["25 DAYS"], absent: ["30 days"]}
    tags: [plain]
  - id: pay-for-sales
    as: sam.reyes
    question: How much is the chief executive paid?
    expect: {outcome: refused_no_evidence, absent: ["285,000"]}
    tags: [rights]
  - id: wrong-on-purpose
    as: sam.reyes
    question: How many days of annual leave do employees have?
    expect: {contains: ["99 days"]}
    tags: [plain]
  - id: kept-for-release
    as: erin.holt
    question: How much is the chief executive paid?
    expect: {outcome: answered_extractive, contains: ["285,000"]}
    sealed: true
"""


@pytest.fixture
def cases(tmp_path, service):
    """The handbook use case of the tests with the cases above."""
    from dataclasses import replace

    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "cases.yaml").write_text(CASES)
    return replace(service.usecases["handbook"], folder=tmp_path)


@pytest.fixture
def suite(service):
    return Suite(service.pipeline, service.roles, service.settings.config("people"))


@pytest.mark.proves("EVL-2", "EVL-9")
async def test_cases_run_through_the_real_pipeline_and_are_scored_one_by_one(suite, cases, service):
    report = await suite.run(cases)
    assert {result.case: result.passed for result in report.results} == {
        "leave": True,
        "pay-for-sales": True,
        "wrong-on-purpose": False,
    }
    assert report.by_tag() == {"plain": (1, 2), "rights": (1, 1)}
    assert not report.good and report.threshold == 0.9
    async with service.database.work() as work:
        await quality.keep(work, report.as_json(), commit="abc")
        kept = await quality.newest(work)
    assert kept[0]["passed"] == 2 and kept[0]["low"] < 2 / 3 < kept[0]["high"]


async def test_sealed_cases_run_only_when_asked_for(suite, cases):
    assert len((await suite.run(cases, sealed=True)).results) == 4


async def test_what_broke_is_not_counted_as_wrong(suite, cases, service, monkeypatch):
    monkeypatch.setattr(service.flags, "_glass", BreakGlass(paused=True))
    report = await suite.run(cases)
    assert not report.results and len(report.unmeasured) == 3 and not report.good


def test_cases_that_cannot_be_read_say_why(tmp_path):
    (tmp_path / "evals").mkdir()
    for text, said in (("cases: []", "at least 1"), ("cases: [{id: A}]", "id"), (CASES * 1 + CASES[8:], "twice")):
        (tmp_path / "evals" / "cases.yaml").write_text(text)
        with pytest.raises(CannotStart, match=said):
            load(tmp_path)
    with pytest.raises(CannotStart, match="missing"):
        load(ROOT / "nowhere")


def test_the_interval_is_wilsons():
    low, high = wilson(94, 100)
    assert (round(low, 3), round(high, 3)) == (0.875, 0.972)
    assert wilson(0, 0) == (0.0, 1.0) and wilson(5, 5)[1] == 1.0
