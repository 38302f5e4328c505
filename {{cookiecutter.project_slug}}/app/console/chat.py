"""The chat page, and what it is told while it is open: what is off for this person, the moment that it is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from app.console.html import page
from app.console.routes import PageRoute
from app.console.session import Here, Visitor
from app.domain.identity import Principal
from app.domain.usecase import UseCase
from app.wiring.service import Service

router = APIRouter(route_class=PageRoute, include_in_schema=False)
# Streams are short, and the browser asks again at once: an open page must not hold up a process that wants to stop, and
# has to show again who it is.
LIFE_S = 10.0
RETRY = b"retry: 200\n"
EVENT_STREAM = "text/event-stream"
# Proxies must neither keep it nor gather what is meant to flow.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
# Some switches turn by the clock alone, with no change that would wake anybody.
LOOK_S = 2.0


@router.get("/")
async def chat(request: Request, service: Here, who: Visitor) -> Response:
    """Show the chat page to whoever is signed in; others go to sign in first."""
    return page(request, "chat.html", who, usecases=_open_to(service, who))


@router.get("/chat/status")
async def status(request: Request, service: Here, who: Visitor) -> Response:
    """Say what is off for this person; with `Accept: text/event-stream` now, and at each change for some seconds."""
    if EVENT_STREAM not in request.headers.get("accept", ""):
        return JSONResponse(_standing(service, who))
    return StreamingResponse(_changes(service, who), media_type=EVENT_STREAM, headers=HEADERS)


async def _changes(service: Service, who: Principal) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop()
    ends_at, told = clock.time() + LIFE_S, _standing(service, who)
    yield RETRY + _frame(told)
    while (left_s := ends_at - clock.time()) > 0:
        # Looked at before each wait: a change may have come while the last one was being sent.
        if (now := _standing(service, who)) != told:
            told = now
            yield _frame(now)
            continue
        with suppress(TimeoutError):
            await asyncio.wait_for(service.flags.changed(), min(LOOK_S, left_s))


def _frame(standing: dict[str, Any]) -> bytes:
    return b"event: status\ndata: " + orjson.dumps(standing) + b"\n\n"


def _standing(service: Service, who: Principal) -> dict[str, Any]:
    """Give what is off: in words, and by use case what is given instead (`no_model`: an answer that needs none)."""
    return {
        "notices": [
            {"subject": notice.subject, "text": notice.text, "until": notice.until.isoformat() if notice.until else ""}
            for notice in service.flags.notice(who)
        ],
        "paused": {
            case.name: "sentence" if off.hard else case.contract.paused.answer
            for case in _open_to(service, who)
            if (off := service.flags.pause(case.name, who)) is not None
        },
    }


def _open_to(service: Service, who: Principal) -> list[UseCase]:
    return [case for case in service.usecases.values() if case.admits(who)]
