"""`make bench`: the service beside its floors; exits 1 when a goal is missed, 2 when nothing could be measured.

`python -m benchmarks call` measures the model call alone, `python -m benchmarks retrieval` the search alone,
`python -m benchmarks ingestion` the reading of documents alone, `python -m benchmarks guard` what identity, limits,
screen and output checks cost a turn.
"""

import argparse
import pstats
import sys
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import call, guard, ingestion, retrieval
from benchmarks.columns import COLUMNS, SYSTEMS, measure, pairs
from benchmarks.figures import Found, goals, merged
from benchmarks.report import EVIDENCE, as_json, conditions, keep, show
from benchmarks.stage import Stage
from ops.local.errors import LocalError

GOOD, SHORT, WRONG = 0, 1, 2
HEAVIEST = 60
console = Console(width=None if sys.stdout.isatty() else 180)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line."""
    words = sys.argv[1:] if argv is None else argv
    if words[:1] == ["call"]:
        return call.main(words[1:])
    if words[:1] == ["retrieval"]:
        return retrieval.main(words[1:])
    if words[:1] == ["guard"]:
        return guard.main(words[1:])
    if words[:1] == ["ingestion"]:
        return ingestion.main(words[1:])
    arguments = _arguments(argv)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs under an account of its own
        profile = folder / "api.profile" if arguments.profile else None
        stated = conditions(arguments.seconds, arguments.rounds)
        try:
            with Stage(folder, dict(word.split("=", 1) for word in arguments.set), profile=profile) as stage:
                starts_s, found = _measured(stage, arguments)
        except (OSError, LocalError) as error:
            console.print(f"nothing could be measured: {error}", markup=False)
            return WRONG
        if profile:
            _tell(profile, arguments.out / "benchmark-profile.txt")
    checked = goals(found, start_s=median(starts_s))
    show(console, found, checked)
    kept = keep(as_json(found, checked, starts_s=starts_s, stated=stated), arguments.out)
    console.print(f"kept in {kept}", markup=False)
    return SHORT if arguments.judge and any(goal.is_met is False for goal in checked) else GOOD


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0, help="how long each load lasts")
    parser.add_argument("--rounds", type=int, default=3, help="medians are taken over so many")
    parser.add_argument("--systems", nargs="+", default=[one.name for one in SYSTEMS], help="leave some out")
    parser.add_argument("--columns", nargs="+", default=[one.name for one in COLUMNS], help="leave some out")
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE", help="other settings of the service")
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="the folder that the report goes to")
    parser.add_argument("--profile", action="store_true", help="also say where the API process spends its time")
    parser.add_argument("--no-judge", dest="judge", action="store_false", help="exit 0 also when a goal is missed")
    return parser.parse_args(argv)


def _measured(stage: Stage, arguments: argparse.Namespace) -> tuple[list[float], Found]:
    starts_s: list[float] = []
    for _ in range(arguments.rounds):
        if starts_s:
            stage.stop_api()
        starts_s.append(stage.start_api())
    systems = {one.name: one for one in SYSTEMS if one.name in arguments.systems}
    columns = {one.name: one for one in COLUMNS if one.name in arguments.columns}
    seen: dict[tuple[str, str], list[dict[str, object]]] = {}
    bars = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*bars, console=console, transient=True) as progress:
        bar = progress.add_task("", total=len(systems) * len(columns) * arguments.rounds)
        for system, column in pairs(systems, columns, arguments.rounds):
            progress.update(bar, description=f"{column.name}: {system.name}")
            figures = measure(stage, system, column, seconds=arguments.seconds)
            seen.setdefault((system.name, column.name), []).append(figures)
            progress.advance(bar)
    stage.stop_api()
    return starts_s, {place: merged(rounds) for place, rounds in seen.items()}


def _tell(profile: Path, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as out, redirect_stdout(out):
        stats = pstats.Stats(str(profile)).strip_dirs()
        stats.sort_stats("tottime").print_stats(HEAVIEST)
        stats.sort_stats("cumtime").print_stats(HEAVIEST)
    console.print(f"where the time went: {path}", markup=False)


if __name__ == "__main__":
    sys.exit(main())
