"""Questions to the search: what a file may say, and which passage a mark means."""

import pytest

from app.errors import CannotStart
from app.evaluation.questions import Mark, load

RIGHT = "right: [{document: leave.md, quote: 25 days}]"
PLAIN = f"{{id: a, as: x, kind: plain, question: Which, {RIGHT}}}"


def write(folder, text):
    (folder / "evals").mkdir(exist_ok=True)
    (folder / "evals" / "retrieval.yaml").write_text(text)


def test_a_mark_is_found_in_a_passage_that_was_merged_or_spelled_otherwise():
    mark = Mark(document="a.csv", quote="TW-450; price: 6900")
    found = {"document": "a.csv", "heading": "", "page": None}
    assert mark.fits(text="part: X / tw 450\nprice 6900 / part: Z", **found)
    assert not mark.fits(text="TW-450; price: 69001", **found), "half a number is another number"
    assert not mark.fits(text="TW-450; price: 6900", **{**found, "document": "b.csv"})
    page = Mark(document="a.pdf", page=2, heading="3. Hotels")
    assert page.fits(document="a.pdf", text="", heading="Travel policy > 3. Hotels", page=2)
    assert not page.fits(document="a.pdf", text="", heading="Travel policy > 3. Hotels", page=1)
    assert not page.fits(document="a.pdf", text="", heading="4. Meals", page=2)


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("{id: a, as: x, kind: plain, question: Which}", "right"),
        (f"{{id: a, as: x, kind: forbidden, question: Which, {RIGHT}}}", "never"),
        (f"{{id: a, as: x, kind: no-answer, question: Which, {RIGHT}}}", "names no passage"),
        ("{id: a, as: x, kind: plain, question: Which, right: [{document: leave.md}]}", "quote"),
        (f"{{id: A, as: x, kind: plain, question: Which, {RIGHT}}}", "id"),
        (f"{{id: a, as: x, kind: plain, question: Which, {RIGHT}, answer: B}}", "answer"),
        (
            f"{PLAIN}\n- {PLAIN}",
            "twice",
        ),
        ("{", "YAML"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path, question, said):
    write(tmp_path, f"questions:\n- {question}\n")
    with pytest.raises(CannotStart, match=said):
        load(tmp_path)


def test_a_question_that_is_changed_is_another_question(tmp_path):
    write(tmp_path, f"questions:\n- {{id: a, as: x, kind: plain, question: Which, {RIGHT}}}\n")
    first = load(tmp_path)[0]
    write(tmp_path, f"questions:\n- {{id: b, as: x, kind: table, question: Which, {RIGHT}}}\n")
    assert load(tmp_path)[0].fingerprint == first.fingerprint
    write(tmp_path, f"questions:\n- {{id: a, as: x, kind: plain, question: Where, {RIGHT}}}\n")
    assert load(tmp_path)[0].fingerprint != first.fingerprint
    assert load(tmp_path / "nowhere") == ()
