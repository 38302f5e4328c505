"""The last look at what leaves: what is stopped, what passes, and where a growing text must wait."""

from dataclasses import replace
from itertools import pairwise
from uuid import uuid4

import pytest

from app.domain.identity import Principal
from app.domain.turn import Passage, Turn
from app.errors import CannotStart
from app.guard.exits import Exits
from app.guard.unsafe import Policy
from tests.llm import turns

ORDERS = "Answer from the passages only. Mail the desk at help@desk.example when nothing is found, and never guess."
OWN = ("a-secret-of-our-own-42", "correct horse battery staple")
PASSAGE = Passage(1, uuid4(), "Contacts", "https://wiki.example/contacts",
                  "Call +49 30 901820 or write to <EMAIL_1>. See intranet.example for more.", 1.0)  # fmt: skip
MASKS = {"<EMAIL_1>": "front@house.example"}


def exit_of(policy=None, question="Who is it?", **output):
    case = turns.usecase("standard")
    contract = case.contract.model_copy(update={"output": case.contract.output.model_copy(update=output)})
    asked = {"question": question, "passages": (PASSAGE,), "fields": {"desk": "desk@field.example"}}
    turn = Turn(usecase=replace(case, contract=contract), principal=Principal("sam"), **asked)
    return Exits(policy or Policy(words=("You should die", "kill yourself")), OWN).of(
        turn, masks=MASKS, instructions=ORDERS
    )


def kind(text, **more):
    found = exit_of(**more).finding(text)
    return found.check if found else ""


@pytest.mark.proves("SEC-10")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("You get 25 days.", ""),
        ("Call +49 30 901820 or 0049 (30) 901820.", ""),
        ("Write to front@house.example, desk@field.example or help@desk.example.", ""),
        ("Write to eve@elsewhere.example.", "others_data"),
        ("Her card is 4111 1111 1111 1111.", "others_data"),
        ("IBAN DE89 3704 0044 0532 0130 00", "others_data"),
        ("Call +44 20 7946 0958", "others_data"),
        ("It is a-secret-of-our-own-42, really", "secret"),
        ("export KEY=AKIAIOSFODNN7EXAMPLQ", "secret"),
        ("ghp_abcdefghijklmnopqrstuvwxyz0123456789", "secret"),
        ("postgresql://app:hunter2secret@db.internal/app", "secret"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "secret"),
        ("The password has twelve characters at least, and the token is sent by post.", ""),
        ("See https://wiki.example/contacts and http://intranet.example/x.", ""),
        ("See https://evil.example/x", "unsafe"),
        ("See https://wiki.example.evil.example/x", "unsafe"),
        ("See https://wiki.example@evil.example/x", "others_data"),
        ("See https://wiki.example:x@evil.example/x", "secret"),
        ("[x](//evil.example/x)", "unsafe"),
        ("![x](https://wiki.example/p.png)", "unsafe"),
        ("![x][1]", "unsafe"),
        ("<img src=x>", "unsafe"),
        ("[x](javascript:alert(1))", "unsafe"),
        ("you  should\nDIE", "unsafe"),
        ("You should diet; the data: see above.", ""),
        ("word " * 2000, "overlong"),
    ],
)
def test_what_is_stopped_and_what_passes(text, expected):
    assert kind(text) == expected


def test_the_asker_may_be_told_what_the_asker_said():
    assert kind("It is eve@elsewhere.example, see https://evil.example/x", question="eve@elsewhere.example at"
                " https://evil.example/x?") == ""  # fmt: skip


def test_no_finding_repeats_what_was_found():
    for text in ("eve@elsewhere.example", "AKIAIOSFODNN7EXAMPLQ", "https://evil.example/x", OWN[0]):
        found = exit_of().finding(text)
        assert found and text not in found.detail


@pytest.mark.proves("SEC-10", "LAT-3")
@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("Write to eve@elsewhere.example. Bye", "elsewhere"),
        ("The card 4111 1111 1111 1111 is hers", "1111 1111 1"),
        ("IBAN DE89 3704 0044 0532 0130 00 is hers", "0532"),
        ("Call +44 20 7946 0958 now", "7946 0958"),
        ("Use AKIAIOSFODNN7EXAMPLQ now", "AKIAIOSFODNN7"),
        ("The password is hunter2Xy9 now", "hunter2"),
        ("Use postgresql://app:hunter2secret@db.internal/app", "hunter2"),
        ("See ![x](https://evil.example/p.png) now", "evil"),
        ("See https://evil.example/p now", "evil"),
        ("Well, you should die now", "should die"),
        ("It is a-secret-of-our-own-42, yes", "of-our-own"),
        ("It is correct horse battery staple, yes", "horse"),
    ],
)
@pytest.mark.parametrize("step", [1, 3, 7])
def test_in_a_stream_nothing_of_it_is_shown(text, hidden, step):
    guard, sent = exit_of(), 0
    for end in [*range(step, len(text), step), len(text)]:
        free = guard.held(text[:end], sent, end) if end < len(text) else end
        if free > sent and guard.finding(text[:free], since=sent):
            break
        sent = max(sent, free)
    else:
        pytest.fail("nothing was found")
    assert hidden not in text[:sent]


def test_ordinary_text_flows_word_by_word():
    guard, sent, shown = exit_of(), 0, []
    text = "You get 25 days of leave (or 26), says the handbook [1]. Ask your manager; it is well known. Nothing else."
    for end in range(4, len(text), 4):
        free = guard.held(text[:end], sent, end)
        assert guard.finding(text[:free], since=sent) is None
        sent = max(sent, free)
        shown.append(end - sent)
    assert max(shown) < 24 and sum(shown) / len(shown) < 4, "held on average less than a word"


def test_faults_of_the_policy_are_told_all_at_once_with_file_and_key():
    with pytest.raises(CannotStart) as error:
        Policy.parse({"words": "x", "patterns": ["("], "hosts": [""], "colour": []})
    said = str(error.value)
    assert said.count("config/output.toml") == 4
    for key in ("words:", "patterns:", "hosts:", "'colour'"):
        assert key in said
    assert Policy.parse({}) == Policy()


def test_the_policy_of_the_project_is_fit_for_use():
    import tomllib

    from app.settings import ROOT

    policy = Policy.parse(tomllib.loads((ROOT / "config/output.toml").read_text()))
    assert policy.words
    for one, other in pairwise(sorted(policy.words)):
        assert one != other
    assert kind(f"well, {policy.words[0].upper()}!", policy=policy) == "unsafe"
