"""The proof of the ledger with a few thousand turns; `python -m ops.prove ledger` loads a million."""

from argparse import Namespace
from datetime import UTC, datetime

import pytest
from rich.console import Console

from ops.prove import ledger
from ops.prove.ledger import Asked
from ops.prove.ledger_rows import Loaded

TUESDAY = datetime(2026, 11, 17, 14, 0, tzinfo=UTC)
LOADED = Loaded(1_000_000, 900.0, TUESDAY, ["a", "b"])
ANSWERS, COSTS = "the API answers it", "the Costs of a week"
QUICK = Asked([0.1], ["handbook"], 9.0)


def judged(asked: Asked, counted: Asked = QUICK) -> list[str]:
    """Give the claims that do not hold."""
    proof = ledger.judged(LOADED, {ANSWERS: asked}, {COSTS: counted}, times=2, recorded_ms=(1.0, 0.8))
    return [claim.says for claim in proof.claims if not claim.holds]


@pytest.mark.proves("OBS-1")
def test_the_proof_fails_when_an_answer_is_slow_wrong_or_missing() -> None:
    assert judged(Asked([0.1, 0.9], ["b", "a"])) == []
    assert judged(Asked([0.1, 1.1], ["a", "b"])) == [f"{ANSWERS}: in under 1 s"]
    assert len(judged(Asked([0.1], ["a", "c"]))) == 1
    assert len(judged(Asked([0.1], []))) == 2
    good = Asked([0.1], ["b", "a"])
    for counted in (Asked([0.1], ["handbook"], 11.0), Asked([1.1], ["handbook"], 2.0), Asked([0.1], [], 2.0)):
        (wrong,) = judged(good, counted)
        assert wrong.startswith(COSTS)


@pytest.mark.slow
@pytest.mark.proves("OBS-1")
def test_page_api_and_command_tell_what_the_model_did_on_tuesday() -> None:
    proof = ledger.prove(Namespace(turns=20_000, times=1), Console())
    # How long it takes is for a machine of its own to say.
    wrong = [claim for claim in proof.claims if not claim.holds and "in under" not in claim.says]
    assert not wrong and proof.figures["turns"] == 20_003
    assert all(", 0 found" not in str(told) for told in proof.figures.values())
