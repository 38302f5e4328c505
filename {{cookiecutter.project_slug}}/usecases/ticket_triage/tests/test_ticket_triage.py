"""The rules and checks of this use case, and that labels, prompt and cues agree."""

import csv
import json
import tomllib
from pathlib import Path

import pytest

from app.domain.contract import Contract
from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.llm.prompts import load
from app.llm.structure import as_text, read
from app.sdk import Draft, Outcome, Turn
from usecases.ticket_triage import rules
from usecases.ticket_triage.checks import CHECKS
from usecases.ticket_triage.labels import CATEGORIES, URGENCIES

HERE = Path(__file__).parents[1]
CONTRACT = Contract.model_validate(tomllib.loads((HERE / "contract.toml").read_text()))
PROMPT = load(HERE / "prompts")["triage.v1"]
GOOD = {"category": "billing", "urgency": "low", "reason": "An invoice.", "reply_draft": "Thank you."}


def turn(question: str) -> Turn:
    return Turn(
        usecase=UseCase(name="ticket_triage", folder=HERE, contract=CONTRACT),
        principal=Principal("ada"),
        question=question,
    )


@pytest.mark.parametrize(
    ("ticket", "category", "urgencies"),
    [
        ("Smoke\n\nThere is smoke coming out of the gateway right now, people are in the room", "safety", {"urgent"}),
        ("Wrong VAT number on the invoice\n\nPlease send a corrected invoice", "billing", {"normal"}),
        ("Dark mode\n\nOne wish: it would be nice to have a dark mode", "feature_request", {"low"}),
        ("Locked out\n\nI forgot my password and cannot log in", "account_access", {"normal"}),
        ("Offline\n\nAll of our twelve gateways are offline since the update", "connectivity", {"high"}),
    ],
)
def test_plain_tickets_are_sorted_by_the_rules(ticket: str, category: str, urgencies: set[str]) -> None:
    draft = rules.answer(turn(ticket))
    assert draft is not None
    assert draft.data is not None
    assert draft.data["category"] == category
    assert draft.data["urgency"] in urgencies
    assert 0 < (draft.confidence or 0) <= 1


def test_what_the_rules_suggest_is_valid_against_the_prompts_schema_for_every_example() -> None:
    with rules.TICKETS.open(newline="") as file:
        for row in csv.DictReader(file):
            draft = rules.answer(turn(f"{row['subject']}\n\n{row['body']}"))
            assert draft is not None
            assert draft.data is not None
            read(json.dumps(draft.data), PROMPT.output_schema or {})
            assert as_text(draft.data)


def test_an_empty_ticket_gets_no_suggestion() -> None:
    assert rules.answer(turn("  ")) is None


@pytest.mark.proves("EVL-6")
def test_the_rules_learn_from_example_tickets_only() -> None:
    with rules.TICKETS.open(newline="") as file:
        examples = [row for row in csv.DictReader(file) if row["split"] == "example"]
    assert sum(rules.learned("category").tickets.values()) == len(examples) == 120


@pytest.mark.proves("EVL-2")
@pytest.mark.parametrize(
    ("data", "found"),
    [
        (GOOD, []),
        ({**GOOD, "category": "praise"}, ["labels_are_known"]),
        ({**GOOD, "urgency": "asap"}, ["labels_are_known"]),
        ({**GOOD, "reply_draft": " "}, ["reply_is_usable"]),
        (None, ["labels_are_known", "reply_is_usable"]),
    ],
)
def test_a_suggestion_is_checked(data: dict[str, str] | None, found: list[str]) -> None:
    draft = Draft(text="x", rung="standard", outcome=Outcome.ANSWERED_MODEL, data=data)
    findings = [check(turn("x"), draft) for check in CHECKS]
    assert [finding.check for finding in findings if finding] == found


def test_labels_prompt_and_cues_agree() -> None:
    properties = (PROMPT.output_schema or {})["properties"]
    assert tuple(properties["category"]["enum"]) == CATEGORIES
    assert tuple(properties["urgency"]["enum"]) == URGENCIES
    assert set(rules.CUES["category"]) == set(CATEGORIES) == set(rules.REPLIES)
    assert set(rules.CUES["urgency"]) == set(URGENCIES)


@pytest.mark.proves("CTL-4")
def test_a_person_approves() -> None:
    assert CONTRACT.risk.mode == "advise"
