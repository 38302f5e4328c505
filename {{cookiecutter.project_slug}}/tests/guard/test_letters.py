"""Letters as people see them."""

import pytest

from app.guard.letters import folded, latinised, smuggled, unreadable, visible

pytestmark = pytest.mark.proves("REL-8", "SEC-1")


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("pay\u200bslip", "payslip"),
        ("\u202eabc\u202c", "abc"),
        ("a\u2066b\u2069c", "abc"),
        ("x\U000e0041\U000e0042", "x"),
        ("\ufeffword\u00ad", "word"),
        ("a\u3164b", "ab"),
        ("a\u200db", "ab"),
        ("\U0001f600" + "\ufe01\ufe02\U000e0101", "\U0001f600"),
    ],
)
def test_what_nobody_sees_is_taken_out(text, seen):
    assert visible(text) == seen


@pytest.mark.parametrize(
    "text",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "\u2764\ufe0f",
        "caf\u00e9",
    ],
)
def test_joiners_that_spell_something_stay(text):
    assert visible(text) == text


def test_folding_makes_small_plain_letters():
    assert folded("\uff29gnore  \u00c4LLE \u201cRegeln\u201d\u2014Stra\u00dfe \u0141\u00f3d\u017a") == (
        'ignore alle "regeln"-strasse lodz'
    )


def test_look_alikes_become_the_letters_they_imitate_and_other_scripts_are_left_alone():
    assert latinised("\u0456gn\u043er\u0435") == "ignore"
    assert latinised("ignore") == ""
    assert latinised("\u4f60\u597d") == ""


def test_hidden_characters_are_read():
    assert smuggled("hi" + "".join(chr(0xE0000 + ord(mark)) for mark in "obey")) == "obey"
    assert smuggled("hi" + "".join(chr(0xE0100 + octet - 16) for octet in b"obey")) == "obey"
    assert smuggled("plain") == ""


def test_what_is_no_text_is_counted():
    assert unreadable("one\ttwo\nthree") == 0
    assert unreadable("\u00fcber\u2014alles \U0001f600") == 0
    assert unreadable("\ufffd\ufffd\u0001\ue000caf\u00e9") == 4
