"""Presidio as a recogniser: what it adds, and what a service says that asks for it without having it."""

import importlib

import pytest

from app.domain.contract import Privacy as Policy
from app.domain.identity import Principal
from app.errors import CannotStart
from app.guard import presidio
from app.guard.pii import masked
from app.guard.privacy import engine


@pytest.mark.slow
@pytest.mark.proves("SEC-5")
async def test_presidio_finds_what_it_knows_off_the_loop_and_asks_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("it asks the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    alone = presidio.Presidio()
    text = "Mail jane@example.org or pay DE89 3704 0044 0532 0130 00 and 4111 1111 1111 1111."
    assert {text[each.start : each.end] for each in alone.find(text)} >= {
        "jane@example.org", "DE89 3704 0044 0532 0130 00", "4111 1111 1111 1111",
    }  # fmt: skip
    both = engine("presidio")
    masks = both.masks(Policy(), Principal("x"))
    assert masks.rules.is_slow and "unknown names pass" in both.note
    (done,), _ = await masked(("My name is Anna Bell, jane@example.org.",), masks)
    assert done == "My name is <NAME_1>, <EMAIL_1>."


@pytest.mark.proves("SEC-5")
@pytest.mark.parametrize("model", ["large", "spacy:", "torch:x"])
def test_a_model_that_is_none_is_refused_with_the_forms_there_are(model):
    with pytest.raises(CannotStart, match="spacy:<package>"):
        presidio.Presidio(model)


@pytest.mark.proves("SEC-5")
def test_what_is_not_installed_is_named_with_its_cure(monkeypatch):
    def absent(name):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(CannotStart, match=r"presidio_analyzer is not installed: .*--extra privacy"):
        engine("presidio")


@pytest.mark.slow
def test_a_spacy_model_that_is_not_there_is_not_downloaded():
    with pytest.raises(CannotStart, match="no_such_model is not installed"):
        presidio.Presidio("spacy:no_such_model")
