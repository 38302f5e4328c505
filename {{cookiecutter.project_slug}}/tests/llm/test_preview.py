"""What a streaming asker is shown."""

import pytest

from app.llm.preview import Preview
from tests.llm.conftest import Shown


async def test_pieces_within_the_gap_are_joined(shown: Shown) -> None:
    preview = Preview(shown, gap_s=60)
    for piece in ("One ", "two ", "three."):
        await preview.feed(piece)
    await preview.finish()
    assert shown.pieces == ["One ", "two three."]


async def test_a_tear_before_anything_was_shown_costs_nothing(shown: Shown) -> None:
    preview = Preview(shown, gap_s=60)
    await preview.feed("NO_")
    preview.tear()
    await preview.feed("The answer.")
    assert preview.is_open
    assert shown.text == "The answer."


async def test_after_a_tear_nothing_more_is_shown(shown: Shown) -> None:
    preview = Preview(shown, gap_s=0)
    await preview.feed("Half an ans")
    preview.tear()
    await preview.feed("The whole answer.")
    await preview.finish()
    assert shown.text == "Half an ans"
    assert not preview.is_open


@pytest.mark.parametrize("text", ["NO_EVIDENCE", "NO_EVIDENCE.", " NO_EVIDENCE\n"])
async def test_the_word_for_no_evidence_is_never_shown(text: str, shown: Shown) -> None:
    preview = Preview(shown, gap_s=0)
    for letter in text:
        await preview.feed(letter)
    await preview.finish()
    assert not shown.pieces


async def test_a_word_that_only_starts_like_it_is_shown(shown: Shown) -> None:
    preview = Preview(shown, gap_s=0)
    for letter in "NOBODY":
        await preview.feed(letter)
    await preview.finish()
    assert shown.text == "NOBODY"


async def test_what_the_listener_raises_is_remembered_as_its_own() -> None:
    async def broken(text: str) -> None:
        raise OSError("gone")

    preview = Preview(broken, gap_s=0)
    with pytest.raises(OSError, match="gone") as raised:
        await preview.feed("text")
    assert preview.fault is raised.value
