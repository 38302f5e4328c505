"""The readiness report as a page: every requirement, and the evidence that it is met."""

from collections import Counter
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.evaluation import readiness as report
from app.evaluation.readiness import Row, State

router = APIRouter(route_class=PageRoute, include_in_schema=False)
Opener = Annotated[Principal, Depends(needs(Permission.OPEN_CONSOLE))]
TONES = {State.PROVEN: "on", State.BEGUN: "", State.BROKEN: "off", State.NOT_YET: ""}


@router.get("/console/readiness")
async def readiness(request: Request, service: Here, who: Opener) -> Response:
    """Show what is proven, by what, and what only a person can see to."""
    folder = service.settings.local_dir / "evidence"
    rows = report.assess(folder)
    return page(request, "readiness.html", who, folder=folder, **_shown(rows))


def _shown(rows: list[Row]) -> dict[str, Any]:
    areas: dict[str, list[Row]] = {}
    for row in rows:
        areas.setdefault(row.requirement.area, []).append(row)
    counted = Counter(row.state for row in rows)
    return {
        "areas": areas,
        "counted": [(state.value, TONES[state], counted[state]) for state in State],
        "tones": TONES,
        "total": len(rows),
        "newest": max((proof.at for row in rows for proof in row.proofs), default=""),
        "last": {row.requirement.id: max(row.proofs, key=lambda proof: proof.at, default=None) for row in rows},
    }
