"""`make prove`: every proof of this folder, one after the other; exits 1 when a claim does not hold.

`python -m ops.prove turns --count 300` runs one. A proof is a module here with `options(parser)` and `prove(arguments,
console)`, which gives a Proof; files whose names begin with `_` or that lack `prove` are not proofs.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from rich.console import Console

from ops import prove
from ops.local.errors import LocalError
from ops.prove.report import EVIDENCE, Proof

GOOD, SHORT, WRONG = 0, 1, 2


def proofs() -> dict[str, ModuleType]:
    """Find the proofs by their names."""
    names = [found.name for found in pkgutil.iter_modules(prove.__path__) if not found.name.startswith("_")]
    modules = {name: importlib.import_module(f"ops.prove.{name}") for name in names}
    return {name: module for name, module in modules.items() if hasattr(module, "prove")}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one proof, or all."""
    known = proofs()
    parser = argparse.ArgumentParser(prog="python -m ops.prove", description=__doc__)
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="folder that results are kept in")
    commands = parser.add_subparsers(dest="proof", metavar=" | ".join(known))
    for name, module in known.items():
        module.options(commands.add_parser(name, help=(module.__doc__ or "").splitlines()[0].replace("%", "%%")))
    arguments = parser.parse_args(argv)
    console = Console(width=None if sys.stdout.isatty() else 160)
    chosen = [arguments.proof] if arguments.proof else list(known)
    found = []
    for name in chosen:
        asked = arguments if arguments.proof else parser.parse_args([name])
        try:
            found.append(known[name].prove(asked, console))
        except (OSError, LocalError, TimeoutError) as error:
            console.print(f"{name}: nothing could be proven: {error}", markup=False)
            return WRONG
        _tell(found[-1], arguments.out, console)
    return GOOD if all(proof.holds for proof in found) else SHORT


def _tell(proof: Proof, folder: Path, console: Console) -> None:
    proof.show(console)
    console.print(f"{'holds' if proof.holds else 'DOES NOT HOLD'}; kept in {proof.keep(folder)}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
