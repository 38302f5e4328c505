"""Templates to HTML: escaped by default, strict about what is missing, dated and rounded for people."""

import json
import re
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from string import ascii_lowercase
from typing import Any, NamedTuple

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from app.console import assets, words
from app.console.helping import help_of
from app.console.session import people_of, service_of
from app.domain.identity import Permission, Principal
from app.errors import AppError
from app.telemetry.scrub import mask

HERE = Path(__file__).parent
# Each with the permission that its route asks for, and the group under which it stands.
PAGES = (
    ("Overview", "/console", Permission.OPEN_CONSOLE, "Watch"),
    ("Turns", "/console/turns", Permission.READ_ALL_TURNS, "Watch"),
    ("Costs", "/console/costs", Permission.READ_COSTS, "Watch"),
    ("Evaluations", "/console/evaluations", Permission.OPEN_CONSOLE, "Watch"),
    ("Switches", "/console/switches", Permission.FLIP_SWITCHES, "Steer"),
    ("Rollouts", "/console/rollouts", Permission.MANAGE_ROLLOUTS, "Steer"),
    ("Shadows", "/console/shadows", Permission.READ_ALL_TURNS, "Steer"),
    ("Reviews", "/console/reviews", Permission.DECIDE_REVIEWS, "Decide"),
    ("Captured cases", "/console/captured", Permission.DECIDE_REVIEWS, "Decide"),
    ("Incidents", "/console/incidents", Permission.DECIDE_REVIEWS, "Decide"),
    ("Jobs", "/console/jobs", Permission.OPEN_CONSOLE, "Work"),
    ("Webhooks", "/console/webhooks", Permission.MANAGE_WEBHOOKS, "Work"),
    ("Documents", "/console/documents", Permission.OPEN_CONSOLE, "Documents"),
    ("Why not found?", "/console/why", Permission.INSPECT_DOCUMENTS, "Documents"),
    ("Who can read?", "/console/readers", Permission.INSPECT_DOCUMENTS, "Documents"),
    ("Keys", "/console/keys", Permission.MANAGE_KEYS, "People"),
    ("Restrictions", "/console/restrictions", Permission.RESTRICT, "People"),
    ("People", "/console/people", Permission.ERASE_PEOPLE, "People"),
    ("Audit", "/console/audit", Permission.READ_AUDIT, "Prove"),
    ("Readiness", "/console/readiness", Permission.OPEN_CONSOLE, "Prove"),
    ("Settings", "/console/settings", Permission.READ_SETTINGS, "Prove"),
)


class Entry(NamedTuple):
    """A page in the navigation; `key` is the letter of its shortcut."""

    label: str
    path: str
    key: str


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
        nav=nav_of(who),
        help=help_of(request.url.path),
        notices=service.flags.notice(who) if who else (),
        level=service.people.roles.level_of,
        **values,
    )
    return HTMLResponse(shown)


def _keys() -> dict[str, str]:
    """Give each page a letter for its shortcut: the first of its name that no page before it has; "" after 26 pages."""
    taken: dict[str, str] = {}
    for label, path, *_ in PAGES:
        letters = (letter for letter in (*label.lower(), *ascii_lowercase) if letter in ascii_lowercase)
        taken[path] = next((letter for letter in letters if letter not in taken.values()), "")
    return taken


def nav_of(who: Principal | None) -> dict[str, list[Entry]]:
    """Give the pages that this person may open, by group."""
    groups: dict[str, list[Entry]] = {}
    for label, path, permission, group in PAGES:
        if who and who.may(permission):
            groups.setdefault(group, []).append(Entry(label, path, KEYS[path]))
    return groups


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
    """Give the page above; never the address itself, in which a visitor may have put anything."""
    above = (path for _, path, *_ in PAGES if request.url.path.startswith(f"{path}/"))
    return max(above, key=len, default="/")


def when(moment: datetime | None) -> str:
    """Give a moment as people read it, in UTC; the browser turns it into local time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC") if moment else "—"


def money(usd: Decimal | float | None) -> str:
    """Give US dollars; an unknown price is not zero."""
    if usd is None:
        return "unpriced"
    if usd < 0:
        return f"−{money(-usd)}"
    return f"${usd:,.2f}" if usd == 0 or usd >= 1 else f"${usd:.5f}"


def duration(ms: float | None) -> str:
    """Give milliseconds, in seconds from one on."""
    if ms is None:
        return "—"
    if ms < 0.05:
        return "0 ms"
    return f"{ms / 1000:.2f} s" if ms >= 1000 else f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def percent(share: float | None) -> str:
    """Give a share between 0 and 1 in per cent, with the places that tell 99.9 from 100."""
    return "—" if share is None else f"{100 * share:.4g} %"


def coded(text: str) -> Markup:
    """Give text whose `words` between backticks are set as code; all else in it stays text."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before


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
    made.filters.update(when=when, money=money, duration=duration, percent=percent, pretty=pretty)
    made.filters.update(coded=coded)
    made.filters.update(switch=words.switch, told=words.told)
    made.globals.update(asset=assets.address, may=Permission, outcomes=words.as_dict())
    return made


ENVIRONMENT = _environment()
KEYS = _keys()
