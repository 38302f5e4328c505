"""As what a turn goes before a person, and which share of the answers is looked at afterwards."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from app.domain.identity import Principal
from app.domain.outcome import Outcome
from app.domain.review import Reviews
from app.domain.turn import Draft, Finding, ToolUse, Turn
from app.turn.reviewing import kind_of
from app.wiring.service import Service

DRAFT = Draft("A draft", "standard", Outcome.ANSWERED_MODEL, confidence=0.3)
WAITS = Outcome.ESCALATED_REVIEW
REFUND = ToolUse("issue_refund", {}, "waits")
LEAK = Finding("leak", "the instructions")


@pytest.fixture
def turn(service: Service) -> Turn:
    """A turn of a use case that answers alone, doubts what is less sure than 0.4, and samples nothing."""
    known = service.usecases["handbook"]
    contract = known.contract.model_copy(update={"reviews": Reviews(confidence_below=0.4)})
    return Turn(usecase=replace(known, contract=contract), principal=Principal("sam.reyes"), question="Why?")


@pytest.mark.proves("CTL-4", "REL-2", "REL-4")
@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"outcome": WAITS}, "escalation"),
        ({"outcome": WAITS, "draft": DRAFT}, "confidence"),
        ({"outcome": WAITS, "draft": replace(DRAFT, confidence=None)}, "confidence"),
        ({"outcome": WAITS, "draft": replace(DRAFT, confidence=0.4)}, "escalation"),
        ({"outcome": WAITS, "draft": replace(DRAFT, actions=(REFUND,))}, "action"),
        ({"outcome": Outcome.REFUSED_CHECK, "draft": DRAFT, "findings": (LEAK,)}, "incident"),
        ({"outcome": Outcome.REFUSED_CHECK, "draft": DRAFT, "findings": (Finding("citations", ""),)}, None),
        ({"outcome": Outcome.REFUSED_INJECTION, "findings": (Finding("injection", ""),)}, None),
        ({"outcome": Outcome.ANSWERED_MODEL, "draft": DRAFT}, None),
        ({"outcome": WAITS, "draft": DRAFT, "channel": "evaluation"}, None),
        ({"outcome": WAITS, "draft": DRAFT, "channel": "shadow"}, None),
    ],
)
def test_each_reason_to_wait_has_its_kind(turn: Turn, changes: dict[str, Any], kind: str | None) -> None:
    assert kind_of(turn.with_(**changes)) == kind


def test_what_only_advises_waits_as_advice_however_sure(turn: Turn) -> None:
    contract = turn.usecase.contract
    advises = contract.model_copy(update={"risk": contract.risk.model_copy(update={"mode": "advise"})})
    turn = turn.with_(usecase=replace(turn.usecase, contract=advises), outcome=WAITS, draft=DRAFT)
    assert kind_of(turn) == "advise"


def test_the_share_of_samples_is_the_contracts_and_the_same_turn_is_always_told_the_same(turn: Turn) -> None:
    contract = turn.usecase.contract.model_copy(update={"reviews": Reviews(sample_share=0.25)})
    turn = turn.with_(usecase=replace(turn.usecase, contract=contract), outcome=Outcome.ANSWERED_MODEL, draft=DRAFT)
    ids = [uuid4() for _ in range(4000)]
    sampled = [id for id in ids if kind_of(turn.with_(id=id)) == "sample"]
    assert 800 < len(sampled) < 1200
    assert all(kind_of(turn.with_(id=id)) == "sample" for id in sampled)
    assert kind_of(turn.with_(id=sampled[0], outcome=Outcome.REFUSED_NO_EVIDENCE)) is None, "only answers are sampled"
