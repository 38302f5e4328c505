"""A flag server that speaks OFREP, the OpenFeature Remote Evaluation Protocol, over a document in flagd's format.

Run it by hand with `python -m tests.fakes.flag_server --port 0`; the address is the first line it prints.
  POST /ofrep/v1/evaluate/flags {"context": {...}}: every flag, with an ETag; 304 for `If-None-Match` of the same
  POST /ofrep/v1/evaluate/flags/KEY {"context": {...}}: one flag; 404 for one that it does not know
  PUT /_flags {"flags": {...}}: what it holds from now on · PUT /_away true: answers 503 · PUT /_token "word"
"""

import argparse
import asyncio
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from openfeature.contrib.tools.flagd.core import FlagdCore
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import OpenFeatureError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes.vendor import listen, server

START_S = 10.0


@dataclass
class State:
    """What it holds, and how often it was asked: in full, and with nothing new to say."""

    flags: dict[str, Any] = field(default_factory=dict)
    is_away: bool = False
    token: str = ""
    told: int = 0
    unchanged: int = 0

    def evaluate(self, key: str, context: dict[str, Any]) -> dict[str, Any]:
        """Evaluate one flag as the protocol tells it."""
        flag = self.flags[key]
        core = FlagdCore()
        core.set_flags({"flags": {key: json.loads(json.dumps(flag))}})
        attributes = {name: value for name, value in context.items() if name != "targetingKey"}
        asked = EvaluationContext(context.get("targetingKey"), attributes)
        one = next(iter(flag["variants"].values()))
        try:
            if isinstance(one, bool):
                found: Any = core.resolve_boolean_value(key, False, asked)
            elif isinstance(one, str):
                found = core.resolve_string_value(key, "", asked)
            elif isinstance(one, int | float):
                found = core.resolve_float_value(key, 0.0, asked)
            else:
                found = core.resolve_object_value(key, {}, asked)
        except OpenFeatureError as error:
            return {"key": key, "errorCode": "GENERAL", "errorDetails": str(error)}
        return {
            "key": key,
            "value": found.value,
            "variant": found.variant,
            "reason": str(found.reason),
            "metadata": flag.get("metadata", {}),
        }


def create() -> Starlette:
    """Build the server; its state is at `app.state.flags`."""
    routes = [
        Route("/ofrep/v1/evaluate/flags", _bulk, methods=["POST"]),
        Route("/ofrep/v1/evaluate/flags/{key}", _one, methods=["POST"]),
        Route("/_flags", _hold, methods=["PUT"]),
        Route("/_away", _go, methods=["PUT"]),
        Route("/_token", _ask_for, methods=["PUT"]),
    ]
    app = Starlette(routes=routes)
    app.state.flags = State()
    return app


def _refusal(request: Request, state: State) -> Response | None:
    if state.is_away:
        return JSONResponse({"errorDetails": "away"}, status_code=503)
    if state.token and request.headers.get("authorization") != f"Bearer {state.token}":
        return JSONResponse({"errorDetails": "no such token"}, status_code=401)
    return None


async def _bulk(request: Request) -> Response:
    state: State = request.app.state.flags
    if refused := _refusal(request, state):
        return refused
    context = (await request.json()).get("context", {})
    body = json.dumps({"flags": [state.evaluate(key, context) for key in sorted(state.flags)]}).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:16]}"'
    if request.headers.get("if-none-match") == etag:
        state.unchanged += 1
        return Response(status_code=304, headers={"ETag": etag})
    state.told += 1
    return Response(body, media_type="application/json", headers={"ETag": etag})


async def _one(request: Request) -> Response:
    state: State = request.app.state.flags
    if refused := _refusal(request, state):
        return refused
    key = request.path_params["key"]
    if key not in state.flags:
        return JSONResponse({"key": key, "errorCode": "FLAG_NOT_FOUND"}, status_code=404)
    return JSONResponse(state.evaluate(key, (await request.json()).get("context", {})))


async def _hold(request: Request) -> Response:
    request.app.state.flags.flags = (await request.json())["flags"]
    return Response(status_code=204)


async def _go(request: Request) -> Response:
    request.app.state.flags.is_away = await request.json()
    return Response(status_code=204)


async def _ask_for(request: Request) -> Response:
    request.app.state.flags.token = await request.json()
    return Response(status_code=204)


@contextmanager
def running() -> Iterator[tuple[str, State]]:
    """Run one in a thread; gives its host with the port, and its state."""
    app, taken = create(), listen()
    serving = server(app)
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[taken])), daemon=True)
    thread.start()
    started = time.monotonic()
    while not serving.started:
        assert time.monotonic() - started < START_S, "the flag server did not start"
        time.sleep(0.01)
    yield f"127.0.0.1:{taken.getsockname()[1]}", app.state.flags
    serving.should_exit = True
    thread.join(timeout=START_S)


def main() -> None:
    """Serve until somebody stops it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    taken = listen(parser.parse_args().port)
    print(f"http://127.0.0.1:{taken.getsockname()[1]}", flush=True)
    server(create()).run(sockets=[taken])


if __name__ == "__main__":
    main()
