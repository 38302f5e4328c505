"""The page of switches: what is off, what can be turned off, the other flags, and the history of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from app.console.changes import Undo, latest
from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.control.flags import MOST_DAYS
from app.domain.identity import Permission, Principal
from app.domain.plan import PREFIX
from app.domain.switch import EVERYTHING, subject_of, switch_key
from app.errors import Conflict, NotFound, quoted
from app.store import flags as table
from app.store.flags import FlagRow
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/switches"
ROLLOUTS = "/console/rollouts"
Flipper = Annotated[Principal, Depends(needs(Permission.FLIP_SWITCHES))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=300)]
Word = Annotated[str, Query(max_length=300, pattern=r"^[^\x00]*$")]


@dataclass(frozen=True, slots=True)
class Switch:
    """A kill switch as the page shows it; `row` is its flag, None for one that nobody has turned yet."""

    subject: str
    title: str
    about: str
    is_on: bool
    row: FlagRow | None


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Flip(_Form):
    """Which switch, which way, for how many minutes (empty: until somebody acts), and why."""

    subject: Name
    to: Literal["on", "off"]
    minutes: Annotated[int, Field(ge=1, le=60 * 24 * MOST_DAYS)] | None = None
    reason: Words = ""

    @field_validator("minutes", mode="before")
    @classmethod
    def _until_somebody_acts(cls, value: object) -> object:
        return None if value == "" else value


class Choice(_Form):
    """Which flag says which of its variants from now on, and why."""

    key: Name
    to: Name
    reason: Words = ""


class Back(_Form):
    """Which change to take back, and why."""

    key: Name
    version: Annotated[int, Field(ge=1, le=2**31 - 1)]
    reason: Words = ""


@router.get(PATH)
async def switches(request: Request, service: Here, who: Flipper, changed: Word = "") -> Response:
    """Show each kill switch, who turned it last, when and why; and every other flag."""
    await service.flags.refresh()
    shown = await _shown(service)
    return page(request, "switches.html", who, **shown, change=await _change(service, changed))


@router.get(PATH + "/history")
async def history(request: Request, service: Here, who: Flipper, key: Word) -> Response:
    """Show every version of a flag."""
    async with service.database.work() as work:
        past = await table.history(work, key)
    if not past:
        raise NotFound(f"There is no flag {quoted(key)}.")
    row = next((row for row in service.flags.rows if row["key"] == key), None)
    is_ours = not key.startswith(PREFIX) and not service.flags.where
    can_undo, can_choose = is_ours and past[0]["before"] is not None, is_ours and row and not subject_of(key)
    shown = {"key": key, "past": past, "row": row, "can_undo": can_undo, "can_choose": can_choose}
    return page(request, "switch_history.html", who, **shown, in_a_word=in_a_word)


@router.post(PATH)
async def flip(service: Here, who: Flipper, form: Annotated[Flip, Form()]) -> RedirectResponse:
    """Turn a kill switch; the reason reaches history and audit."""
    until = datetime.now(UTC) + timedelta(minutes=form.minutes) if form.minutes else None
    is_on = form.to == "on"
    await service.flags.flip(form.subject, enabled=is_on, by=who.user_id, because=form.reason, until=until)
    return _back_to_page(form.subject)


@router.post(PATH + "/variant")
async def choose(service: Here, who: Flipper, form: Annotated[Choice, Form()]) -> RedirectResponse:
    """Have another flag say another of its variants."""
    _ensure_no_rollout(form.key)
    await service.flags.choose(form.key, form.to, by=who.user_id, because=form.reason)
    return _back_to_page(form.key)


@router.post(PATH + "/undo")
async def undo(service: Here, who: Flipper, form: Annotated[Back, Form()]) -> RedirectResponse:
    """Give a flag back what it said before its latest change."""
    _ensure_no_rollout(form.key)
    await service.flags.undo(form.key, version=form.version, by=who.user_id, because=form.reason)
    return _back_to_page(subject_of(form.key) or form.key)


def _ensure_no_rollout(key: str) -> None:
    if key.startswith(PREFIX):
        raise Conflict(f"A rollout is changed at {ROLLOUTS}, which keeps its stages in order.")


def _back_to_page(subject: str) -> RedirectResponse:
    return RedirectResponse(f"{PATH}?" + urlencode({"changed": subject}), status_code=303)


async def _change(service: Service, changed: str) -> Any:
    if not changed:
        return None
    row = next((row for row in service.flags.rows if row["key"] in (changed, switch_key(changed))), None)
    if row is None or row["version"] == 1:
        return None
    undo = Undo(f"{PATH}/undo", {"key": row["key"], "version": str(row["version"])})
    named = await service.flags.subjects()
    return await latest(
        service, row["key"], family="flag.", told=in_a_word, undo=undo, name=named.get(changed, changed)
    )


async def _shown(service: Service) -> dict[str, Any]:
    named, rows = await service.flags.subjects(), {row["key"]: row for row in service.flags.rows}
    usual = [EVERYTHING, *service.usecases]
    turned = [subject for row in rows.values() if (subject := subject_of(row["key"])) and subject not in usual]
    off = service.flags.off
    flags = [row for row in rows.values() if not subject_of(row["key"])]
    return {
        "switches": [_switch(service, subject, named, rows) for subject in (*usual, *_offs_first(turned, off))],
        "others": {subject: title for subject, title in named.items() if subject not in (*usual, *turned)},
        "flags": flags,
        "expired": {row["key"] for row in service.flags.expired()},
        "hard": next((each.because for each in off.values() if each.hard), ""),
        "where": service.flags.where,
        "in_a_word": in_a_word,
        "rollouts": ROLLOUTS,
        "prefix": PREFIX,
    }


def _offs_first(subjects: Sequence[str], off: Mapping[str, Any]) -> list[str]:
    return sorted(subjects, key=lambda subject: (subject not in off, subject))


def _switch(service: Service, subject: str, named: Mapping[str, str], rows: Mapping[str, FlagRow]) -> Switch:
    case = service.usecases.get(subject)
    about = case.contract.workflow if case else "Every use case, every person, every queued job."
    if ":" in subject:
        about = _EFFECTS.get(subject.partition(":")[0], "")
    row = rows.get(switch_key(subject))
    is_on = service.flags.is_on(switch_key(subject), default=subject != EVERYTHING)
    return Switch(subject, named.get(subject, subject), about, is_on, row)


_EFFECTS = {
    "model": "It is not called; the next rung of each ladder answers.",
    "provider": "None of its models is called; the next rung of each ladder answers.",
    "tool": "A model that wants to use it is told that it is not available; what was approved waits.",
    "group": "Questions of its members are not answered; their queued jobs wait.",
    "unit": "Questions of its people are not answered; their queued jobs wait.",
}


def in_a_word(definition: Mapping[str, Any] | None) -> str:
    """Give a flag's position: its variant for nobody in particular, and whether there is more to it."""
    if not definition:
        return "—"
    variant = str(definition.get("defaultVariant", "") or "as the code says")
    return f"{variant} (by rules)" if definition.get("targeting") else variant
