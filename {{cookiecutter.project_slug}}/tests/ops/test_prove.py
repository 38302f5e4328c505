"""A proof is worth something if it can fail: each account is falsified once. And the page says what the tests run."""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from app.console.words import OUTCOMES
from app.domain.outcome import Outcome
from app.settings import ROOT
from ops.prove import __main__ as command
from ops.prove import faults, load, turns
from ops.prove.accounts import Ledger
from ops.prove.load import Ask, Told
from ops.prove.report import Claim, Proof, percentile
from tests.llm.test_faults import BELOW, STATUS, TABLE

PAGE = ROOT / "docs" / "explanation" / "failure-modes.md"
MODEL = "gpt-6-sol"
FIRST, SECOND = UUID(int=1), UUID(int=2)
EMPTY = {"input_tokens": 0, "output_tokens": 0, "cached_tokens": 0}


def accounts() -> tuple[list[Told], Ledger, dict[str, Any]]:
    """Three accounts of two turns that agree: one was answered after a refusal, the other's call broke."""
    price = _list_price(100, 10)
    told = [
        Told(Ask("1", "bare", "a [[1]]", False, False), 200, "answered_model", str(FIRST), 0.1),
        Told(Ask("2", "bare", "b [[2]]", False, False), 502, "failed_model", str(SECOND), 0.2),
    ]
    rows = [
        {"id": FIRST, "question": "a [[1]]", "usecase": "bare", "outcome": "answered_model", "cost_usd": price},
        {"id": SECOND, "question": "b [[2]]", "usecase": "bare", "outcome": "failed_model", "cost_usd": None},
    ]
    call = {"provider": "openai", "model": MODEL, "error": "", "purpose": "answer", "question": "a [[1]]", **EMPTY}
    calls = [
        {**call, "turn_id": FIRST, "price": "free", "cost_usd": Decimal(0), "error": "500 from the vendor"},
        {**call, "turn_id": FIRST, "price": "list", "cost_usd": price, "input_tokens": 100, "output_tokens": 10},
        {**call, "turn_id": SECOND, "question": "b [[2]]", "price": "unpriced", "cost_usd": None, "error": "timeout"},
    ]
    sums = {"calls": 2, "delivered": 1, "undelivered": 1, "delivered_input_tokens": 100, "delivered_output_tokens": 10}
    entry = {"model": MODEL, "input": 100, "output": 10, "cached": 0, "written": 0, "delivered": True}
    named = {"1": [entry], "2": [{**entry, "output": 0, "delivered": False}]}
    bill = {"total": sums, "models": {MODEL: sums}, "refused": {"500": 1}, "disconnects": 1, "named": named}
    return told, Ledger(rows, calls), bill


def _list_price(asked: int, said: int) -> Decimal:
    from app.llm.catalog import Catalog, ModelRef, Tokens

    cost, _ = Catalog(roles={}).price(ModelRef("openai", MODEL), Tokens(asked, said))
    assert cost
    return cost


def judged(told: list[Told], ledger: Ledger, bill: dict[str, Any]) -> list[str]:
    """Give the claims that do not hold."""
    proof = turns.judged(told, ledger, bill, {}, seconds=1.0)
    return [claim.says for claim in proof.claims if not claim.holds]


def test_accounts_that_agree_hold():
    assert judged(*accounts()) == []


FALSE: Mapping[str, tuple[Callable[..., Any], str]] = {
    "a turn is lost": (lambda told, ledger, bill: ledger.turns.pop(0), "no turn is lost"),
    "a turn is written twice": (
        lambda told, ledger, bill: ledger.turns.append({**ledger.turns[0], "id": UUID(int=3), "cost_usd": 0}),
        "none is written twice",
    ),
    "the ledger says something else": (
        lambda told, ledger, bill: ledger.turns[0].update(outcome="answered_rules"),
        "the ledger says what the asker was told",
    ),
    "an outcome nobody documented": (
        lambda told, ledger, bill: told.append(Told(told[0].ask, 500, "failed_internal", str(FIRST), 0.1)),
        "every turn ends with a documented outcome and status",
    ),
    "a call is missing": (
        lambda told, ledger, bill: ledger.calls.pop(1),
        "the ledger's tokens and dollars are the vendor's own, for each model",
    ),
    "a token too many": (
        lambda told, ledger, bill: ledger.calls[1].update(output_tokens=11),
        "the ledger's tokens and dollars are the vendor's own, for each model",
    ),
    "a cent too few": (
        lambda told, ledger, bill: ledger.calls[1].update(cost_usd=Decimal("-0.01")),
        "to the cent",
    ),
    "unknown is taken for free": (
        lambda told, ledger, bill: ledger.calls[2].update(price="free", cost_usd=Decimal(0)),
        "as many unpriced rows as calls whose count the vendor never delivered, or not in time",
    ),
    "two turns swap their calls": (
        lambda told, ledger, bill: [row.update(question="b [[2]]") for row in ledger.calls],
        "each row of each turn is a call on the bill, and each call on the bill a row",
    ),
    "a refusal is not written": (
        lambda told, ledger, bill: ledger.calls.pop(0),
        "as many free rows as calls that were turned away",
    ),
    "a turn forgets a call": (
        lambda told, ledger, bill: ledger.turns[1].update(cost_usd=Decimal(0)),
        "a turn costs what its calls cost",
    ),
    "somebody waits too long": (
        lambda told, ledger, bill: told.append(Told(told[0].ask, 200, "answered_model", str(FIRST), 99.0)),
        "nobody waits longer than the contract's 6 s (and 10 s for a busy machine)",
    ),
}


