"""The pages of rollouts: where each stands, its arms side by side over time, and the forms that move it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Form, Query, Request, Response
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from app.console.changes import Undo, latest
from app.console.html import money, page
from app.console.plots import Axis, Chart, Series, lines, share
from app.console.routes import PageRoute
from app.console.session import Here, needs
from app.domain.identity import Permission, Principal
from app.domain.plan import STEPS, key_of, plan_of
from app.domain.rollout import CURRENT
from app.domain.usecase import UseCase
from app.store import flags as table
from app.wiring.service import Service
from app.work.rollout_guard import Action, Asked, Standing
from app.work.rollouts import Because, found

router = APIRouter(route_class=PageRoute, include_in_schema=False)
PATH = "/console/rollouts"
SLOTS = 24
MOST_DAYS = 30
Manager = Annotated[Principal, Depends(needs(Permission.MANAGE_ROLLOUTS))]
Words = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$", max_length=500, strip_whitespace=True)]
Named = {
    "errors": "Errors",
    "slow": "Slow turns",
    "cost": "Cost of a turn",
    "refusals": "Refused for want of evidence",
    "check_failures": "Objected to by a check",
    "thumbs_down": "Thumbs down",
}


class MoveForm(BaseModel):
    """What is to happen, and why."""

    model_config = ConfigDict(extra="forbid")

    action: Action
    candidate: Annotated[Words, Field(max_length=40)] = ""
    step: Annotated[Words, Field(max_length=20)] = ""
    version: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    anyway: bool = False
    reason: Words = ""


@router.get(PATH)
async def rollouts(request: Request, service: Here, who: Manager) -> Response:
    """Show where the rollout of each use case stands."""
    standings = [await service.rolling.guard.standing(case) for case in service.usecases.values()]
    titles = {name: case.contract.title for name, case in service.usecases.items()}
    ordered = sorted(standings, key=lambda one: (not one.plan.halted, not one.plan.is_partial, one.usecase))
    return page(request, "rollouts.html", who, standings=ordered, titles=titles)


@router.get(PATH + "/{usecase}")
async def rollout(
    request: Request, usecase: str, service: Here, who: Manager, changed: Annotated[bool, Query()] = False
) -> Response:
    """Show one rollout: its arms side by side, what the guard makes of them, and what was done before."""
    case = found(service.usecases, usecase)
    standing = await service.rolling.guard.standing(case)
    async with service.database.work() as work:
        past = await table.history(work, key_of(usecase), limit=50)
    undo = Undo(f"{PATH}/{usecase}", {"action": "undo", "version": str(standing.version)})
    can_undo = len(past) > 0 and past[0]["before"] is not None and not service.flags.where
    change = None
    if changed and can_undo:
        change = await latest(
            service, key_of(usecase), family="flag.", told=in_a_word, undo=undo, name=case.contract.title
        )
    shown = {"rows": _rows(standing), "charts": await _charts(service, case, standing), "steps": STEPS}
    told = {"case": case, "one": standing, "past": past, "change": change, "where": service.flags.where}
    return page(request, "rollout.html", who, **shown, **told, in_a_word=in_a_word)


@router.post(PATH + "/{usecase}")
async def move(usecase: str, service: Here, who: Manager, form: Annotated[MoveForm, Form()]) -> RedirectResponse:
    """Start a rollout, or move it."""
    asked = Asked(form.action, form.candidate, form.step, form.version, form.anyway)
    case = found(service.usecases, usecase)
    await service.rolling.guard.do(case, asked, Because(who.user_id, form.reason))
    return RedirectResponse(f"{PATH}/{usecase}?" + urlencode({"changed": "1"}), status_code=303)


def in_a_word(stored: Mapping[str, Any] | None) -> str:
    """Give where a flag puts a rollout: the candidate and its stage."""
    plan = plan_of(dict(stored)) if stored else None
    if plan is None:
        return "as its values say"
    return f"{plan.candidate or 'the use case'} at {plan.step}"


def _rows(standing: Standing) -> list[dict[str, str | bool]]:
    return [
        {
            "metric": Named[one.metric],
            "current": told(one.current.mean * one.scale),
            "candidate": told(one.candidate.mean * one.scale),
            "low": told(one.candidate.low * one.scale),
            "high": told(one.candidate.high * one.scale),
            "limit": told(one.limit * one.scale),
            "turns": str(one.turns),
            "is_breach": one.is_breach,
        }
        for one in standing.judged
        for told in (money if one.metric == "cost" else share,)
    ]


async def _charts(service: Service, case: UseCase, standing: Standing) -> list[Chart]:
    if standing.since is None or not standing.plan.is_partial:
        return []
    since = max(standing.since, datetime.now(UTC) - timedelta(days=MOST_DAYS))
    found_ = await service.rolling.guard.series(case, since, slots=SLOTS)
    labels = _labels(since)
    limits = {one.metric: one.limit * one.scale for one in standing.judged}
    arms = list(dict.fromkeys((*([CURRENT] if standing.current else []), standing.plan.candidate or CURRENT)))
    return [
        lines(
            Named[metric],
            labels,
            series=[Series(arm, list(_values(found_, arm, metric))) for arm in arms],
            axis=Axis(told=money if metric == "cost" else share, limit=limits[metric]),
        )
        for metric in limits
    ]


def _values(found_: Sequence[Mapping[str, Any]], arm: str, metric: str) -> Iterator[float | None]:
    slots = {row["slot"]: row for row in found_ if row["arm"] == arm}
    for slot in range(SLOTS):
        row = slots.get(slot)
        count = (row["rated"] if metric == "thumbs_down" else row["turns"]) if row else 0
        if row is None or not count:
            yield None
        else:
            yield float(row["cost_usd"]) if metric == "cost" else float(row[metric]) / count


def _labels(since: datetime) -> list[str]:
    part = max((datetime.now(UTC) - since) / SLOTS, timedelta(seconds=1))
    form = "%m-%d %H:%M" if part * SLOTS > timedelta(days=1) else "%H:%M:%S"
    return [(since + part * slot).astimezone(UTC).strftime(form) for slot in range(SLOTS)]
