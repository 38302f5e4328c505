"""A finished turn as an HTTP answer: its JSON, or the problem it ended with."""

import asyncio
from contextlib import suppress
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from app.api.problems import answer
from app.domain.turn import Turn
from app.errors import AppError
from app.turn.pipeline import Pipeline
from app.turn.response import response

# So often an asker who waits without a stream is looked after.
LOOK_S = 0.5
# What proxies log for a client that closed the request; nobody reads the answer.
GONE = 499


async def attended(request: Request, pipeline: Pipeline, turn: Turn) -> Turn | None:
    """Run the turn for as long as its asker waits; gives None when they have left, and with them the turn.

    With an Idempotency-Key it runs on: whoever sends the request again reads the answer.
    """
    running = asyncio.create_task(pipeline.run(turn))
    try:
        while not (await asyncio.wait({running}, timeout=LOOK_S))[0]:
            if turn.idempotency is None and await request.is_disconnected():
                return None
        return running.result()
    finally:
        if not running.done():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


def told(request: Request, turn: Turn | None) -> Response:
    """Answer with a finished turn: its JSON, or the problem it ended with."""
    if turn is None:
        return Response(status_code=GONE)
    if turn.error is None:
        return JSONResponse(response(turn))
    return answer(request, problem_of(turn, turn.error), retry_after_s=turn.error.retry_after_s)


def problem_of(turn: Turn, error: AppError) -> dict[str, Any]:
    """Give the problem document of a turn that ended with an error."""
    return {**error.problem(), "turn_id": str(turn.id), "outcome": turn.outcome.value if turn.outcome else None}
