"""What a streaming asker is shown."""

import pytest

from app.domain.outcome import Outcome
from app.domain.turn import Delta, Draft
from app.llm.preview import FieldPreview, Preview, preview_of
from tests.llm.conftest import Shown
from tests.llm.turns import answer_prompt, triage_prompt

SCHEMA = {"properties": {"a": {"type": "integer"}, "b": {"type": "string"}}}


async def test_every_piece_is_heard_at_once_so_that_a_guard_need_not_wait_for_the_next(shown: Shown) -> None:
    preview = Preview(shown)
    for piece in ("One ", "two ", "three."):
        await preview.feed(piece)
        assert shown.pieces[-1] == piece


async def test_a_tear_before_anything_was_shown_costs_nothing(shown: Shown) -> None:
    preview = Preview(shown)
    await preview.feed("NO_")
    preview.tear()
    await preview.feed("The answer.")
    assert preview.is_open
    assert shown.text == "The answer."


async def test_after_a_tear_nothing_more_is_shown(shown: Shown) -> None:
    preview = Preview(shown)
    await preview.feed("Half an ans")
    preview.tear()
    await preview.feed("The whole answer.")
    await preview.finish()
    assert shown.text == "Half an ans"
    assert not preview.is_open


@pytest.mark.parametrize("text", ["NO_EVIDENCE", "NO_EVIDENCE.", " NO_EVIDENCE\n"])
async def test_the_word_for_no_evidence_is_never_shown(text: str, shown: Shown) -> None:
    preview = Preview(shown)
    for letter in text:
        await preview.feed(letter)
    await preview.finish()
    assert not shown.pieces


async def test_a_word_that_only_starts_like_it_is_shown(shown: Shown) -> None:
    preview = Preview(shown)
    for letter in "NOBODY":
        await preview.feed(letter)
    await preview.finish()
    assert shown.text == "NOBODY"


async def test_what_the_listener_raises_is_remembered_as_its_own() -> None:
    async def broken(text: str) -> None:
        raise OSError("gone")

    preview = Preview(broken)
    with pytest.raises(OSError, match="gone") as raised:
        await preview.feed("text")
    assert preview.fault is raised.value


async def test_fields_are_told_once(shown: Shown) -> None:
    preview = FieldPreview(shown, SCHEMA)
    for letter in '{"a": 1, "b": "long text"}':
        await preview.feed(letter)
    await preview.finish()
    assert shown.pieces == [{"a": 1}, {"a": 1, "b": "long text"}]


async def test_after_a_tear_fields_start_again_and_replace_the_torn_ones(shown: Shown) -> None:
    preview = FieldPreview(shown, SCHEMA)
    await preview.feed('{"a": 1, "b": "half')
    preview.tear()
    assert preview.is_open
    await preview.feed('{"a": 2}')
    assert shown.pieces == [{"a": 1}, {"a": 2}]


async def test_data_that_are_there_at_once_are_shown_whole(shown: Shown) -> None:
    draft = Draft(text="A: 1", rung="rules", outcome=Outcome.ANSWERED_RULES, data={"a": 1})
    await FieldPreview(shown, SCHEMA).show(draft)
    await Preview(shown).show(draft)
    assert shown.pieces == [{"a": 1}, "A: 1"]


async def test_what_a_listener_of_fields_raises_is_remembered_as_its_own() -> None:
    async def broken(delta: Delta) -> None:
        raise OSError("gone")

    preview = FieldPreview(broken, SCHEMA)
    with pytest.raises(OSError, match="gone") as raised:
        await preview.feed('{"a": 1}')
    assert preview.fault is raised.value


def test_a_prompt_with_a_schema_is_shown_by_fields() -> None:
    assert isinstance(preview_of(None, triage_prompt()), FieldPreview)
    assert not isinstance(preview_of(None, answer_prompt()), FieldPreview)
    assert not preview_of(None, triage_prompt()).is_open
