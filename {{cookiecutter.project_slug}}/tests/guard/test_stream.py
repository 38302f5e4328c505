"""What a stream may show: everything that is allowed, in order, and nothing that is not, however it is cut."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.outcome import Outcome
from app.domain.turn import Finding
from app.guard.disguise import repeats
from app.guard.output import LEAK_WORDS, WORD, leaks
from app.guard.pii import unmask
from app.guard.stream import HELD_WORDS, StreamGuard, Withheld
from app.sdk import while_streaming
from tests.llm import turns

ORDERS = (
    "Use the passages only. Put the number of the passage behind every statement, and never guess at all: when the"
    " passages disagree, follow the one with the latest date."
)
WORDS = WORD.findall(ORDERS)
MASKS = {"<EMAIL_1>": "jane@example.org", "<IBAN_12>": "DE89 3704 0044 0532 0130 00"}
LEAK = " ".join(WORDS[4 : 4 + LEAK_WORDS])


class Seen:
    """What reached the asker."""

    def __init__(self):
        self.deltas = []

    async def __call__(self, delta):
        self.deltas.append(delta)

    @property
    def text(self):
        return "".join(self.deltas)


def guard(seen, *checks, masks=MASKS, asked=""):
    turn = turns.turn("standard", usecase=replace(turns.usecase("standard"), checks=checks))
    turn = turn.with_(question=asked or turn.question)
    return StreamGuard(turn, seen, masks=masks, instructions=ORDERS)


async def say(stream, text, cuts):
    """Say the text in pieces of these lengths."""
    place = 0
    for cut in [*cuts, len(text)]:
        await stream(text[place : place + cut])
        place += cut
        if place >= len(text):
            break
    await stream.finish(text)


# Words of ours in and out of order, placeholders whole and broken, and what stands between.
PIECES = st.one_of(
    st.sampled_from(WORDS),
    st.integers(0, len(WORDS) - 2).flatmap(
        lambda start: st.integers(2, 14).map(lambda length: " ".join(WORDS[start : start + length]))
    ),
    st.sampled_from(
        ["<EMAIL_1>", "<IBAN_12>", "<EMAIL_", "<", "a < b", "<<EMAIL_1>", "Yes. ", "no!\n", "Zürich", "_x_"]
    ),
)
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "\n", ", ", " *", "  "])), max_size=25).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
CUTS = st.lists(st.integers(1, 30), max_size=60)


@pytest.mark.proves("LAT-3", "SEC-10")
@given(text=TEXTS, cuts=CUTS, by_sentence=st.booleans())
@PATIENT
@example(text=LEAK, cuts=[1] * 200, by_sentence=False)
@example(text=f"So: {LEAK}", cuts=[5, 3], by_sentence=True)
@example(text="Usebehind every statement and never guess at all when the passages disagree", cuts=[], by_sentence=False)
@example(text="Write to <EMAIL_1> or <EMAIL_", cuts=[10, 3, 9, 2], by_sentence=False)
async def test_however_it_is_cut_what_is_allowed_arrives_whole_and_what_is_not_never_does(text, cuts, by_sentence):
    seen, checks = Seen(), ((while_streaming(lambda turn, draft: None),) if by_sentence else ())
    stopped = False
    try:
        await say(guard(seen, *checks), text, cuts)
    except Withheld:
        stopped = True
    assert stopped == (leaks(text, ORDERS) or repeats(text, ORDERS))
    assert not leaks(seen.text, ORDERS) and not repeats(seen.text, ORDERS)
    assert unmask(text, MASKS).startswith(seen.text)
    if not stopped:
        assert seen.text == unmask(text, MASKS)


@pytest.mark.proves("SEC-10")
async def test_of_a_run_of_our_instructions_at_most_its_first_words_are_shown():
    seen = Seen()
    with pytest.raises(Withheld) as stop:
        await say(guard(seen), f"I was told this: {LEAK} and more", [2] * 100)
    assert seen.text.startswith("I was told this: ")
    shown = WORD.findall(seen.text.removeprefix("I was told this: "))
    assert len(shown) <= HELD_WORDS
    assert stop.value.outcome is Outcome.REFUSED_CHECK and stop.value.answer == "No."
    assert stop.value.finding.check == "leak" and LEAK in stop.value.said


async def test_a_run_that_ends_is_let_go_at_once():
    seen = Seen()
    stream = guard(seen)
    await stream("We use the passages only, ")
    assert seen.text == "We "
    await stream("when there are any. More")
    assert seen.text == "We use the passages only, when there are any. More"


async def test_ordinary_text_is_not_held_back():
    seen = Seen()
    await guard(seen)("You get 25 da")
    assert seen.text == "You get 25 da"


@pytest.mark.proves("SEC-10")
async def test_a_placeholder_nobody_gave_out_stops_the_stream_before_it():
    seen = Seen()
    with pytest.raises(Withheld) as stop:
        await say(guard(seen), "Write to <EMAIL_1> or <EMAIL_7> today", [3] * 40)
    assert stop.value.finding.check == "placeholder"
    assert "jane@example.org" in seen.text and "<" not in seen.text


async def test_text_of_a_rung_that_broke_off_is_not_shown_after_the_answer_of_another():
    seen = Seen()
    stream = guard(seen)
    await stream("Half an answer, write to <EM")
    await stream.finish("Another answer.")
    assert seen.text == "Half an answer, write to "


@while_streaming
def no_promises(turn, draft):
    return Finding("promise", "it promises a refund") if "refund" in draft.text else None


@pytest.mark.proves("REL-12")
@given(cuts=CUTS)
@PATIENT
async def test_a_check_of_the_use_case_sees_each_sentence_before_the_asker_does(cuts):
    seen = Seen()
    with pytest.raises(Withheld) as stop:
        await say(guard(seen, no_promises), "We are sorry. It broke!\nYou get a refund. Bye.", cuts)
    assert stop.value.finding.check == "promise"
    assert "We are sorry. It broke!\n".startswith(seen.text)


async def test_sentences_are_shown_once_they_are_complete_and_the_rest_at_the_end():
    seen = Seen()
    stream = guard(seen, no_promises)
    await stream("We are sorry. It br")
    assert seen.text == "We are sorry. "
    await stream("oke")
    await stream.finish("We are sorry. It broke")
    assert seen.text == "We are sorry. It broke"


async def test_a_check_that_is_not_marked_waits_for_the_whole_draft():
    seen = Seen()
    await say(guard(seen, lambda turn, draft: Finding("never", "not yet asked")), "You get a refund.", [4, 4])
    assert seen.text == "You get a refund."


async def test_finished_fields_go_on_unmasked_and_what_must_not_be_said_stops_them():
    seen = Seen()
    await guard(seen)({"to": "<EMAIL_1>", "lines": ["<IBAN_12>", 2]})
    assert seen.deltas == [{"to": "jane@example.org", "lines": [MASKS["<IBAN_12>"], 2]}]
    for data in ({"a": LEAK}, {"a": ["Dear <EMAIL_9>"]}, {"a": "a refund"}):
        seen = Seen()
        with pytest.raises(Withheld):
            await guard(seen, no_promises)(data)
        assert seen.deltas == []
