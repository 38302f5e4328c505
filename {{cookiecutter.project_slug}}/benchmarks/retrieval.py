"""`python -m benchmarks retrieval`: the search under rights, over made-up documents whose rights follow their topic.

For people who may read 100 %, 10 %, 1 % and 0.1 % of the chunks: milliseconds, processor time of PostgreSQL, and how
many of the ten best an exact search would have found. Beside it the vector index with the rights as a filter after it.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import psycopg
from pgvector.psycopg import register_vector
from rich.console import Console
from rich.table import Table

from app.store.migrate import migrate
from benchmarks.report import EVIDENCE, conditions
from benchmarks.retrieval_corpus import VISIBLE, Corpus, load
from benchmarks.retrieval_figures import Figures, goals
from benchmarks.retrieval_runs import Bench
from ops.local.errors import LocalError
from ops.local.postgres import Postgres

GOOD, SHORT, WRONG = 0, 1, 2
SYSTEMS = {
    "hybrid": "this search, hybrid",
    "vectors": "this search, vectors",
    "exact": "every visible vector",
    "index": "HNSW, filter after it, ef 40",
    "iterative": "HNSW, iterative, ef 100",
}


def main(words: Sequence[str]) -> int:
    """Run the command line."""
    arguments = _arguments(words)
    console = Console(width=None if sys.stdout.isatty() else 180)
    report: dict[str, Any] = {"conditions": conditions(0, 1), "questions": arguments.questions, "corpora": {}}
    try:
        for chunks in arguments.chunks:
            report["corpora"][str(chunks)] = _corpus(chunks, arguments, console)
    except (OSError, LocalError, psycopg.Error) as error:
        console.print(f"nothing could be measured: {error}", markup=False)
        return WRONG
    report["goals"] = _judged(report, console)
    console.print(f"kept in {keep(report, arguments.out)}", markup=False)
    missed = [goal for goal in report["goals"] if not goal["met"]]
    return SHORT if missed and arguments.judge else GOOD


def measure(url: str, corpus: Corpus, questions: int) -> dict[str, dict[str, Figures]]:
    """Ask everything of a loaded database: figures by visibility and system."""
    with Bench(url, corpus) as bench:
        people = {}
        for visible in VISIBLE:
            people[visible] = asyncio.run(bench.person(visible, questions))
            print(f"measured: who may read {visible}", file=sys.stderr, flush=True)
        return people


def keep(report: dict[str, Any], folder: Path) -> Path:
    """Write the report under the day's name and give its place."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"retrieval-{report['conditions']['at'][:10]}.json"
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_DATACLASS) + b"\n")
    return path


def _judged(report: dict[str, Any], console: Console) -> list[dict[str, Any]]:
    found = [goal for chunks, corpus in report["corpora"].items() for goal in goals(int(chunks), corpus["people"])]
    table = Table("goal", "found", "met")
    for goal in found:
        table.add_row(goal["name"], str(goal["found"]), "yes" if goal["met"] else "[red]no[/]")
    console.print(table)
    return found


def show(console: Console, chunks: int, people: dict[str, dict[str, Figures]]) -> None:
    """Print the figures of a corpus."""
    table = Table(
        "may read", "system", "p50 ms", "p99 ms", "CPU p50 ms", "CPU p99", "recall@10", "plans", title=f"{chunks:,}"
    )
    for visible, systems in people.items():
        for name, each in systems.items():
            recall = "-" if each.recall is None else f"{each.recall:.3f}"
            numbers = (each.p50_ms, each.p99_ms, each.cpu_p50_ms, each.cpu_p99_ms)
            table.add_row(
                visible, SYSTEMS[name], *("-" if n is None else f"{n:.1f}" for n in numbers), recall, each.plans
            )
    console.print(table)


def _corpus(chunks: int, arguments: argparse.Namespace, console: Console) -> dict[str, Any]:
    if arguments.loaded:
        return _measured(arguments.loaded, Corpus(chunks), arguments.questions, console)
    with tempfile.TemporaryDirectory(prefix="retrieval-", dir=arguments.folder, ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)  # PostgreSQL runs under an account of its own
        with Postgres(Path(name) / "engine", settings=_settings(arguments.memory_gb)) as engine:
            migrate(engine.url)
            corpus = Corpus(chunks)
            seconds = _loaded(engine.url, corpus, arguments)
            console.print(f"{chunks:,} chunks loaded: {seconds}", markup=False)
            return {"load": seconds, **_measured(engine.url, corpus, arguments.questions, console)}


def _loaded(url: str, corpus: Corpus, arguments: argparse.Namespace) -> dict[str, float]:
    with psycopg.connect(url, autocommit=True) as connection:
        register_vector(connection)
        return load(connection, corpus, memory_gb=arguments.memory_gb, workers=arguments.workers)


def _measured(url: str, corpus: Corpus, questions: int, console: Console) -> dict[str, Any]:
    people = measure(url, corpus, questions)
    show(console, corpus.chunks, people)
    return {"people": people}


def _settings(memory_gb: int) -> dict[str, str]:
    # A load writes once; what is measured reads.
    return {"fsync": "off", "shared_buffers": f"{memory_gb}GB", "max_wal_size": "20GB", "wal_level": "minimal",
            "max_wal_senders": "0"}  # fmt: skip


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks retrieval", description=__doc__)
    parser.add_argument("--chunks", type=int, nargs="+", default=[100_000], help="sizes of the corpus")
    parser.add_argument("--questions", type=int, default=200, help="asked by each of the four people")
    parser.add_argument("--memory-gb", type=int, default=2, help="PostgreSQL's buffers, and as much to build the index")
    parser.add_argument("--workers", type=int, default=2, help="processes that build the index")
    parser.add_argument("--loaded", default="", metavar="URL", help="a database that was loaded before, as its owner")
    parser.add_argument("--folder", type=Path, default=None, help="where the databases are; a million takes 12 GB")
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="the folder that the report goes to")
    parser.add_argument("--no-judge", dest="judge", action="store_false", help="exit 0 also when a goal is missed")
    return parser.parse_args(words)
