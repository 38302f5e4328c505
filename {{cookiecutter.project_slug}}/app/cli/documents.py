"""Bring documents in, the sources of a use case or one file, as jobs through the HTTP door; see what became of them."""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import httpx2
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli.session import checked, door, err, out
from app.domain.job import JobStatus
from app.errors import BadInput
from app.settings import load

LOOK_S = 0.1
OPERATOR, SENDER = "olga.petrov", "sam.reyes"


def ingest(
    what: Annotated[str, typer.Argument(help="a use case, or a file to send; left out: every use case")] = "",
    source: Annotated[str, typer.Argument(help="one source of the use case; left out: all of them")] = "",
    usecase: Annotated[str, typer.Option(help="which use case the file is for")] = "",
    readers: Annotated[list[str] | None, typer.Option(help="who may read the file; left out: only the sender")] = None,
    allow_removal: Annotated[
        bool, typer.Option("--allow-removal", help="the source lacks most of its documents, and is meant to")
    ] = False,
    person: Annotated[str, typer.Option("--as", help=f"who does it; left out: {SENDER}, for sources {OPERATOR}")] = "",
    sample: Annotated[bool, typer.Option("--sample", help="the sample documents; the same as giving nothing")] = False,
) -> None:
    """Read documents into the service as jobs, and wait for them; what has not changed is skipped."""
    path = Path(what)
    if what and not sample and path.is_file():
        good = asyncio.run(_send(path, path.read_bytes(), usecase, readers or [], person=person or SENDER))
    elif what and not sample and ("." in what or "/" in what):
        raise BadInput(f"{what} is not a file, and no name of a use case either.")
    else:
        chosen = "" if sample else what or usecase
        good = asyncio.run(_sources(chosen, source, person or OPERATOR, allow_removal=allow_removal))
    raise typer.Exit(0 if good else 1)


async def _sources(only: str, source: str, person: str, *, allow_removal: bool) -> bool:
    good = True
    query = {"allow_removal": allow_removal}
    async with door(load(), person) as client:
        names = [only] if only else await _usecases(client)
        for name in names:
            place = f"/v1/usecases/{name}"
            if source:
                response = await client.post(f"{place}/sources/{source}/ingest", params=query)
                jobs = [checked(response, response.json())]
            else:
                response = await client.post(f"{place}/ingestion", params=query)
                jobs = checked(response, response.json())
            for accepted in jobs:
                good &= _tell(name, await _followed(client, accepted["job_id"], name))
    return good


def documents(
    usecase: Annotated[str, typer.Argument(help="only those of this use case")] = "",
    failed: Annotated[bool, typer.Option("--failed", help="only those that could not be read, and why")] = False,
    limit: Annotated[int, typer.Option(min=1, max=500, help="at most so many")] = 100,
    person: Annotated[str, typer.Option("--as", help=f"who looks; left out: {SENDER}")] = SENDER,
) -> None:
    """List the documents that a person may read: where each comes from, since when, and why one failed."""
    query = {"usecase": usecase, "limit": limit, **({"status": "failed"} if failed else {})}
    found = asyncio.run(_listed(query, person))
    table = Table(box=None, pad_edge=False)
    for column in ("status", "title", "use case", "source", "path", "readers", "read at", "remark"):
        table.add_column(column, overflow="fold")
    for each in found:
        facts = (each["title"], each["usecase"], each["source"], each["path"], " ".join(each["readers"]))
        table.add_row(each["status"], *map(escape, facts), each["updated_at"][:16], escape(each["detail"]))
    out.print(table)
    out.print(f"{len(found)} documents" + (", and perhaps more: raise --limit" if len(found) == limit else ""))


async def _listed(query: dict[str, Any], person: str) -> list[dict[str, Any]]:
    async with door(load(), person) as client:
        response = await client.get("/v1/documents", params=query)
        found: list[dict[str, Any]] = checked(response, response.json())
        return found


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
    out.print(f"{label}: {job['status']}; {counted}" + (f"; {job['error']}" if job["error"] else ""), markup=False)
    for fault in result.get("failed", []):
        out.print(f"  not read: {fault['path']}: {fault['detail']}", markup=False)
    if unseen := result.get("failures", 0) - len(result.get("failed", [])):
        out.print(f"  not read: {unseen} more; `app documents --failed` lists those that you may see", markup=False)
    if left_out := result.get("left_out", 0):
        out.print(f"  nobody is named to read {left_out}: {', '.join(result['unlisted'][:10])}", markup=False)
    return bool(job["status"] == JobStatus.SUCCEEDED)


async def _send(path: Path, content: bytes, usecase: str, readers: list[str], *, person: str) -> bool:
    async with door(load(), person) as client:
        name = usecase or next(iter(await _usecases(client)), "")
        data = {"usecase": name, "title": path.stem, **({"readers": readers} if readers else {})}
        response = await client.post("/v1/documents", data=data, files={"file": (path.name, content)})
        job = await _followed(client, checked(response, response.json())["job_id"], path.name)
    result = job["result"] or {}
    told = f"{path.name}: {result.get('status', job['status'])} {result.get('detail', '')} {job['error']}"
    out.print(told.strip(), markup=False)
    return bool(result.get("status") == "ready")


def register(app: typer.Typer) -> None:
    """Add these commands."""
    app.command()(ingest)
    app.command()(documents)
