"""Masking: what is replaced, that it comes back exactly, and that a stream never shows half a placeholder."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from app.guard.pii import StreamUnmasker, mask, unmask

TEXT = (
    "Write to jane.doe@example.org or jane.doe@example.org, call +44 20 7946 0958, pay 4111 1111 1111 1111 or"
    " DE89 3704 0044 0532 0130 00 from 192.168.7.12."
)


def test_personal_data_is_replaced_by_stable_placeholders_and_comes_back():
    masked, masks = mask(TEXT, {})
    assert masked == ("Write to <EMAIL_1> or <EMAIL_1>, call <PHONE_1>, pay <CARD_1> or <IBAN_1> from <IP_1>.")
    assert unmask(masked, masks) == TEXT
    again, more = mask("jane.doe@example.org and joe@example.org", masks)
    assert again == "<EMAIL_1> and <EMAIL_2>" and more["<EMAIL_1>"] == "jane.doe@example.org"


def test_numbers_that_only_look_like_it_stay():
    for text in ("4111 1111 1111 1112 is no card", "in 2026 we sold 1890 probes", "version 10.4.2", "EUR 285,000"):
        assert mask(text, {}) == (text, {})


def test_placeholders_nobody_gave_out_stay_as_they_are():
    assert unmask("<EMAIL_7>", {"<EMAIL_1>": "a@b.org"}) == "<EMAIL_7>"


@given(st.lists(st.integers(1, 12), min_size=1, max_size=40))
async def test_a_stream_cut_anywhere_gives_the_same_text(cuts):
    masked, masks = mask(TEXT, {})
    shown, place = [], 0

    async def listener(text):
        shown.append(text)

    stream = StreamUnmasker(masks, listener)
    for cut in itertools.cycle(cuts):
        await stream(masked[place : place + cut])
        place += cut
        if place >= len(masked):
            break
    await stream.flush()
    assert "".join(shown) == TEXT
    assert not any("<" in part for part in shown)


async def test_an_unfinished_placeholder_at_the_end_is_shown_as_it_is():
    shown = []

    async def listener(text):
        shown.append(text)

    stream = StreamUnmasker({"<EMAIL_1>": "a@b.org"}, listener)
    for piece in ("write to <EM", "AIL_1> or <EMA"):
        await stream(piece)
    assert shown == ["write to ", "a@b.org or "]
    await stream.flush()
    assert shown[-1] == "<EMA"
