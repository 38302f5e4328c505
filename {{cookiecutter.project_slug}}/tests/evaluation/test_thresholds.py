"""How near is near enough: pairs with other answers must stay below, pairs that ask the same should not."""

from pathlib import Path

import pytest

from app.errors import CannotStart
from app.evaluation import paraphrases
from app.evaluation.cases import Case
from app.evaluation.cases import load as load_cases
from app.evaluation.thresholds import measure, wordings
from app.settings import ROOT


def case(id, question, contains, **more):
    expect = {"outcome": "answered", "contains": [contains]}
    return Case.model_validate({"id": id, "as": "sam", "question": question, "expect": expect, **more})


MAY = case("may", "May I take leave?", "yes")
MAY_NOT = case("may-not", "May I not take leave?", "no")
PAY = case("pay", "What is the pay?", "EUR 9")
SAME_PAY = case("same-pay", "How much?", "EUR 9")


def measured(cases, vectors, **other_words):
    return measure("test", wordings(cases, other_words), vectors, embeddings="e")


def test_the_threshold_lies_above_the_nearest_pair_with_other_answers():
    found = measured([MAY, PAY], [(1, 0), (0.99, 0.141), (0.9, 0.436)], may=["Can I have leave?"])
    wrong = found.highest_wrong
    assert {wrong.one, wrong.other} == {"Can I have leave?", PAY.question}
    assert wrong.cosine == pytest.approx(0.9525, abs=1e-3)
    assert found.recommended == 0.97
    assert found.step(0.97).wrong == 0 and found.step(0.97).same == 1
    assert found.step(0.95).wrong == 0.5


def test_where_a_negation_is_as_near_as_the_same_question_no_threshold_is_safe():
    found = measured([MAY, MAY_NOT], [(1, 0), (0.95, 0.312), (0.999, 0.045)], may=["Can I have leave?"])
    assert found.recommended is None and found.highest_wrong.cosine > 0.99


def test_a_threshold_that_finds_nothing_is_not_recommended():
    assert measured([MAY, PAY], [(1, 0), (0, 1), (0.9, 0.436)], may=["Something"]).recommended is None


def test_pairs_that_say_nothing_are_left_out():
    again = case("again", "  MAY I take leave ", "no")
    north = case("north", "And here?", "no", fields={"region": "north"})
    found = measured([MAY, again, north, PAY, SAME_PAY], [(1, 0)] * 5)
    # The same question for another person, the same under other fields, other words with the same answer.
    assert {(pair.one, pair.other) for pair in found.pairs} == {
        *((each.question, pay.question) for each in (MAY, again) for pay in (PAY, SAME_PAY))
    }


def test_the_shipped_paraphrases_belong_to_cases():
    folder = ROOT / "usecases" / "policy_answers"
    if not folder.exists():
        pytest.skip("left out by an answer to the template's questions")
    known = paraphrases.load(folder, ids=frozenset(each.id for each in load_cases(folder)))
    assert len(known) > 10


@pytest.mark.parametrize(
    ("text", "said"),
    [("paraphrases: {no-such: [x]}", "no case no-such"), ("paraphrases: {may: []}", "may"), ("{", "YAML")],
)
def test_a_fault_in_the_file_names_the_file(tmp_path: Path, text, said):
    (tmp_path / "evals").mkdir()
    (tmp_path / "evals" / "paraphrases.yaml").write_text(text)
    with pytest.raises(CannotStart, match=said) as error:
        paraphrases.load(tmp_path, ids=frozenset({"may"}))
    assert "paraphrases.yaml" in error.value.detail