def test_a_count_that_came_too_late_is_owed_and_not_known():
    told, ledger, bill = accounts()
    ledger.calls[1].update(price="unpriced", cost_usd=None, **EMPTY)
    ledger.turns[0].update(cost_usd=None)
    assert judged(told, ledger, bill) == []


@pytest.mark.parametrize("lie", FALSE)
def test_a_false_account_is_found_out(lie: str):
    told, ledger, bill = accounts()
    falsify, claim = FALSE[lie]
    falsify(told, ledger, bill)
    assert claim in judged(told, ledger, bill)


def test_the_same_seed_mixes_the_same_turns_of_every_kind():
    mixed = list(load.asks(400, seed=3))
    assert mixed == list(load.asks(400, seed=3)) != list(load.asks(400, seed=4))
    assert {ask.usecase for ask in mixed} == set(turns.USECASES)
    assert {ask.is_streamed for ask in mixed} == {ask.leaves for ask in mixed} == {True, False}
    assert 5 < len(mixed) - len({ask.question for ask in mixed}) < 50, "some are asked twice"


def test_percentiles_of_nothing_are_nothing():
    assert (percentile([], 0.5), percentile([3.0, 1.0, 2.0], 0.5), percentile([1.0, 9.0], 0.99)) == (0.0, 2.0, 9.0)


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_a_proof_is_kept_with_its_conditions_and_decides_the_exit(holds, status, tmp_path, monkeypatch, capsys):
    proof = Proof("sums", "Sums", [Claim("one and one is two", holds, "2")], {"turns": 1}, {"seed": 5})

    def options(parser: ArgumentParser) -> None:
        parser.add_argument("--seed", type=int, default=5)

    def prove(arguments: Namespace, console: Console) -> Proof:
        assert arguments.seed == 5
        return proof

    monkeypatch.setattr(command, "proofs", lambda: {"sums": SimpleNamespace(options=options, prove=prove)})
    assert command.main(["--out", str(tmp_path)]) == status
    kept = json.loads((tmp_path / "sums.json").read_text())
    assert kept["holds"] is holds and kept["conditions"]["seed"] == 5
    assert {"at", "commit", "machine", "python"} <= set(kept["conditions"])
    assert "one and one is two" in capsys.readouterr().out


def test_what_cannot_be_measured_is_neither_good_nor_bad(monkeypatch, tmp_path):
    def prove(arguments: Namespace, console: Console) -> Proof:
        raise TimeoutError("not ready")

    module = SimpleNamespace(options=lambda parser: None, prove=prove)
    monkeypatch.setattr(command, "proofs", lambda: {"late": module})
    assert command.main(["--out", str(tmp_path), "late"]) == 2


def test_every_proof_of_the_folder_is_found():
    assert {"turns", "faults"} <= set(command.proofs())


@pytest.mark.parametrize(
    ("output", "is_good", "holds"),
    [
        ("alone: 528 turns\n.\npairs: 9 turns\n.", True, True),
        ("alone: 528 turns\nF\nE   ('cut',) cached, text: status 500", False, False),
        ("nothing was run", True, False),
    ],
)
def test_the_table_as_a_proof_says_what_went_wrong(output, is_good, holds):
    proof = faults.judged(output, is_good=is_good, seconds=1.0)
    assert proof.holds is holds
    assert ("status 500" in proof.claims[0].found) == ("status 500" in output)


def rows() -> list[list[str]]:
    """Give the cells of the page's tables."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.mark.proves("REL-12")
def test_the_page_says_of_each_fault_what_the_tests_expect():
    said = {cells[0].strip("`"): cells[2:6] for cells in rows() if len(cells) == 7 and cells[0].startswith("`")}
    assert said == {fault: [", ".join(cell) for cell in row] for fault, row in TABLE.items()}


@pytest.mark.proves("REL-12")
def test_the_page_says_of_each_ladder_what_the_customer_gets():
    said = {cells[0]: cells[1:] for cells in rows() if len(cells) == 5 and cells[0] in BELOW}
    assert set(said) == set(BELOW)
    for below, (text, structured) in BELOW.items():
        cells = said[below]
        assert [cell.strip("`") for cell in cells[:2]] == [text, structured]
        for outcome in (text, structured):
            assert str(STATUS.get(outcome, 200)) in cells[2]
            assert OUTCOMES[Outcome(outcome)].sentence in cells[3]


def test_every_alert_of_the_page_exists():
    named = {cells[-1].strip("`") for cells in rows() if cells[-1].startswith("`")}
    rules = (ROOT / "ops/alerts/service.rules.yaml").read_text()
    assert named and not [name for name in named if f"alert: {name}" not in rules]


def test_each_proof_says_what_it_is_for(capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    said = capsys.readouterr().out
    assert ended.value.code == 0 and not [name for name in command.proofs() if f"\n    {name}" not in said]
