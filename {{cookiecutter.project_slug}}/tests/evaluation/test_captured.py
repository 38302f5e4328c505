"""Captured cases as files: what the evaluation reads of them, and who asks."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from app.errors import BadInput, CannotStart
from app.evaluation import captured
from app.evaluation.cases import load
from app.evaluation.suite import Suite
from app.store.captured import Captured
from tests.api.serving import changed

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def kept(question, expected="", data=None, *, minutes=0):
    who = {"asker": "sam.reyes", "proposed_by": "sam.reyes", "question": question, "expected": expected}
    at = NOW + timedelta(minutes=minutes)
    return Captured(
        id=uuid4(), turn_id=uuid4(), usecase="handbook", kind="correction", expected_data=data, remark="",
        is_masked=True, status="accepted", created_at=at, **who,
    )  # fmt: skip


@pytest.fixture
def case(service, tmp_path):
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "cases.yaml").write_text(
        'cases: [{id: a, as: sam.reyes, question: "How much leave?", expect: {outcome: answered}}]'
    )
    return replace(service.usecases["handbook"], folder=tmp_path)


@pytest.mark.proves("EVL-8")
async def test_what_was_accepted_is_asked_and_scored_beside_the_other_cases(service, case):
    leave = "How many days of annual leave do employees have?"
    right, wrong = kept(leave, "25 days of annual leave", minutes=1), kept(leave, "99 days of annual leave")
    path, _ = captured.write(case.folder, [right, wrong], "sam.reyes")
    assert path == case.folder / "evals" / "captured.jsonl"
    assert [each.turn for each in load(case.folder)] == ["", str(wrong.turn_id), str(right.turn_id)]
    report = await Suite(service.pipeline, service.roles, service.settings.config("people")).run(case)
    passed = {result.case: result.passed for result in report.results}
    assert passed[f"captured-{right.id}"] and not passed[f"captured-{wrong.id}"]
    assert report.by_tag()["captured"] == (1, 2)


def test_what_is_known_here_is_written_anew_and_cases_of_another_database_stay(case):
    one, other, elsewhere = kept("a", "x"), kept("b", data={"queue": "billing"}), kept("c", "z")
    captured.write(case.folder, [elsewhere], "sam.reyes")
    captured.write(case.folder, [one], "sam.reyes")
    back = replace(one, status="proposed")
    _, written = captured.write(case.folder, [back, other], "erin.holt")
    assert written == [other]
    found = {each.question: (each.person, dict(each.expect.data)) for each in load(case.folder)[1:]}
    assert found == {"c": ("sam.reyes", {}), "b": ("erin.holt", {"queue": "billing"})}
    captured.write(case.folder, [other], "sam.reyes")
    assert {each.question: each.person for each in load(case.folder)[1:]}["b"] == "erin.holt", "who asks stays"


def test_a_broken_line_is_named_with_its_number(case):
    captured.write(case.folder, [kept("a", "b")], "sam.reyes")
    with (case.folder / "evals" / "captured.jsonl").open("a") as file:
        file.write('\n{"id": "x"}\nnot json\n')
    with pytest.raises(CannotStart, match=r"captured\.jsonl, line 3: .*\n.*line 4: "):
        load(case.folder)


def test_somebody_who_may_asks_them(case):
    people = {"one": {"groups": ["sales"]}, "two": {"groups": ["support"]}}
    assert captured.asker_of(case, people) == "one"
    closed = replace(case, contract=changed(case.contract, {"access.groups": ("support",)}))
    assert captured.asker_of(closed, people) == "two" and captured.asker_of(closed, people, "one") == "one"
    with pytest.raises(BadInput, match="has no 'three'; there are: one, two"):
        captured.asker_of(case, people, "three")
    nobody = replace(case, contract=changed(case.contract, {"access.groups": ("board",)}))
    with pytest.raises(BadInput, match="Nobody of"):
        captured.asker_of(nobody, people)
