"""OpenAI's protocol: any of its clients runs a use case as a model, through the same steps as every other door."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from app.api.answers import attended, told
from app.api.deps import Asker, Here
from app.api.openai_errors import declared
from app.api.openai_reply import Chunks, completion
from app.api.openai_request import turn_of
from app.api.openai_shapes import ChatIn, CompletionOut, ModelOut, ModelsOut
from app.api.ratelimit import asked_from
from app.api.streams import EVENT_STREAM, HEADERS, Growing
from app.api.turns import Key
from app.domain.identity import Principal
from app.domain.turn import Turn
from app.domain.usecase import UseCase
from app.errors import NotFound, quoted
from app.turn.admit import replayed
from app.turn.pipeline import Pipeline
from app.turn.response import response
from app.wiring.service import Service

router = APIRouter(prefix="/openai/v1", tags=["openai"])


@router.post(
    "/chat/completions",
    response_model=CompletionOut,
    responses={
        200: {"content": {EVENT_STREAM: {"schema": {"type": "string"}}}},
        **declared(402, 403, 404, 409, 429, 502, 504),
    },
)
async def chat(request: Request, body: ChatIn, service: Here, who: Asker, key: Key = None) -> Response:
    """Ask a use case as if it were a model; with `stream` the answer comes in chunks."""
    turn = asked_from(request, turn_of(_usecase(service, body.model), who, body, key=key))
    stored = await replayed(service.database, turn)
    if stored is not None:
        return _again(body, stored)
    if body.stream:
        return await _streamed(request, service.pipeline, turn=turn, chunks=_chunks(body, turn))
    ended = await attended(request, service.pipeline, turn)
    if ended is None or ended.error is not None:
        return told(request, ended)
    return JSONResponse(completion(response(ended), created=_now()), headers=_ids(turn))


async def _streamed(request: Request, pipeline: Pipeline, *, turn: Turn, chunks: Chunks) -> Response:
    growing = Growing(pipeline, turn)
    failed = await growing.begin()
    if failed is not None:
        return told(request, failed)
    return StreamingResponse(chunks.of(growing), media_type=EVENT_STREAM, headers=HEADERS | _ids(turn))


def _again(body: ChatIn, stored: dict[str, Any]) -> Response:
    headers = {"Idempotency-Replayed": "true", "X-Turn-Id": stored["turn_id"]}
    if body.stream:
        chunks = Chunks(stored["turn_id"], body.model, created=_now(), with_usage=_with_usage(body))
        return StreamingResponse(chunks.whole(stored), media_type=EVENT_STREAM, headers=headers)
    return JSONResponse(completion(stored, created=_now()), headers=headers)


def _chunks(body: ChatIn, turn: Turn) -> Chunks:
    return Chunks(str(turn.id), turn.usecase.name, created=_now(), with_usage=_with_usage(body))


def _with_usage(body: ChatIn) -> bool:
    return bool(body.stream_options and body.stream_options.include_usage)


def _ids(turn: Turn) -> dict[str, str]:
    return {"X-Turn-Id": str(turn.id)}


def _now() -> int:
    return int(time.time())


@router.get("/models", response_model=ModelsOut, responses=declared())
async def list_models(service: Here, who: Asker) -> dict[str, Any]:
    """List the use cases that you may use, as models."""
    rollouts, cases = service.rollouts, service.usecases.values()
    open_ = [case for case in cases if case.admits(who) and rollouts.is_open(case, who)]
    return {"object": "list", "data": [_model(service, case, who) for case in open_]}


@router.get("/models/{model}", response_model=ModelOut, responses=declared(404))
async def read_model(model: str, service: Here, who: Asker) -> dict[str, Any]:
    """Give one use case that you may use, as a model."""
    found = _usecase(service, model)
    if not found.admits(who):
        raise _unknown(model)
    return _model(service, found, who)


def _usecase(service: Service, name: str) -> UseCase:
    found = service.usecases.get(name)
    if found is None:
        raise _unknown(name)
    return found


def _unknown(name: str) -> NotFound:
    return NotFound(
        f"There is no model {quoted(name)} that you may use; GET /openai/v1/models lists them.",
        param="model",
        code="model_not_found",
    )


def _model(service: Service, case: UseCase, who: Principal) -> dict[str, Any]:
    contract = case.contract
    return {
        "id": case.name,
        # A use case is as old as its contract.
        "created": int((case.folder / "contract.toml").stat().st_mtime),
        "owned_by": service.settings.service["service"]["slug"],
        "x_title": contract.title,
        "x_workflow": contract.workflow,
        "x_paused": bool(service.flags.pause(case.name, who)),
        "x_fields": contract.fields_for(who),
    }
