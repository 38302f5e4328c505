"""A real HTTP server that receives events: it verifies signatures by its own means, and fails as it is told."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

# Answers without a status of HTTP.
HANG, CUT = "hang", "cut"


@dataclass(frozen=True)
class Received:
    """A request as it came; `signatures` are the parts of its header."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        """Give the event."""
        told: dict[str, Any] = json.loads(self.body)
        return told

    @property
    def signatures(self) -> list[str]:
        """Give the signatures of its header."""
        return self.headers["webhook-signature"].split()

    def is_signed_with(self, secret: str) -> bool:
        """Say whether one of its signatures is made with this secret, as the specification has it."""
        name, _, key = secret.partition("_")
        assert name == "whsec"
        signed = b".".join((self.headers["webhook-id"].encode(), self.headers["webhook-timestamp"].encode(), self.body))
        right = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(f"v1,{right}", one) for one in self.signatures)


@dataclass
class Receiver:
    """Listens on a port of this machine; `plan` holds the next answers, after them it takes everything."""

    received: list[Received] = field(default_factory=list)
    plan: deque[int | str] = field(default_factory=deque)
    to: str = "/elsewhere"
    url: str = ""
    _runner: web.AppRunner | None = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    async def __aenter__(self) -> Self:
        application = web.Application()
        application.router.add_post("/{path:.*}", self._take)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/events"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        assert self._runner
        await self._runner.cleanup()

    @property
    def events(self) -> list[dict[str, Any]]:
        """Give the events so far, in the order in which they came."""
        return [one.event for one in self.received]

    def of(self, kind: str) -> list[dict[str, Any]]:
        """Give the events of a kind."""
        return [event for event in self.events if event["type"] == kind]

    def will(self, *answers: int | str) -> None:
        """Say how the next requests are answered: with a status, `hang` or `cut`."""
        self.plan.extend(answers)

    async def _take(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(request.path, headers, body))
        answer = self.plan.popleft() if self.plan else 204
        if answer == CUT:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if answer == HANG:
            await self._over.wait()
            answer = 204
        assert isinstance(answer, int)
        return web.Response(status=answer, headers={"Location": self.to} if 300 <= answer < 400 else {})
