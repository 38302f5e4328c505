"""A model vendor that speaks OpenAI's and Anthropic's HTTP, answers from the passages it is sent, and fails on request.

Run it alone with `python -m tests.fakes.vendor --port 0`; the address is the first line it prints.
POST /_faults {"plan": ["429:retry-after=1", "500", "hang", "cut", "trails_off", "malformed", "empty", "wrong_schema",
"slow_first_token=2", "no_evidence", "say=...", "ok"]} is used up in order, one entry per call; then all is well again.
POST /_pace {"latency_s": 0.1, "tokens_per_s": 100} slows every call; GET /_calls gives the count and the requests.
"""

import argparse
import asyncio
import json
import socket
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.fakes import dialects, replies

HANG_S = 60.0


@dataclass
class State:
    """What the vendor was told, and what it has seen."""

    plan: deque[str] = field(default_factory=deque)
    latency_s: float = 0.0
    tokens_per_s: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)

    def next_fault(self) -> tuple[str, str]:
        """Take the next entry of the plan as (kind, argument)."""
        kind, _, argument = (self.plan.popleft() if self.plan else "ok").partition("=")
        return kind.partition(":")[0], argument


def create() -> Starlette:
    """Build the vendor; its state is at `app.state.vendor`."""
    routes = [
        Route("/v1/chat/completions", _openai, methods=["POST"]),
        Route("/v1/messages", _anthropic, methods=["POST"]),
        Route("/_calls", _calls, methods=["GET", "DELETE"]),
        Route("/_faults", _faults, methods=["POST"]),
        Route("/_pace", _pace, methods=["POST"]),
    ]
    app = Starlette(routes=routes)
    app.state.vendor = State()
    return app


async def _openai(request: Request) -> Response:
    return await _complete(request, dialects.OPENAI)


async def _anthropic(request: Request) -> Response:
    return await _complete(request, dialects.ANTHROPIC)


async def _complete(request: Request, dialect: dialects.Dialect) -> Response:
    state: State = request.app.state.vendor
    body = await request.json()
    state.requests.append(body)
    kind, argument = state.next_fault()
    refused = _refusal(kind, argument, dialect)
    if refused is not None:
        return refused
    await asyncio.sleep(HANG_S if kind == "hang" else state.latency_s)
    text = replies.text(kind, argument, dialect.prompt(body), schema=dialect.schema(body))
    counted = (dialects.tokens(json.dumps(body)), dialects.tokens(text))
    if body.get("stream"):
        first_s = float(argument) if kind == "slow_first_token" else 0.0
        pieces = dialect.stream(body["model"], text, counted)
        sent = _paced(pieces, state=state, first_s=first_s, fault=kind if kind in ("cut", "trails_off") else "")
        return StreamingResponse(sent, media_type="text/event-stream")
    if kind == "cut":
        return _broken_body()
    return JSONResponse(dialect.reply(body["model"], text, counted))


def _refusal(kind: str, argument: str, dialect: dialects.Dialect) -> Response | None:
    if kind == "malformed":
        return Response('{"choices": [{"mess', media_type="application/json")
    if not kind.isdigit():
        return None
    headers = {"retry-after": argument} if argument else {}
    return JSONResponse(dialect.error(int(kind)), status_code=int(kind), headers=headers)


def _broken_body() -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b'{"id": "x", '
        raise ConnectionResetError("cut on purpose")

    return StreamingResponse(body(), media_type="application/json")


async def _paced(pieces: list[bytes], *, state: State, first_s: float, fault: str) -> AsyncIterator[bytes]:
    await asyncio.sleep(first_s)
    for place, piece in enumerate(pieces):
        if fault and place == len(pieces) // 2:
            if fault == "cut":
                raise ConnectionResetError("cut on purpose")
            return
        yield piece
        await asyncio.sleep(1 / state.tokens_per_s if state.tokens_per_s else 0)


async def _calls(request: Request) -> Response:
    state: State = request.app.state.vendor
    if request.method == "DELETE":
        state.requests.clear()
        state.plan.clear()
    return JSONResponse({"count": len(state.requests), "requests": state.requests, "plan": list(state.plan)})


async def _faults(request: Request) -> Response:
    state: State = request.app.state.vendor
    state.plan = deque((await request.json())["plan"])
    return JSONResponse({"plan": list(state.plan)})


async def _pace(request: Request) -> Response:
    state: State = request.app.state.vendor
    for name, value in (await request.json()).items():
        if name not in ("latency_s", "tokens_per_s"):
            return JSONResponse({"error": f"unknown: {name}"}, status_code=422)
        setattr(state, name, float(value))
    return JSONResponse({"latency_s": state.latency_s, "tokens_per_s": state.tokens_per_s})


def listen(port: int = 0) -> socket.socket:
    """Take a port on this machine only; 0 takes a free one."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def server(app: Starlette) -> uvicorn.Server:
    """Build the HTTP server; it says nothing, and waits for nobody when it stops."""
    # No log configuration of its own: it would change the loggers of the whole test process.
    config = uvicorn.Config(app, lifespan="off", timeout_graceful_shutdown=1, log_config=None, access_log=False)
    return uvicorn.Server(config)


def main() -> None:
    """Serve until stopped."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=0, help="port to listen on; 0 takes a free one")
    taken = listen(parser.parse_args().port)
    print(f"http://127.0.0.1:{taken.getsockname()[1]}", flush=True)
    server(create()).run(sockets=[taken])


if __name__ == "__main__":
    main()
