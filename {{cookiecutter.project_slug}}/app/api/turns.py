"""Turns: ask, stream, look back, say what you think of the answer."""

import hashlib
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Header, Request, Response
from fastapi.responses import JSONResponse

from app.api.answers import attended, told
from app.api.deps import Asker, Here, Named
from app.api.problems import declared
from app.api.ratelimit import asked_from
from app.api.shapes import Ask, FeedbackIn, StoryOut, TurnOut
from app.api.streams import EVENT_STREAM, event_stream, wants_stream
from app.domain.identity import Principal
from app.domain.turn import IdempotencyKey, Turn
from app.domain.usecase import UseCase
from app.store import captured
from app.store import feedback as opinions
from app.store.feedback import Opinion
from app.turn.admit import replayed
from app.turn.story import told_to
from app.work import capture

router = APIRouter(prefix="/v1", tags=["turns"])
Key = Annotated[
    str | None,
    Header(alias="Idempotency-Key", pattern=r"^[\x21-\x7e]{1,200}$", description="makes sending twice safe for a day"),
]


def promise(key: str | None, *parts: Any) -> IdempotencyKey | None:
    """Give the caller's promise that this request and any other with the key are one."""
    if key is None:
        return None
    return IdempotencyKey(key, hashlib.sha256(orjson.dumps(parts, default=str)).hexdigest())


@router.post(
    "/usecases/{name}/turns",
    response_model=TurnOut,
    responses={
        200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
        **declared(402, 403, 404, 409, 429, 502, 504),
    },
)
async def ask(request: Request, usecase: Named, body: Ask, service: Here, who: Asker, key: Key = None) -> Response:
    """Ask once. With `Accept: text/event-stream` the answer streams: `delta` or `partial` events, `end` or `error`.

    A `delta` adds text; a `partial` holds all fields of a structured answer that are complete so far. The `answer` and
    `data` of `end` count, whatever was shown before.
    """
    turn = asked_from(request, _turn(usecase, who, body, key))
    stored = await replayed(service.database, turn)
    if stored is not None:
        return _again(request, stored)
    if wants_stream(request):
        return await event_stream(request, service.pipeline, turn)
    return told(request, await attended(request, service.pipeline, turn))


def _turn(usecase: UseCase, who: Principal, body: Ask, key: str | None) -> Turn:
    return Turn(
        usecase=usecase,
        principal=who,
        question=body.question,
        fields=body.fields,
        session_id=body.session_id,
        idempotency=promise(key, "turn", usecase.name, body.model_dump(mode="json")),
    )


def _again(request: Request, stored: dict[str, Any]) -> Response:
    headers = {"Idempotency-Replayed": "true"}
    if wants_stream(request):
        body = b"event: end\ndata: " + orjson.dumps(stored) + b"\n\n"
        return Response(body, media_type=EVENT_STREAM, headers=headers)
    return JSONResponse(stored, headers=headers)


@router.get("/turns/{turn_id}", response_model=StoryOut, responses=declared(404))
async def story(turn_id: UUID, service: Here, who: Asker) -> dict[str, Any]:
    """Say what happened in a turn; other people's need the permission turns.read_all."""
    return await told_to(who, service.database, turn_id, usecases=service.usecases)


@router.post("/turns/{turn_id}/feedback", status_code=204, responses=declared(404))
async def feedback(turn_id: UUID, body: FeedbackIn, service: Here, who: Asker) -> None:
    """Say what you think of an answer; a second opinion replaces the first.

    A correction is proposed as a case of the evaluation, which a person accepts or not.
    """
    async with service.database.work() as work:
        await opinions.give(work, turn_id, Opinion(body.thumbs, body.correction), user_id=who.user_id)
        # What it said before about the right answer is not meant any more.
        await captured.withdraw(work, turn_id, kind="correction", by=who.user_id)
        await capture.propose(work, turn_id, kind="correction", expected=body.correction, by=who.user_id)


@router.delete("/turns/{turn_id}/feedback", status_code=204, responses=declared(404))
async def no_feedback(turn_id: UUID, service: Here, who: Asker) -> None:
    """Take back what you said of an answer."""
    async with service.database.work() as work:
        await opinions.take_back(work, turn_id, user_id=who.user_id)
        await captured.withdraw(work, turn_id, kind="correction", by=who.user_id)
