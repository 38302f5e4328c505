"""Evaluation cases that name a person are found by the line, and taken out without touching another."""

from dataclasses import replace

import pytest
import yaml

from app.work.named_cases import naming, take_out

CASES = """# People read this.
cases:
  # ---- facts ----
  - id: asked-by
    as: sam.reyes
    question: >
      How many days
      of leave?
    expect:
      contains: ["25"]

  # ---- others ----
  - id: another
    as: sam.reyes.smith
    question: Who is sam.reyes-2?
    expect: {outcome: answered}
  - id: told-of
    as: olga.petrov
    question: Did sam.reyes, of sales, get 25 days?
    expect: {outcome: answered}
# The end.
"""


@pytest.fixture
def usecases(service, tmp_path):
    """The sample `handbook` with cases of its own."""
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "cases.yaml").write_text(CASES)
    return {"handbook": replace(service.usecases["handbook"], folder=tmp_path)}


def test_a_case_is_found_by_who_asks_and_by_whom_it_names_but_not_by_a_longer_name(usecases):
    found = naming(usecases, "sam.reyes")
    assert [case.place for case in found] == [f"usecases/handbook/evals/cases.yaml:{line}" for line in (4, 17)]
    assert [case.id for case in found] == ["asked-by", "told-of"]
    assert [case.id for case in naming(usecases, "sam.reyes.smith")] == ["another"]
    assert naming(usecases, "sam") == naming(usecases, "reyes") == []


def test_what_is_taken_out_leaves_every_other_line_as_it_was(usecases, tmp_path):
    take_out(naming(usecases, "sam.reyes"))
    left = (tmp_path / "evals" / "cases.yaml").read_text()
    gone = set(CASES.splitlines()) - set(left.splitlines())
    assert "# People read this." in left and "# ---- others ----" in left and left.endswith("# The end.\n")
    assert [case["id"] for case in yaml.safe_load(left)["cases"]] == ["another"]
    assert {
        "  - id: asked-by",
        "  - id: told-of",
        '      contains: ["25"]',
    } <= gone
    assert "  # ---- facts ----" not in gone
    assert naming(usecases, "sam.reyes") == []
