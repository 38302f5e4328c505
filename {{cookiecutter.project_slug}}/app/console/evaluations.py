"""How good each use case was when it was measured: the newest run, the trend, and what failed in one run."""

from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response

from app.console.html import page
from app.console.plots import Axis, Band, Chart, Series, lines, share
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.store import evaluations as table

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/evaluations"
MOST_RUNS = 50
Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
Word = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


@router.get(PATH)
async def evaluations(request: Request, service: Here, who: Opener, usecase: Word = "") -> Response:
    """Show the newest run of each use case, and all of one over time."""
    async with service.database.work() as work:
        latest = await table.latest(work)
        runs = await table.runs(work, usecase=usecase, limit=MOST_RUNS)
        left_out = await table.count(work, usecase=usecase) - len(runs)
    measured = {row["usecase"] for row in latest}
    return page(
        request,
        "evaluations.html",
        who,
        latest=latest,
        runs=runs,
        left_out=left_out,
        usecase=usecase,
        titles={name: case.contract.title for name, case in service.usecases.items()},
        never=sorted(set(service.usecases) - measured),
        trend=trend(runs) if usecase and runs else None,
    )


@router.get(PATH + "/{run_id}")
async def evaluation(request: Request, run_id: UUID, service: Here, who: Opener) -> Response:
    """Show one run: which cases failed and by which scorer. What was answered stays in its file: it may quote."""
    async with service.database.work() as work:
        row = await table.run(work, run_id)
    report = row["report"]
    results = sorted(report.get("results", ()), key=lambda result: (result["passed"], result["case"]))
    shown = {"results": results, "by_tag": report.get("by_tag", {}), "unmeasured": report.get("unmeasured", ())}
    return page(request, "evaluation.html", who, run=row, rungs=report.get("rungs", {}), **shown)


def trend(runs: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the share of cases that passed over runs, the oldest first, with its 95 % interval and the threshold."""
    rows = list(reversed(runs))
    series = [Series("cases that passed", [row["pass_rate"] for row in rows], "c0")]
    interval = Band("95 % interval", [row["low"] for row in rows], [row["high"] for row in rows], "c0")
    axis = Axis(share, limit=rows[-1]["threshold"], top=1.0)
    labels = [row["at"].astimezone(UTC).strftime("%d %b %H:%M") for row in rows]
    return lines("Share of cases that passed", labels, series=series, axis=axis, bands=[interval])
