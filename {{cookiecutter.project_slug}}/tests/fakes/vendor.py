"""A model vendor that speaks OpenAI's and Anthropic's HTTP, answers from the passages it is sent, and fails on request.

Run it by hand with `python -m tests.fakes.vendor --port 0`; the address is the first line it prints.
  POST /v1/chat/completions, /v1/embeddings (unit vectors), GET /v1/models: as OpenAI · POST /v1/messages: as Anthropic
  POST /v1/rerank: as Cohere, Jina and TEI
  POST /_faults {"plan": ["429:retry-after=1", "500", "cut", "ok"]}: the next calls; used up in order, then all is well
  POST /_plans {"NAME": ["hang=2", "ok"]}: the same for calls whose prompt holds [[plan:NAME]] or [[NAME]];
    `NAME@model`: for those of one model; "500*" is never used up; GET: what is left
  POST /_chaos {"share": 0.2, "seed": 7, "faults": ["500", "cut"]}: by chance, where nothing is planned
  POST /_keys ["one", "two"]: calls with another key get 401; []: every key counts
  POST /_pace {"latency_s": 0.1, "latency_to_s": 0.3, "tokens_per_s": 100}: slows every call
  GET /_calls: count, last_at (?count: no more) and requests (?name=NAME: of that plan) · GET /_bill: what it charges
    (?name=NAME: each call of that plan; ?calls: of all plans)
Faults: 400 to 599, and `429:retry-after=2` in seconds, `429:retry-after=date+2` as a date; hang (before the answer) and
stall (in its middle), drip, slow_first_token, each `=seconds`; cut and trails_off (the connection, the stream);
malformed, malformed_event (no JSON); wrong_schema, refusal, content_filter, length, empty, no_evidence; leak (of the
instructions) and alien (a placeholder nobody gave out), `=seconds` to wait before the stream ends; echo (its prompt);
`say=text`; `tool=NAME:{"json": 1}` calls a tool.
"""

import argparse
import base64
import logging
import random
import re
import socket
import struct
import time
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.fakes import dialects, embedding, faults, replies, reranker
from tests.fakes.bill import Bill, Entry, Prefixes
from tests.fakes.faults import WELL, Chance, Fault, Plans
from tests.fakes.wire import Gone, Line, Reset

KEPT = 3000
# The short form leaves a question nearly as it was, for answerers that weigh each of its words.
MARK = re.compile(rb"\[\[(?:plan:)?([\w.-]+)\]\]")
MODELS = ("fake-large", "fake-small", "fake-embedder")
# A vector is not said, so it cannot be said wrongly.
TRANSPORT = ("hang", "stall", "slow_first_token", "drip", "cut", "trails_off", "malformed")
PACE = ("latency_s", "latency_to_s", "tokens_per_s")


