"""Retrieval quality: measured through the real search, compared with the approved run, and a gate that turns red."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from app.cli import proving
from app.errors import BadInput, CannotStart
from app.evaluation import baseline
from app.evaluation.ranking import METRICS
from app.evaluation.retrieval import SearchSuite

LEAVE = '{document: leave.md, quote: "25 days"}'
PAY = '{document: executive-pay.md, quote: "285,000"}'
QUESTIONS = f"""
questions:
  - {{id: leave, as: sam.reyes, kind: plain, question: "How many days of annual leave?", right: [{LEAVE}]}}
  - {{id: leave-again, as: priya.nair, kind: keyword, question: annual leave days, right: [{LEAVE}]}}
  - {{id: pay, as: erin.holt, kind: plain, question: "How much is the chief executive paid?", right: [{PAY}]}}
  - id: both
    as: erin.holt
    kind: multi-hop
    question: Annual leave and the pay of the chief executive
    right: [{LEAVE}, {PAY}]
  - {{id: pay-for-sales, as: sam.reyes, kind: forbidden, question: "What is the chief executive paid?", never: [{PAY}]}}
  - {{id: mongolia, as: sam.reyes, kind: no-answer, question: "What is the capital of Mongolia?"}}
"""


@pytest.fixture
def case(tmp_path, service):
    """The handbook use case of the tests with the questions above."""
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "retrieval.yaml").write_text(QUESTIONS)
    return replace(service.usecases["handbook"], folder=tmp_path)


@pytest.fixture
def measuring(service):
    """Give the suite over another way to search."""

    def make(retrieve=None):
        people = service.settings.config("people")
        return SearchSuite(retrieve or service.pipeline.retrieve, service.database, service.roles, people)

    return make


def places(report):
    return {found.id: found.places for found in report.results}


@pytest.mark.proves("EVL-9", "SEC-4")
async def test_every_question_is_asked_as_its_person_and_its_passages_are_looked_for(measuring, case):
    report = await measuring().run(case)
    assert not report.faults and not report.leaks and report.good
    assert places(report)["leave"] == places(report)["pay"] == (1,)
    assert sorted(places(report)["both"]) == [1, 2] and places(report)["pay-for-sales"] == ()
    assert report.figures["recall_at_5"].mean == 1.0 and report.figures["recall_at_5"].count == 4
    assert set(report.by("readers")) == {"everyone", "group:executives"}
    assert set(report.by("format")) == {"md"} and set(report.by("kind")) >= {"plain", "forbidden"}
    told = report.as_json()
    assert told["figures"]["mrr"]["low"] <= told["figures"]["mrr"]["mean"] and told["by_kind"]["plain"]


async def test_a_mark_that_fits_nothing_is_a_fault_of_the_file_and_not_of_the_search(measuring, case):
    nowhere = "never: [{document: leave.md, quote: '27'}]"
    text = QUESTIONS.replace("25 days", "26 days").replace(f"never: [{PAY}]", nowhere)
    (case.folder / "evals" / "retrieval.yaml").write_text(text)
    report = await measuring().run(case)
    assert len(report.faults) == 4 and "26 days" in report.faults[0] and "27" in report.faults[-1]
    (case.folder / "evals" / "retrieval.yaml").write_text(QUESTIONS.replace("as: priya.nair", "as: nobody.here"))
    with pytest.raises(CannotStart, match="nobody"):
        await measuring().run(case)


@pytest.mark.proves("SEC-4")
async def test_a_passage_that_the_asker_may_not_read_fails_the_run_whatever_the_figures(measuring, case, service):
    erin = service.roles.principal("erin.holt", groups=("executives",))

    async def as_erin(turn):
        found = await service.pipeline.retrieve(turn.with_(principal=erin))
        return turn.with_(passages=found.passages)

    report = await measuring(as_erin).run(case)
    assert [found.id for found in report.leaks] == ["pay-for-sales"] and not report.good
    with pytest.raises(BadInput, match="leaked"):
        baseline.approve(case.folder, report, because="never")


@pytest.mark.proves("EVL-5", "OBS-6")
async def test_a_search_that_got_worse_fails_and_the_questions_are_named(measuring, case, service):
    good = await measuring().run(case)
    assert baseline.compare(case.folder, good) is None
    baseline.approve(case.folder, good, because="the first: 'as it is', \"quoted\"")
    same = baseline.compare(case.folder, await measuring().run(case))
    assert same is not None and same.good and not same.moved and same.because.endswith('"quoted"')

    async def finds_nothing(turn):
        return turn

    async def backwards(turn):
        found = await service.pipeline.retrieve(turn)
        return turn.with_(passages=found.passages[::-1] if len(found.passages) > 1 else ())

    worse = baseline.compare(case.folder, await measuring(finds_nothing).run(case))
    assert worse is not None and not worse.good
    assert {each.metric for each in worse.changes if each.is_worse} == set(METRICS)
    assert {each.id for each in worse.moved if each.is_worse} == {"leave", "leave-again", "pay", "both"}
    assert [each.id for each in worse.moved if not each.is_worse] == ["mongolia", "pay-for-sales"] or worse.moved
    turned = baseline.compare(case.folder, await measuring(backwards).run(case))
    assert turned is not None and not turned.good


async def test_new_and_changed_questions_are_not_compared_and_lost_ones_are_named(measuring, case):
    baseline.approve(case.folder, await measuring().run(case), because="the first")
    text = QUESTIONS.replace("How many days of annual leave?", "How much annual leave?").replace(
        "id: mongolia", "id: asia"
    )
    (case.folder / "evals" / "retrieval.yaml").write_text(text)
    found = baseline.compare(case.folder, await measuring().run(case))
    assert found is not None and sorted(found.fresh) == ["asia", "leave"] and found.gone == ["mongolia"]
    (case.folder / "evals" / "retrieval-approved.toml").write_text("because = 1")
    with pytest.raises(CannotStart, match=r"--approve"):
        baseline.compare(case.folder, await measuring().run(case))


async def test_a_contract_can_ask_for_more_recall_than_there_is(measuring, case):
    async def finds_nothing(turn):
        return turn

    quality = case.contract.quality.model_copy(update={"recall_at_5": 0.99})
    strict = replace(case, contract=case.contract.model_copy(update={"quality": quality}))
    report = await measuring(finds_nothing).run(strict)
    assert report.figures["recall_at_5"].mean < 0.99 and not report.good
    with pytest.raises(BadInput, match="recall"):
        baseline.approve(case.folder, report, because="no")
    with pytest.raises(BadInput, match="why"):
        baseline.approve(case.folder, report, because=" ")


@pytest.mark.proves("EVL-5")
@pytest.mark.parametrize(("broken", "code"), [("", 0), ("worse", 1), ("fault", 2)])
async def test_the_command_says_so_with_its_exit_code(measuring, case, monkeypatch, broken, code):
    good = await measuring().run(case)
    baseline.approve(case.folder, good, because="the first")
    if broken == "worse":
        good = replace(good, results=[replace(found, places=tuple(0 for _ in found.places)) for found in good.results])
    if broken == "fault":
        good = replace(good, faults=["leave: nothing fits"])
    measured = proving.Measured(case, None, good, baseline.compare(case.folder, good))
    monkeypatch.setattr(proving, "in_place", lambda _: [measured])
    import typer

    app = typer.Typer()
    app.command()(proving.evaluate)
    ended = CliRunner().invoke(app, ["--search"])
    assert ended.exit_code == code, ended.output
    assert ("worse leave: [1] -> [0]" in ended.output) == (broken == "worse")
    assert SimpleNamespace(**measured.as_json()).search["compared"]["good"] == (broken != "worse")
