"""Masking: what is replaced, and that it comes back exactly."""

from app.guard.pii import mask, unmask, unmasked

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


def test_originals_come_back_into_every_text_of_structured_data():
    masks = {"<EMAIL_1>": "a@b.org"}
    data = {"to": "<EMAIL_1>", "all": ["<EMAIL_1>", 3, {"cc": "<EMAIL_1>"}], "count": 2, "none": None}
    there = {"to": "a@b.org", "all": ["a@b.org", 3, {"cc": "a@b.org"}], "count": 2, "none": None}
    assert unmasked(data, masks) == there
