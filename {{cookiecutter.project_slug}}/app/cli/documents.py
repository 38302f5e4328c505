"""Bring documents in: the sources of a use case, or one file; both as jobs, through the HTTP door."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.cli.session import checked, door, err, out
from app.domain.job import JobStatus
from app.errors import BadInput
from app.settings import load

LOOK_S = 0.1
OPERATOR, SENDER = "olga.petrov", "sam.reyes"


def ingest(
    path: Annotated[Path | None, typer.Argument(help="a file to send; left out: all sources of all use cases")] = None,
    usecase: Annotated[str, typer.Option(help="which use case the documents are for; left out: all")] = "",
    readers: Annotated[list[str] | None, typer.Option(help="who may read the file; left out: only the sender")] = None,
    person: Annotated[str, typer.Option("--as", help=f"who does it; left out: {SENDER}, for sources {OPERATOR}")] = "",
    sample: Annotated[bool, typer.Option("--sample", help="the sample documents; the same as giving no file")] = False,
) -> None:
    """Read documents into the service as jobs, and wait for them; what has not changed is skipped."""
    if path and not sample:
        if not path.is_file():
            raise BadInput(f"{path} is not a file.")
        good = asyncio.run(_send(path, path.read_bytes(), usecase, readers or [], person=person or SENDER))
    else:
        good = asyncio.run(_sources(usecase, person or OPERATOR))
    raise typer.Exit(0 if good else 1)


async def _sources(only: str, person: str) -> bool:
    good = True
    async with door(load(), person) as client:
        names = [only] if only else await _usecases(client)
        for name in names:
            response = await client.post(f"/v1/usecases/{name}/ingestion")
            for accepted in checked(response, response.json()):
                good &= _tell(name, await _followed(client, accepted["job_id"], name))
    return good


async def _usecases(client: httpx2.AsyncClient) -> list[str]:
    response = await client.get("/v1/usecases")
    return [found["name"] for found in checked(response, response.json())]


async def _followed(client: httpx2.AsyncClient, job_id: str, label: str) -> dict[str, Any]:
    columns = (TextColumn(label), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as progress:
        bar = progress.add_task(label, total=None)
        while True:
            response = await client.get(f"/v1/jobs/{job_id}")
            job: dict[str, Any] = checked(response, response.json())
            progress.update(bar, completed=job["done"], total=job["total"] or None)
            if JobStatus(job["status"]).is_over:
                return job
            await asyncio.sleep(LOOK_S)


def _tell(label: str, job: dict[str, Any]) -> bool:
    result = job["result"] or {}
    counted = ", ".join(f"{result.get(name, 0)} {name}" for name in ("added", "changed", "unchanged", "removed"))
    out.print(f"{label}: {job['status']}; {counted}" + (f"; {job['error']}" if job["error"] else ""))
    for fault in result.get("failed", []):
        out.print(f"  not read: {fault['path']}: {fault['detail']}", markup=False)
    return bool(job["status"] == JobStatus.SUCCEEDED)


async def _send(path: Path, content: bytes, usecase: str, readers: list[str], *, person: str) -> bool:
    async with door(load(), person) as client:
        name = usecase or next(iter(await _usecases(client)), "")
        data = {"usecase": name, "title": path.stem, **({"readers": readers} if readers else {})}
        response = await client.post("/v1/documents", data=data, files={"file": (path.name, content)})
        job = await _followed(client, checked(response, response.json())["job_id"], path.name)
    result = job["result"] or {}
    out.print(f"{path.name}: {result.get('status', job['status'])} {result.get('detail', '')} {job['error']}".strip())
    return bool(result.get("status") == "ready")


def register(app: typer.Typer) -> None:
    """Add this command."""
    app.command()(ingest)
