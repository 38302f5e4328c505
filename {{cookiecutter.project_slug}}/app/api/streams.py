"""Server-sent events: the answer as it grows, and how a job gets on."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import orjson
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from app.api.answers import problem_of, told
from app.domain.turn import Turn
from app.telemetry import metrics
from app.turn.pipeline import Pipeline
from app.turn.response import response

EVENT_STREAM = "text/event-stream"
PING_S = 15.0
# Proxies must not gather what is meant to flow.
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def wants_stream(request: Request) -> bool:
    """Say whether the caller asked for server-sent events."""
    return EVENT_STREAM in request.headers.get("accept", "")


def frame(event: str, data: Any, *, number: int | None = None) -> bytes:
    """Give one event as bytes."""
    head = f"id: {number}\n".encode() if number is not None else b""
    return head + b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data, default=str) + b"\n\n"


async def event_stream(request: Request, pipeline: Pipeline, turn: Turn) -> Response:
    """Run the turn and stream it. What is refused before its first word is an ordinary problem with its status."""
    deltas: asyncio.Queue[str | None] = asyncio.Queue()
    running = asyncio.create_task(pipeline.run(turn.with_(listener=deltas.put)))
    running.add_done_callback(lambda _: deltas.put_nowait(None))
    started = time.perf_counter()
    try:
        first = await deltas.get()
    except asyncio.CancelledError:
        running.cancel()
        raise
    if first is None and running.result().error is not None:
        return told(request, running.result())
    metrics.record_first_token(turn.usecase.name, time.perf_counter() - started)
    return StreamingResponse(_frames(running, deltas, first), media_type=EVENT_STREAM, headers=HEADERS)


async def _frames(
    running: "asyncio.Task[Turn]", deltas: "asyncio.Queue[str | None]", first: str | None
) -> AsyncIterator[bytes]:
    try:
        delta = first
        while delta is not None:
            yield frame("delta", {"text": delta})
            delta = None
            while delta is None and not (running.done() and deltas.empty()):
                with suppress(TimeoutError):
                    delta = await asyncio.wait_for(deltas.get(), PING_S)
                    break
                yield b": ping\n\n"
        turn = await running
        yield frame("error", problem_of(turn, turn.error)) if turn.error else frame("end", response(turn))
    finally:
        # An asker who leaves takes the turn along: the call upstream ends, the ledger says why.
        if not running.done():
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running
