"""What there is to use, and who you are here."""

from typing import Any

from fastapi import APIRouter

from app.api.deps import Asker, Here
from app.api.problems import declared
from app.api.shapes import MeOut, UseCaseOut
from app.domain.identity import Principal
from app.domain.switch import Off
from app.domain.usecase import UseCase

router = APIRouter(prefix="/v1", tags=["usecases"])


@router.get("/usecases", response_model=list[UseCaseOut], responses=declared())
async def list_usecases(service: Here, who: Asker) -> list[dict[str, Any]]:
    """List the use cases that you may use."""
    return [
        _described(case, who, service.flags.pause(case.name, who))
        for case in service.usecases.values()
        if case.admits(who) and service.rollouts.is_open(case, who)
    ]


def _described(case: UseCase, who: Principal, off: Off | None) -> dict[str, Any]:
    return {
        "name": case.name,
        "title": case.contract.title,
        "workflow": case.contract.workflow,
        "stream": case.contract.latency.stream,
        "mode": case.contract.risk.mode,
        "max_chars": case.contract.access.most_chars(who, case.contract.input.max_chars),
        "fields": case.contract.fields_for(who),
        "paused": off is not None,
        "paused_until": off.until if off else None,
    }


@router.get("/me", response_model=MeOut, responses=declared())
async def me(who: Asker) -> dict[str, Any]:
    """Say who you are here, what you may do, and as whom you read documents."""
    return {
        "user_id": who.user_id,
        "name": who.name,
        "groups": list(who.groups),
        "permissions": sorted(who.permissions),
        "readers": list(who.claims.names),
    }
