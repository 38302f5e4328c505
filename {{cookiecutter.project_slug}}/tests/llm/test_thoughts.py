"""What a model thinks aloud in tags is not its answer, however the text is cut into pieces."""

import pytest

from app.llm.thoughts import Thoughts, without_thoughts

CASES = [
    ("An answer.", "An answer."),
    ("<think>Hm, <b>?</think>\n\nAn answer.", "An answer."),
    ("\n <think>Hm.</think>An answer with </think> in it.", "An answer with </think> in it."),
    ("<thin", "<thin"),
    ("<table>", "<table>"),
    ("Say <think>this</think>.", "Say <think>this</think>."),
    ("<think>Hm, and never done.", ""),
    ("", ""),
]


@pytest.mark.parametrize(("text", "answer"), CASES)
def test_a_whole_text_gives_its_answer(text: str, answer: str) -> None:
    assert without_thoughts(text) == answer


@pytest.mark.parametrize(("text", "answer"), CASES)
@pytest.mark.parametrize("size", [1, 3, 10])
def test_a_text_in_pieces_gives_the_same(size: int, text: str, answer: str) -> None:
    thoughts, found = Thoughts(), ""
    for start in range(0, len(text), size):
        found += thoughts.leave_out(text[start : start + size])
    assert (found + thoughts.rest()).lstrip() == answer
