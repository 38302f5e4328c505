"""`python -m benchmarks ingestion`: how fast a folder of papers is read, and what a second look at it costs.

One process does what a worker of documents does, with its children that read files apart: the first reading, one in
which nothing has changed, one in which every right has, one in which every document goes. Beside it, reading alone.
"""

import argparse
import asyncio
import os
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from app.domain.source import Folder
from app.retrieval.reading import ReadingRoom
from app.settings import ROOT, Settings
from app.store.jobs import Order
from app.store.migrate import migrate
from app.wiring.service import Service, build
from benchmarks.papers import Papers, make, share
from benchmarks.report import EVIDENCE, conditions
from ops.local.engines import Engines
from ops.local.errors import LocalError

GOOD, SHORT, WRONG = 0, 1, 2
NAME, SECRET = "papers", "of a benchmark, and long enough to sign with"
LOOK_S = 0.2
# Read at once, as a job does.
HANDS = 4


def main(words: Sequence[str]) -> int:
    """Run the command line; exits 1 when a document was not read, 2 when nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks ingestion", description=__doc__)
    parser.add_argument("--documents", type=int, default=1000, help="papers that are made up")
    parser.add_argument("--out", type=Path, default=EVIDENCE, help="the folder that the report goes to")
    arguments = parser.parse_args(words)
    console = Console()
    with tempfile.TemporaryDirectory(prefix="ingestion-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs under an account of its own
        papers = make(folder, arguments.documents)
        try:
            with Engines(folder / "engines", environ={}) as engines:
                migrate(engines.database_url)
                found = asyncio.run(_measured(engines, papers))
        except (OSError, LocalError) as error:
            console.print(f"nothing could be measured: {error}", markup=False)
            return WRONG
    shape = {"documents": papers.documents, "megabytes": papers.size_bytes / 1e6}
    report = {"conditions": conditions(0, 1), **shape, "runs": found}
    console.print(_table(report))
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "ingestion.json"
    path.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2) + b"\n")
    console.print(f"kept in {path}", markup=False)
    return GOOD if found["first"]["added"] == papers.documents and not found["first"]["failures"] else SHORT


async def _measured(engines: Engines, papers: Papers) -> dict[str, dict[str, Any]]:
    settings = Settings(
        _env_file=None,
        database_url=engines.database_url,
        redis_url=engines.redis_url,
        secret_key=SECRET,
        usecases_dir=ROOT / "benchmarks" / "usecases",
    )
    service = build(settings)
    await service.start()
    try:
        cases: Any = service.usecases
        cases[NAME] = replace(cases["cited"], name=NAME, sources=(Folder(NAME, papers.folder, papers.readers_file),))
        found = {"reading alone": await _timed(papers, lambda: _read(papers, service.reading))}
        found["first"] = await _timed(papers, lambda: _job(service))
        found["nothing changed"] = await _timed(papers, lambda: _job(service))
        share(papers, moved=1)
        found["every right changed"] = await _timed(papers, lambda: _job(service))
        for path in papers.folder.iterdir():
            path.unlink()
        found["everything gone"] = await _timed(papers, lambda: _job(service))
        return found
    finally:
        await service.stop()


async def _job(service: Service) -> dict[str, Any]:
    order = Order("ingest", NAME, "benchmark", (), {"source": NAME, "allow_removal": True})
    job_id = await service.jobs.submit(order)
    await service.jobs.run(job_id)
    async with service.ingest_database.work() as work:
        chunks = (await work.sql("SELECT count(*) FROM chunks")).scalar_one()
    async with service.database.work() as work:
        result = (await work.sql("SELECT result FROM jobs WHERE id = :id", id=job_id)).scalar_one()
    counts = {name: value for name, value in result.items() if isinstance(value, int)}
    return {**counts, "chunks": chunks}


async def _read(papers: Papers, room: ReadingRoom) -> dict[str, Any]:
    paths = iter(sorted(papers.folder.iterdir()))
    chunks = 0

    async def hand() -> None:
        nonlocal chunks
        for path in paths:
            parsed = await room.read_apart(await asyncio.to_thread(path.read_bytes), filename=path.name, media_type="")
            chunks += len(parsed.chunks)

    await asyncio.gather(*(hand() for _ in range(HANDS)))
    return {"chunks": chunks}


async def _timed(papers: Papers, work: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    most_mb = 0.0

    async def watch() -> None:
        nonlocal most_mb
        while True:
            most_mb = max(most_mb, _memory_mb())
            await asyncio.sleep(LOOK_S)

    watching = asyncio.create_task(watch())
    began, cpu = perf_counter(), process_time()
    counted = await work()
    seconds = perf_counter() - began
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    return {
        "seconds": seconds,
        "documents_per_minute": papers.documents / seconds * 60,
        "megabytes_per_minute": papers.size_bytes / 1e6 / seconds * 60,
        "cpu_s": process_time() - cpu,
        "memory_mb": most_mb,
        **counted,
    }


def _memory_mb() -> float:
    """Give the resident memory of this process, without its children; 0 where /proc does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _table(report: dict[str, Any]) -> Table:
    title = f"{report['documents']} papers, {report['megabytes']:.1f} MB"
    table = Table("run", "seconds", "documents/min", "MB/min", "CPU s", "memory MB", "chunks", title=title)
    for name, run in report["runs"].items():
        figures = ("seconds", "documents_per_minute", "megabytes_per_minute", "cpu_s", "memory_mb", "chunks")
        table.add_row(name, *(f"{run[figure]:,.1f}" for figure in figures))
    return table
