"""Masking: what is replaced, and that it comes back exactly."""

import asyncio

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from app.domain.contract import Privacy as Policy
from app.domain.identity import Principal
from app.domain.masking import Found, Masks, Rules, lasting
from app.guard.pii import PLACEHOLDER, mask, masked, remasked, unmask, unmasked, veiled
from app.guard.privacy import WITHOUT_MODEL, Privacy, engine
from tests.guard.test_stream import Seen, guard, say

TEXT = (
    "Write to jane.doe@example.org or jane.doe@example.org, call +44 20 7946 0958, pay 4111 1111 1111 1111 or"
    " DE89 3704 0044 0532 0130 00 from 192.168.7.12."
)
# Personal data, what looks like placeholders, halves of them, and what stands between.
PIECES = st.one_of(
    st.sampled_from(
        [
            "jane@example.org", "+49 170 1234567", "4111 1111 1111 1111", "DE89370400440532013000", "203.0.113.9",
            "123-45-6789", "Mr. Okafor", "My name is Anna Bell", "Anna", "Bell", "12 Main Street", "born 12.03.1980",
            "password: Hunter2!",
            "<EMAIL_1>", "<EMAIL_2>", "<NAME_1>", "<TEXT_1>", "<TEXT_", "<", ">", "_1>", "<<EMAIL_1>",
            "<EMAIL_1>>", "<A_0>", "\\", "&lt;EMAIL_1&gt;", "1>", "EMAIL_1",
        ]
    ),
    st.text(max_size=12),
)  # fmt: skip
TEXTS = st.lists(st.tuples(PIECES, st.sampled_from([" ", "", "\n", ", "])), max_size=14).map(
    lambda parts: "".join(piece + gap for piece, gap in parts)
)
PATIENT = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.proves("SEC-5")
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


def test_originals_come_back_into_every_text_of_structured_data():
    masks = {"<EMAIL_1>": "a@b.org"}
    data = {"to": "<EMAIL_1>", "all": ["<EMAIL_1>", 3, {"<EMAIL_1>": "<EMAIL_1>"}], "count": 2, "none": None}
    there = {"to": "a@b.org", "all": ["a@b.org", 3, {"a@b.org": "a@b.org"}], "count": 2, "none": None}
    assert unmasked(data, masks) == there


@pytest.mark.proves("SEC-5")
@given(texts=st.lists(TEXTS, min_size=1, max_size=4))
@PATIENT
@example(texts=["<EMAIL_1> is not jane@example.org, <TEXT_1> neither"])
async def test_any_text_comes_back_as_it_was_whatever_it_holds(texts):
    done, masks = await masked(texts, {})
    assert [unmask(text, masks) for text in done] == texts
    assert all(name in masks for text in done for name in PLACEHOLDER.findall(text))
    later, more = await masked(texts[::-1], masks)
    assert [unmask(text, more) for text in later] == texts[::-1] and later == done[::-1] and dict(more) == dict(masks)


@pytest.mark.proves("SEC-5")
@given(text=TEXTS, cuts=st.lists(st.integers(1, 20), max_size=60))
@PATIENT
@example(text="jane@example.org+49 170 1234567 ", cuts=[])
async def test_any_text_comes_back_through_a_stream_however_it_is_cut(text, cuts):
    (done,), masks = await masked((text,), {})
    seen = Seen()
    await say(guard(seen, masks=masks, asked=text), done, cuts)
    assert seen.text == text or not text.strip()


@pytest.mark.proves("SEC-5")
@given(text=TEXTS)
@PATIENT
async def test_what_a_model_said_is_masked_without_touching_its_placeholders(text):
    (done,), masks = await masked((text,), {})
    given_out = set(PLACEHOLDER.findall(done))
    said = await remasked({"a": [done, "ask new@example.com"]}, masks)
    assert given_out <= set(PLACEHOLDER.findall(said["a"][0])) and unmask(said["a"][0], masks) == text
    assert unmask(said["a"][1], masks) == "ask new@example.com" != said["a"][1]


async def test_what_one_text_gives_away_is_masked_in_all_of_them():
    (first, second), _masks = await masked(("Ask Bell, 123456789.", "My name is Anna Bell, SSN 123456789."), {})
    assert first == "Ask <NAME_2>, <ID_1>." or first == "Ask <NAME_1>, <ID_1>."
    assert "Bell" not in first + second and "123456789" not in first + second


async def test_texts_that_are_only_compared_are_masked_each_for_itself():
    assert await veiled(["a@b.org", "<EMAIL_9> and c@d.org"], Privacy().masks(Policy(), Principal("x")).rules) == [
        "<EMAIL_1>",
        "<EMAIL_9> and <EMAIL_1>",
    ]


@pytest.mark.proves("SEC-5")
def test_a_contract_lets_kinds_through_and_remembers_which_it_refuses():
    policy = Policy(kinds={"IP": "allow", "CARD": "refuse"})
    masks = Privacy().masks(policy, Principal("sam.reyes", name="Sam Reyes"))
    text, grown = mask("Sam or Reyes: 203.0.113.9, 4111 1111 1111 1111, a@b.org", masks)
    assert text == "<NAME_1> or <NAME_2>: 203.0.113.9, <CARD_1>, <EMAIL_1>" and grown.refused == {"CARD"}
    assert not Privacy().masks(Policy(third_parties="refuse_without_model"), Principal("x")).rules.third_parties
    assert (
        Privacy(model="spacy:any")
        .masks(Policy(third_parties="refuse_without_model"), Principal("x"))
        .rules.third_parties
    )


def test_a_session_keeps_what_was_said_in_it_and_what_it_had():
    masks = Privacy().masks(Policy(), Principal("x"), known={"<EMAIL_1>": "a@b.org"})
    _, grown = mask("c@d.org", masks)
    assert lasting(grown, ["see <EMAIL_2>"]) == {"<EMAIL_1>": "a@b.org", "<EMAIL_2>": "c@d.org"}
    assert lasting(grown, ["see <EMAIL_1>"]) is None and lasting({"<EMAIL_1>": "a@b.org"}, []) is None


def test_without_a_model_the_note_says_that_unknown_names_pass():
    assert engine("patterns").note == WITHOUT_MODEL and "any" in Privacy(model="any").note


async def test_a_slow_recogniser_does_not_stop_the_loop():
    class Slow:
        is_slow = True

        def find(self, text):
            asyncio.run(asyncio.sleep(0))  # impossible on the loop's own thread
            return [Found(0, 1, "NAME")]

    (done,), _ = await masked(("x!",), Masks(rules=Rules((Slow(),))))
    assert done == "<NAME_1>!"
