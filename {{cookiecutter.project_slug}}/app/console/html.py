"""Templates to HTML: escaped by default, strict about what is missing, dated and rounded for people."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from app.console import assets, words
from app.console.session import people_of, service_of
from app.domain.identity import Permission, Principal
from app.errors import AppError
from app.telemetry.scrub import mask

HERE = Path(__file__).parent
PAGES = (
    ("Overview", "/console", Permission.OPEN_CONSOLE),
    ("Switches", "/console/switches", Permission.FLIP_SWITCHES),
    ("Reviews", "/console/reviews", Permission.DECIDE_REVIEWS),
    ("Turns", "/console/turns", Permission.READ_ALL_TURNS),
    ("Jobs", "/console/jobs", Permission.OPEN_CONSOLE),
    ("Why not found?", "/console/why", Permission.INSPECT_DOCUMENTS),
    ("Who can read?", "/console/readers", Permission.INSPECT_DOCUMENTS),
    ("Keys", "/console/keys", Permission.MANAGE_KEYS),
    ("Restrictions", "/console/restrictions", Permission.RESTRICT),
    ("People", "/console/people", Permission.ERASE_PEOPLE),
    ("Incidents", "/console/incidents", Permission.DECIDE_REVIEWS),
    ("Audit", "/console/audit", Permission.READ_AUDIT),
)


def page(request: Request, template: str, who: Principal | None, **values: Any) -> HTMLResponse:
    """Render a page for this person."""
    service = service_of(request)
    named = service.settings.service["service"]
    shown = ENVIRONMENT.get_template(template).render(
        service_name=named["name"],
        environment=service.settings.environment,
        path=request.url.path,
        who=who,
        people=people_of(service),
        nav=[(label, path) for label, path, permission in PAGES if who and who.may(permission)],
        **values,
    )
    return HTMLResponse(shown)


def fault_page(request: Request, error: AppError) -> HTMLResponse:
    """Tell what went wrong, with the status it stands for, and the way back."""
    request_id, who = getattr(request.state, "request_id", ""), getattr(request.state, "visitor", None)
    told = {"error": error, "detail": mask(error.detail), "request_id": request_id, "back": _back(request)}
    response = page(request, "fault.html", who, **told)
    response.status_code = error.status
    response.headers["Cache-Control"] = "no-store"
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _back(request: Request) -> str:
    path = request.url.path
    return path.rsplit("/", 1)[0] if path.startswith("/console/") else "/"


def when(moment: datetime | None) -> str:
    """Give a moment as people read it, in UTC; the browser turns it into local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "—"


def money(usd: Decimal | float | None) -> str:
    """Give US dollars; an unknown price is not zero."""
    if usd is None:
        return "unpriced"
    return f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.5f}"


def duration(ms: float | None) -> str:
    """Give milliseconds, in seconds from one on."""
    if ms is None:
        return "—"
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def pretty(value: Any) -> str:
    """Give data as indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def _environment() -> Environment:
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(when=when, money=money, duration=duration, pretty=pretty, switch=words.switch, told=words.told)
    made.globals.update(asset=assets.address, may=Permission, outcomes=words.as_dict())
    return made


ENVIRONMENT = _environment()
