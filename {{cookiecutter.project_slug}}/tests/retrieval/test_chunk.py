"""Pieces are of one size whatever the script: sentences and rows stay whole as long as that is possible."""

import pytest

from app.retrieval.chunk import MOST, MOST_ROW, Block, pack

CHINESE = "员工每年享有二十天的带薪休假，申请必须提前两周提交给主管。"


@pytest.mark.parametrize("text", [CHINESE * 300, CHINESE.replace("。", "") * 300, "x" * 60_000, "ก" * 20_000])
def test_text_without_spaces_is_cut_to_size(text: str) -> None:
    chunks = pack([Block(text)]).chunks
    assert "".join(chunk.text for chunk in chunks).replace("\n", "") == text
    dense = text[0] not in "xก"
    assert max(len(chunk.text) for chunk in chunks) <= (2 * MOST if dense else 16 * MOST)


def test_sentences_without_spaces_stay_whole() -> None:
    assert all(chunk.text.endswith("。") for chunk in pack([Block(CHINESE * 300)]).chunks)


def test_rows_stay_whole_until_they_are_gigantic() -> None:
    row = "; ".join(f"column {number}: value {number}" for number in range(MOST_ROW // 4 - 10))
    assert [chunk.text for chunk in pack([Block(row, is_row=True)] * 2).chunks] == [row, row]
    long = pack([Block(f"{row}; " * 5, is_row=True)]).chunks
    assert len(long) > 5 and max(len(chunk.text.split()) for chunk in long) <= MOST


def test_a_heading_is_never_longer_than_a_line() -> None:
    (chunk,) = pack([Block("text", ("A\nB", "word " * 200))]).chunks
    assert chunk.heading.startswith("A B > word") and len(chunk.heading) < 220 and chunk.heading.endswith("…")
