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
from app.domain.turn import Delta, Turn
from app.telemetry import metrics
from app.turn.pipeline import Pipeline
from app.turn.response import response

EVENT_STREAM = "text/event-stream"
PING_S = 15.0
# A frame for each token would cost more than the tokens; nobody reads faster than this.
GAP_S = 0.03
PING = b": ping\n\n"
# Proxies must neither keep it nor gather what is meant to flow.
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


def wants_stream(request: Request) -> bool:
    """Say whether the caller asked for server-sent events."""
    return EVENT_STREAM in request.headers.get("accept", "")


def frame(event: str, data: Any, *, number: int | None = None) -> bytes:
    """Give one event as bytes."""
    head = f"id: {number}\n".encode() if number is not None else b""
    return head + b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data, default=str) + b"\n\n"


class Growing:
    """A turn under way, whose answer is read as it grows."""

    def __init__(self, pipeline: Pipeline, turn: Turn) -> None:
        self._deltas: asyncio.Queue[Delta | None] = asyncio.Queue()
        self._next: Delta | None = None
        self._usecase = turn.usecase.name
        self._running = asyncio.create_task(pipeline.run(turn.with_(listener=self._deltas.put)))
        self._running.add_done_callback(lambda _: self._deltas.put_nowait(None))

    async def begin(self) -> Turn | None:
        """Wait for the first piece; give the turn when it has failed before there was one."""
        started = time.perf_counter()
        try:
            self._next = await self._deltas.get()
        except asyncio.CancelledError:
            self._running.cancel()
            raise
        if self._next is None and self._running.result().error is not None:
            return self._running.result()
        metrics.record_first_token(self._usecase, time.perf_counter() - started)
        return None

    async def deltas(self) -> AsyncIterator[Delta | None]:
        """Yield what has gathered, every 30 ms or so, and None after so long a silence that proxies may hang up."""
        while self._next is not None:
            yield self._gathered(self._next)
            # The end is not waited for; more of the answer is.
            await asyncio.wait({self._running}, timeout=GAP_S)
            while self._next is None and not (self._running.done() and self._deltas.empty()):
                try:
                    self._next = await asyncio.wait_for(self._deltas.get(), PING_S)
                    break
                except TimeoutError:
                    yield None

    def _gathered(self, delta: Delta) -> Delta:
        """Join what has come since; a later mapping replaces an earlier one, text after a mapping waits."""
        self._next = None
        while not self._deltas.empty():
            more = self._deltas.get_nowait()
            if more is None:
                break
            if isinstance(more, str) != isinstance(delta, str):
                self._next = more
                break
            delta = delta + more if isinstance(delta, str) and isinstance(more, str) else more
        return delta

    async def turn(self) -> Turn:
        """Give the turn once it has ended."""
        return await self._running

    async def abandon(self) -> None:
        """Stop what is still running: an asker who leaves takes the turn along, and the ledger says why."""
        if not self._running.done():
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running


async def event_stream(request: Request, pipeline: Pipeline, turn: Turn) -> Response:
    """Run the turn and stream it. What is refused before its first word is an ordinary problem with its status."""
    growing = Growing(pipeline, turn)
    failed = await growing.begin()
    if failed is not None:
        return told(request, failed)
    return StreamingResponse(_frames(growing), media_type=EVENT_STREAM, headers=HEADERS)


async def _frames(growing: Growing) -> AsyncIterator[bytes]:
    try:
        async for delta in growing.deltas():
            yield PING if delta is None else _piece(delta)
        turn = await growing.turn()
        yield frame("error", problem_of(turn, turn.error)) if turn.error else frame("end", response(turn))
    finally:
        await growing.abandon()


def _piece(delta: Delta) -> bytes:
    return frame("delta", {"text": delta}) if isinstance(delta, str) else frame("partial", {"data": delta})
