"""A token that must not come out, in whatever spelling."""

from base64 import b64encode
from datetime import date

import pytest

from app.guard.canary import CHARS, canary_of, exposes, held

pytestmark = pytest.mark.proves("SEC-1")
TOKEN = canary_of("a secret key", date(2026, 11, 21))


def test_a_token_is_of_its_day_and_of_its_secret():
    assert len(TOKEN) == CHARS and canary_of("a secret key", date(2026, 11, 21)) == TOKEN
    assert canary_of("a secret key", date(2026, 11, 22)) != TOKEN and canary_of("another", date(2026, 11, 21)) != TOKEN


@pytest.mark.parametrize("place", range(6))
def test_it_is_found_in_base64_wherever_it_begins(place):
    assert exposes(b64encode(b"x" * place + f"{TOKEN} and more".encode()).decode(), TOKEN)


@pytest.mark.parametrize(
    "text",
    [f"it is {TOKEN}.", " ".join(TOKEN), "-".join(TOKEN).upper(), TOKEN[::-1], TOKEN.encode().hex(), f"**{TOKEN}**"],
)
def test_it_is_found_in_other_spellings(text):
    assert exposes(text, TOKEN)


@pytest.mark.parametrize("text", ["", "plain", TOKEN[:-1], "deadbeef" * 4, "the year 2026 and more words than that"])
def test_other_texts_are_not_taken_for_it(text):
    assert not exposes(text, TOKEN)
    assert not exposes(text, "")


def test_a_growing_text_waits_before_what_may_become_the_token():
    for length in range(1, CHARS):
        text = f"see {TOKEN[:length]}"
        assert held(text, len(text), TOKEN) == 4
    assert held("see you", 7, TOKEN) == 7 and held("see you", 7, "") == 7
