"""Bring documents in: the sources of a use case, or one file."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.session import checked, door, err, in_place, operator, out
from app.domain.job import Job, JobStatus
from app.errors import BadInput
from app.settings import load
from app.store import jobs
from app.store.jobs import Order

if TYPE_CHECKING:
    from app.wiring.service import Service

LOOK_S = 0.2


def ingest(
    path: Annotated[
        Path | None, typer.Argument(help="a file to send; left out: every source of every use case")
    ] = None,
    usecase: Annotated[str, typer.Option(help="which use case the documents are for")] = "",
    readers: Annotated[list[str] | None, typer.Option(help="who may read the file; left out: only you")] = None,
    person: Annotated[str, typer.Option("--as", help="who sends the file")] = "sam.reyes",
    sample: Annotated[bool, typer.Option("--sample", help="the sample documents; the same as giving no file")] = False,
) -> None:
    """Read documents into the service as jobs, and wait for them; what has not changed is skipped."""
    if path and not sample:
        if not path.is_file():
            raise BadInput(f"{path} is not a file.")
        asyncio.run(_send(path.name, path.read_bytes(), usecase, readers or [], person=person))
        return
    failed = in_place(lambda service: _sources(service, usecase))
    raise typer.Exit(1 if failed else 0)


async def _sources(service: "Service", usecase: str) -> bool:
    orders = [
        Order("ingest", name, operator(), (), {"source": source.name})
        for name, case in service.usecases.items()
        if usecase in ("", name)
        for source in case.sources
    ]
    if not orders and usecase:
        raise BadInput(f"The use case {usecase!r} has no sources; there are: {', '.join(service.usecases)}.")
    failed = False
    for order in orders:
        job_id = await service.jobs.submit(order)
        label = f"{order.usecase}: {order.input['source']}"
        with Progress(
            TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=err
        ) as progress:
            bar = progress.add_task(label, total=None)
            while True:
                async with service.database.work() as work:
                    job = await jobs.get(work, job_id, user_id=None)
                progress.update(bar, completed=job.done, total=job.total or None)
                if job.status.is_over:
                    break
                await asyncio.sleep(LOOK_S)
        failed |= _tell(label, job)
    return failed


def _tell(label: str, job: Job) -> bool:
    result = job.result or {}
    counted = ", ".join(f"{result.get(name, 0)} {name}" for name in ("added", "changed", "unchanged", "removed"))
    out.print(f"{label}: {job.status.value}; {counted}" + (f"; {job.error}" if job.error else ""))
    for fault in result.get("failed", []):
        out.print(f"  not read: {fault['path']}: {fault['detail']}", markup=False)
    return job.status is not JobStatus.SUCCEEDED


async def _send(name: str, content: bytes, usecase: str, readers: list[str], *, person: str) -> None:
    async with door(load(), person) as client:
        data = {"usecase": usecase, "title": Path(name).stem, **({"readers": readers} if readers else {})}
        response = await client.post("/v1/documents", data=data, files={"file": (name, content)})
        job_id = checked(response, response.json())["job_id"]
        while True:
            state = await client.get(f"/v1/jobs/{job_id}")
            job = checked(state, state.json())
            if JobStatus(job["status"]).is_over:
                break
            await asyncio.sleep(LOOK_S)
    result = job["result"] or {}
    out.print(f"{name}: {result.get('status', job['status'])} {result.get('detail', '')} {job['error']}".strip())
    raise typer.Exit(0 if result.get("status") == "ready" else 1)


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ingest)
