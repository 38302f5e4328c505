"""What may not leave."""

from uuid import uuid4

from app.domain.outcome import Outcome
from app.domain.turn import Citation, Draft, Passage
from app.guard.output import findings

INSTRUCTIONS = "Use the passages only. Put the number of the passage behind every statement and never guess at all."
PASSAGE = Passage(chunk_id=1, document_id=uuid4(), title="Leave", uri="leave.md", text="25 days", score=1.0)


def found(text, citations=(), masks=None, data=None):
    draft = Draft(text=text, rung="standard", outcome=Outcome.ANSWERED_MODEL, citations=citations, data=data)
    checked = findings(draft, passages=(PASSAGE,), masks=masks or {}, instructions=INSTRUCTIONS)
    return [finding.check for finding in checked]


def test_a_good_answer_passes():
    assert found("25 days [1]", (Citation(1, PASSAGE.document_id, "Leave", "leave.md", "25 days"),)) == []


def test_empty_leaking_inventing_and_miscited_answers_are_found():
    assert found("  ") == ["empty"]
    assert found(f"My orders: {INSTRUCTIONS.upper()}") == ["leak"]
    assert found("Write to <EMAIL_1>") == ["placeholder"]
    assert found("Write to <EMAIL_1>", masks={"<EMAIL_1>": "a@b.org"}) == []
    assert found("25 days [1]", (Citation(1, uuid4(), "Other", "other.md", "25"),)) == ["citation"]


def test_a_leak_is_found_in_any_case_and_punctuation_and_one_word_less_is_none():
    words = INSTRUCTIONS.replace(".", "").split()
    assert found("I was told: " + " — ".join(f"**{word.upper()}**" for word in words[3:15])) == ["leak"]
    assert found("_" + "_ _".join(words[3:15]) + "_") == ["leak"]
    assert found(" ".join(words[3:14])) == []
    assert found(" ".join([*words[3:10], "well", *words[10:15]])) == []


def test_a_leak_or_an_invented_placeholder_in_structured_data_is_found_too():
    assert found("ok", data={"reason": [{"deep": INSTRUCTIONS}]}) == ["leak"]
    assert found("ok", data={"reply": "Dear <EMAIL_4>"}) == ["placeholder"]
