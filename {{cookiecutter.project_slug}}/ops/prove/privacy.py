"""Personal data: recall and precision of each engine on the marked texts, what they cost, what they need."""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from time import process_time
from typing import Any

from rich.console import Console
from rich.table import Table

from app.domain.masking import Masks, Recogniser, Rules
from app.errors import CannotStart
from app.evaluation.masking import PARTS, Measured, Score, kinds, marked, measure
from app.guard import pii
from app.guard.patterns import PATTERNS, Patterns
from app.guard.presidio import Presidio
from ops.prove.report import Claim, Proof, percentile

QUESTION = (
    "How many days of annual leave does a new employee get, and do I ask my manager Anna Bell (anna.bell@example.org)"
    " or the portal? I start in March and would like two weeks off in July."
)[:200]
PASSAGE = (
    "Every employee has twenty-five days of annual leave a year. New ones earn a twelfth of it for each full month."
    " Leave of more than three days is requested in the portal at least two weeks ahead, and the manager decides within"
    " five working days. Up to five days may be carried over until 31 March of the next year; what is left then is"
    " lost, but for illness. Ask the HR desk at hr@example.org or +44 20 7946 0958 when your manager does not answer. "
)
_LOAD = (
    "import time; began = time.perf_counter(); {code}; took = time.perf_counter() - began;"
    " print(took, [int(line.split()[1]) / 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')][0])"
)
_ENGINES = {
    "patterns": "from app.guard.patterns import PATTERNS as each; each.find('a')",
    "presidio": "from app.guard.presidio import Presidio; Presidio().find('a')",
}


def options(parser: argparse.ArgumentParser) -> None:
    """Declare what can be chosen."""
    parser.add_argument("--model", default="", help="a model for Presidio, as in APP_PRIVACY_MODEL")
    parser.add_argument("--rounds", type=int, default=200, help="times that a question and its passages are masked")


def prove(arguments: argparse.Namespace, console: Console) -> Proof:
    """Measure our patterns, Presidio, and both together."""
    engines: dict[str, tuple[Recogniser, ...]] = {"patterns": (PATTERNS,)}
    try:
        found = Presidio(arguments.model)
        engines |= {"presidio": (found,), "both": (PATTERNS, found)}
    except CannotStart as error:
        console.print(str(error), markup=False)
    results = {
        f"{engine}, {part}": measure(marked(part), Rules(recognisers))
        for engine, recognisers in engines.items() for part in PARTS
    }  # fmt: skip
    for name, result in results.items():
        console.print(_table(name, result))
    figures: dict[str, Any] = {name: _figures(result) for name, result in results.items()}
    figures |= {f"{engine}, to load": _load(engine) for engine in engines if engine in _ENGINES}
    figures |= _per_turn(arguments.rounds)
    texts = [text for part in PARTS for text in marked(part)]
    whole = {part: results[f"patterns, {part}"].whole for part in PARTS}
    claims = [
        Claim("at least 300 marked texts", len(texts) >= 300, f"{len(texts)} texts, {kinds(texts).total()} marks"),
        *(Claim(f"recall of the patterns, {part}, is 0.85 or more", score.recall[0] >= 0.85, _said(score.recall))
          for part, score in whole.items()),
        *(Claim(f"precision of the patterns, {part}, is 0.95 or more", score.precision[0] >= 0.95,
                _said(score.precision))
          for part, score in whole.items()),
    ]  # fmt: skip
    title = f"Personal data in {len(texts)} marked texts"
    return Proof("privacy", title, claims, figures, {"model": arguments.model or "none", "rounds": arguments.rounds})


def _table(name: str, result: Measured) -> Table:
    table = Table("kind", "marks", "recall (95 %)", "replaced", "precision (95 %)", title=name, title_justify="left")
    for kind, score in [*result.by_kind.items(), ("all", result.whole)]:
        table.add_row(kind, str(score.marks), _said(score.recall), str(score.pieces), _said(score.precision))
    table.caption = f"{result.ms_per_kb:.2f} ms for a kilobyte of nothing but such texts"
    return table


def _said(share: tuple[float, float, float]) -> str:
    return "{:.3f} ({:.3f} to {:.3f})".format(*share)


def _figures(result: Measured) -> dict[str, Any]:
    by_kind = {kind: _row(score) for kind, score in result.by_kind.items() if score.marks or score.pieces}
    return {"all": _row(result.whole), **by_kind, "ms_per_kb": round(result.ms_per_kb, 2)}


def _row(score: Score) -> dict[str, Any]:
    shares = {"recall": score.recall, "precision": score.precision}
    told = {name: [round(part, 3) for part in share] for name, share in shares.items()}
    return {"marks": score.marks, "replaced": score.pieces, **told}


def _load(engine: str) -> Mapping[str, str]:
    """Load an engine in a process of its own: seconds, and memory at its peak."""
    script = _LOAD.format(code=_ENGINES[engine])
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    return {"seconds": f"{float(told[0]):.2f}", "megabytes": f"{float(told[1]):.0f}"}


def _per_turn(rounds: int) -> dict[str, Any]:
    """Mask a question of 200 letters, and six passages of a kilobyte: seen for the first time, and again."""
    chunk = (PASSAGE * 4)[:1024]
    anew, again = Patterns(), Patterns()
    passages = [f"{chunk}{place}" for place in range(6)]

    def question(number: int) -> float:
        return _cpu_ms([f"{QUESTION}{number}"], Rules((anew,)))

    def first(number: int) -> float:
        return _cpu_ms([f"{text} {number}" for text in passages], Rules((anew,)))

    def known(number: int) -> float:
        return _cpu_ms(passages, Rules((again,)))

    timed = {"question of 200 letters": question, "six new passages of 1 KB": first, "the same six again": known}
    return {
        f"CPU, {name}": {"p50_ms": f"{percentile(times, 0.5):.3f}", "p99_ms": f"{percentile(times, 0.99):.3f}"}
        for name, one in timed.items()
        if (times := [one(number) for number in range(rounds)])
    }


def _cpu_ms(texts: list[str], rules: Rules) -> float:
    masks, began = Masks(rules=rules), process_time()
    pii.replaced(texts, masks)
    return (process_time() - began) * 1000