@dataclass
class State:
    """What the vendor was told, and what it has seen; `requests` holds the first 3000."""

    plans: Plans = field(default_factory=Plans)
    latency_s: float = 0.0
    latency_to_s: float = 0.0
    tokens_per_s: float = 0.0
    requests: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    # By the clock of the machine (`time.time()`): when the latest call came.
    last_at: float = 0.0
    begun: dict[str, int] = field(default_factory=dict)
    bill: Bill = field(default_factory=Bill)
    prefixes: dict[str, Prefixes] = field(default_factory=dict)
    keys: frozenset[str] = frozenset()

    @property
    def plan(self) -> deque[str]:
        """Give the plan of the calls that name none."""
        return self.plans.general

    @property
    def disconnects(self) -> int:
        """Count the askers who left before their answer was complete."""
        return self.bill.disconnects

    def take(self, raw: bytes) -> tuple[dict[str, Any], str, Fault]:
        """Note a call; gives its body, the name of its plan and what goes wrong with it."""
        body = orjson.loads(raw)
        self.count += 1
        self.last_at = time.time()
        if len(self.requests) < KEPT:
            self.requests.append(body)
        marked = MARK.search(raw)
        name = marked[1].decode() if marked else ""
        if name:
            self.begun[name] = self.begun.get(name, 0) + 1
        return body, name, self.plans.next(name, body["model"])

    def wait_s(self) -> float:
        """Give how long this call's answer takes to begin."""
        return random.uniform(self.latency_s, self.latency_to_s) if self.latency_to_s else self.latency_s

    def counted(self, dialect: dialects.Dialect, body: dict[str, Any], raw: bytes) -> dialects.Counted:
        """Count what came in: its tokens, those read before, and those kept for later."""
        prompt = dialect.prompt(body)
        kept = dialect.cacheable(body, prompt)
        cached = self.prefixes.setdefault(body["model"], Prefixes()).cached(kept) if kept else 0
        marked = isinstance(dialect, dialects.Anthropic)
        written = max(0, len(kept) // 256 * 64 - cached) if marked else 0
        return dialects.Counted(len(raw) // 4, 0, cached, written)


@dataclass(frozen=True)
class _Completions:
    """One of the two doors, as an ASGI application of its own: cheap when nothing goes wrong."""

    dialect: dialects.Dialect

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        state: State = scope["app"].state.vendor
        line = Line(receive, send)
        try:
            raw = await line.body()
            body, name, fault = state.take(raw)
            fault = fault if _is_known(scope, state.keys) else Fault("401")
            if fault.status:
                await _refuse(line, fault, state=state, error=self.dialect.error(fault.status))
                return
            entry = Entry(body["model"], name, fault.kind)
            counted = state.counted(self.dialect, body, raw)
            entry.input, entry.cached, entry.written = counted.asked, counted.cached, counted.written
            state.bill.open += 1
            try:
                await self._answer(line, body, fault=fault, state=state, charge=(entry, counted))
            finally:
                state.bill.charge(entry)
        except Gone:
            state.bill.disconnects += 1
        finally:
            line.close()

    async def _answer(
        self, line: Line, body: dict[str, Any], *, fault: Fault, state: State, charge: tuple[Entry, dialects.Counted]
    ) -> None:
        entry, counted = charge
        await line.wait(state.wait_s() + (fault.seconds if fault.kind == "hang" else 0.0))
        said = replies.said(fault, body, self.dialect.prompt(body), dialect=self.dialect)
        words = said.text + "".join(arguments for _, arguments in said.tools)
        counted = counted._replace(said=dialects.tokens(words))
        if body.get("stream"):
            pieces, media = self.dialect.stream(body["model"], said, counted), b"text/event-stream"
        else:
            whole = orjson.dumps(self.dialect.reply(body["model"], said, counted))
            size = max(1, len(whole) // 10)
            pieces, media = [whole[at : at + size] for at in range(0, len(whole), size)], b"application/json"
        if fault.kind == "malformed":
            pieces = [b'{"choices": [{"mess']
            media = b"application/json"
        entry.output = counted.said
        paced_s = 1 / state.tokens_per_s if state.tokens_per_s and body.get("stream") else 0.0
        entry.delivered = await _say(line, pieces, fault=fault, media=media, paced_s=paced_s)


def _is_known(scope: Any, keys: frozenset[str]) -> bool:
    """Say whether the call brings a key that counts; without any, all do."""
    brought = dict(scope["headers"])
    key = brought.get(b"x-api-key", b"") or brought.get(b"authorization", b"").removeprefix(b"Bearer ")
    return not keys or key.decode() in keys


async def _say(line: Line, pieces: list[bytes], *, fault: Fault, media: bytes, paced_s: float) -> bool:
    """Send the answer as the fault wants it; gives whether the asker got all of it, the count included."""
    await line.start(200, media)
    is_stream = media == b"text/event-stream"
    if fault.kind in ("ok", "say", "tool") and not paced_s:
        await line.end(b"".join(pieces))
        return True
    if fault.kind == "slow_first_token":
        await line.wait(fault.seconds)
    middle = max(1, len(pieces) // 2)
    for place, piece in enumerate(pieces):
        if place == middle and fault.kind in ("cut", "trails_off", "malformed_event", "stall"):
            if fault.kind != "stall":
                await _break(line, fault, is_stream=is_stream)
                return False
            await line.wait(fault.seconds)
        if fault.kind in ("leak", "alien") and is_stream and place == len(pieces) - 3:
            # What must not be said is stopped by who hears it, who then never learns what it cost.
            await line.wait(fault.seconds)
        if fault.kind == "drip" and place:
            await line.wait(fault.seconds)
        elif paced_s and place:
            await line.wait(paced_s)
        await line.more(piece)
    await line.end()
    return fault.kind != "malformed"


async def _break(line: Line, fault: Fault, *, is_stream: bool) -> None:
    if fault.kind == "cut":
        raise Reset("cut on purpose")
    if fault.kind == "malformed_event":
        await line.more(b'event: content_block_delta\ndata: {"type": "content_bl\n\n' if is_stream else b"<html>")
    await line.end()


async def _refuse(line: Line, fault: Fault, *, state: State, error: dict[str, Any]) -> None:
    state.bill.refuse(fault.status)
    headers = []
    if fault.argument.startswith("date+"):
        at = datetime.now(UTC) + timedelta(seconds=float(fault.argument.removeprefix("date+")))
        headers = [(b"retry-after", format_datetime(at, usegmt=True).encode())]
    elif fault.argument:
        headers = [(b"retry-after", fault.argument.encode())]
    await line.start(fault.status, b"application/json", headers)
    await line.end(orjson.dumps(error))


async def _embeddings(scope: Any, receive: Any, send: Any) -> None:
    state: State = scope["app"].state.vendor
    line = Line(receive, send)
    try:
        body, name, fault = state.take(await line.body())
        if fault.kind not in TRANSPORT and not fault.status:
            fault = WELL
        if fault.status:
            await _refuse(line, fault, state=state, error=dialects.OPENAI.error(fault.status))
            return
        texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
        entry = Entry(body["model"], name, fault.kind, input=sum(dialects.tokens(text) for text in texts))
        state.bill.open += 1
        try:
            await line.wait(state.wait_s() + (fault.seconds if fault.kind == "hang" else 0.0))
            usage = {"prompt_tokens": entry.input, "total_tokens": entry.input}
            whole = {"object": "list", "data": _vectors(texts, body), "model": body["model"], "usage": usage}
            sent = b'{"object": "li' if fault.kind == "malformed" else orjson.dumps(whole)
            size = max(1, len(sent) // 4)
            pieces = [sent[at : at + size] for at in range(0, len(sent), size)]
            entry.delivered = await _say(line, pieces, fault=fault, media=b"application/json", paced_s=0.0)
        finally:
            state.bill.charge(entry)
    except Gone:
        state.bill.disconnects += 1
    finally:
        line.close()


def _vectors(texts: list[str], body: dict[str, Any]) -> list[dict[str, Any]]:
    found = []
    for place, text in enumerate(texts):
        vector: Any = embedding.vector(text, body.get("dimensions") or embedding.DIMENSIONS)
        if body.get("encoding_format") == "base64":
            vector = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
        found.append({"object": "embedding", "index": place, "embedding": vector})
    return found


class _Door:
    """An ASGI application that is no function, which Starlette would take for an endpoint of its own."""

    def __init__(self, door: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        self._door = door

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._door(scope, receive, send)


def create() -> Starlette:
    """Build the vendor; its state is at `app.state.vendor`."""
    routes = [
        Route("/v1/chat/completions", _Completions(dialects.OPENAI), methods=["POST"]),
        Route("/v1/messages", _Completions(dialects.ANTHROPIC), methods=["POST"]),
        Route("/v1/embeddings", _Door(_embeddings), methods=["POST"]),
        Route("/v1/rerank", reranker.rerank, methods=["POST"]),
        Route("/v1/models", _models),
        Route("/_calls", _calls, methods=["GET", "DELETE"]),
        Route("/_faults", _faults, methods=["POST"]),
        Route("/_plans", _plans, methods=["GET", "POST"]),
        Route("/_chaos", _chaos, methods=["POST"]),
        Route("/_pace", _pace, methods=["POST"]),
        Route("/_keys", _keys, methods=["POST"]),
        Route("/_bill", _bill, methods=["GET", "DELETE"]),
    ]
    app = Starlette(routes=routes)
    app.state.vendor = State()
    return app


async def _models(request: Request) -> Response:
    if not _is_known(request.scope, request.app.state.vendor.keys):
        return JSONResponse({"error": {"message": "no such key"}}, status_code=401)
    known = [{"id": name, "object": "model", "created": dialects.CREATED, "owned_by": "fake"} for name in MODELS]
    return JSONResponse({"object": "list", "data": known})


async def _calls(request: Request) -> Response:
    state: State = request.app.state.vendor
    if request.method == "DELETE":
        state.requests.clear()
        state.plan.clear()
        state.count = 0
    if name := request.query_params.get("name"):
        return JSONResponse({"count": state.begun.get(name, 0)})
    told = {"count": state.count, "last_at": state.last_at}
    if "count" in request.query_params:
        return JSONResponse(told)
    return JSONResponse({**told, "requests": state.requests, "plan": list(state.plan)})


async def _faults(request: Request) -> Response:
    state: State = request.app.state.vendor
    try:
        state.plans.general = deque(faults.checked((await request.json())["plan"]))
    except faults.UnknownFault as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    return JSONResponse({"plan": list(state.plan)})


async def _plans(request: Request) -> Response:
    state: State = request.app.state.vendor
    try:
        if request.method == "POST":
            state.plans.name(await request.json())
    except faults.UnknownFault as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    return JSONResponse(state.plans.left())


async def _chaos(request: Request) -> Response:
    state: State = request.app.state.vendor
    told = await request.json()
    try:
        kinds = tuple(faults.checked(told.get("faults") or faults.USUAL))
        state.plans.chance = Chance(float(told.get("share", 0.0)), int(told.get("seed", 0)), kinds)
    except faults.UnknownFault as error:
        return JSONResponse({"error": str(error)}, status_code=422)
    return JSONResponse({"share": state.plans.chance.share, "faults": list(kinds)})


async def _pace(request: Request) -> Response:
    state: State = request.app.state.vendor
    for name, value in (await request.json()).items():
        if name not in PACE:
            return JSONResponse({"error": f"unknown: {name}"}, status_code=422)
        setattr(state, name, float(value))
    return JSONResponse({name: getattr(state, name) for name in PACE})


async def _keys(request: Request) -> Response:
    request.app.state.vendor.keys = frozenset(await request.json())
    return JSONResponse(len(request.app.state.vendor.keys))


async def _bill(request: Request) -> Response:
    state: State = request.app.state.vendor
    if request.method == "DELETE":
        state.bill = Bill()
    if "calls" in request.query_params:
        return Response(orjson.dumps(state.bill.named), media_type="application/json")
    return JSONResponse(state.bill.as_json(request.query_params.get("name", "")))


def listen(port: int = 0) -> socket.socket:
    """Take a port on this machine only; 0 takes a free one."""
    taken = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    taken.bind(("127.0.0.1", port))
    return taken


def _is_news(record: logging.LogRecord) -> bool:
    return not (record.exc_info and record.exc_info[0] is Reset)


def server(app: Starlette) -> uvicorn.Server:
    """Build the HTTP server; it says nothing, and waits for nobody when it stops."""
    logging.getLogger("uvicorn.error").addFilter(_is_news)
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
