"""Limits at the door: addresses before anything else, and on every answer what is left of whose limit.

Headers as in the IETF's draft-ietf-httpapi-ratelimit-headers-11; OpenAI's clients get theirs as well.
"""

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.openai_errors import PREFIX
from app.api.problems import problem
from app.control.addresses import Addresses
from app.control.restrictions import Restrictions
from app.domain.quota import Quota, Unit, Visit
from app.domain.turn import Turn
from app.errors import OverRate

# Machines of our own ask these, and must never be kept out.
OPEN = ("/health/live", "/health/ready", "/metrics")
SIGN_IN = "/console/sign-in"
# The draft registers the last two; `tokens` is ours, and `uploads` are requests.
QUOTA_UNITS: dict[Unit, str] = {
    "tokens": ';qu="tokens"',
    "turns": ';qu="concurrent-requests"',
    "upload-bytes": ';qu="content-bytes"',
}


class Limited:
    """Keeps addresses out that send too much or may not come in; written for ASGI, so that streams pass untouched."""

    def __init__(self, app: ASGIApp, *, addresses: Addresses, restrictions: Restrictions) -> None:
        self._app, self._addresses, self._restrictions = app, addresses, restrictions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer that there are too many."""
        if scope["type"] != "http" or scope["path"] in OPEN:
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        visit = self._visit(scope, headers)

        async def limited(message: Message) -> None:
            if message["type"] == "http.response.start":
                stranger = message["status"] == 401 or scope["state"].get("is_stranger")
                if stranger and _claims(scope, headers):
                    self._addresses.failed(visit.address)
                MutableHeaders(scope=message).update(told(visit.quotas, openai=scope["path"].startswith(PREFIX)))
            await send(message)

        try:
            self._restrictions.ensure_address(visit.address)
            quota = self._addresses.enter(visit.address)
        except OverRate as error:
            await problem(Request(scope), error)(scope, receive, limited)
            return
        if quota:
            visit.quotas.append(quota)
        await self._app(scope, receive, limited)

    def _visit(self, scope: Scope, headers: Headers) -> Visit:
        peer = (scope.get("client") or ("",))[0]
        visit = Visit(self._addresses.visitor(peer, ",".join(headers.getlist("x-forwarded-for"))))
        scope.setdefault("state", {})["visit"] = visit
        if self._addresses.trusts(peer) and (scheme := headers.get("x-forwarded-proto")) in ("http", "https"):
            scope["scheme"] = scheme
        return visit


async def visit_of(request: Request) -> Visit:
    """Give the visit of a request: where it comes from, and what its answer will tell."""
    visit: Visit = request.state.visit
    return visit


def asked_from(request: Request, turn: Turn) -> Turn:
    """Give the turn with the address it came from; the answer will tell what admission finds left."""
    visit: Visit = request.state.visit
    turn.tape.quotas[:] = visit.quotas
    visit.quotas = turn.tape.quotas
    return turn.with_(address=visit.address)


Visiting = Annotated[Visit, Depends(visit_of)]


def told(quotas: Iterable[Quota], *, openai: bool = False) -> dict[str, str]:
    """Give the headers about limits."""
    shown = [quota for quota in quotas if quota.is_told]
    if not shown:
        return {}
    headers = {
        "RateLimit-Policy": ", ".join(map(_policy, shown)),
        "RateLimit": ", ".join(map(_left, shown)),
    }
    return headers | (_openai(shown) if openai else {})


def _policy(quota: Quota) -> str:
    window = f";w={quota.window_s}" if quota.window_s else ""
    return f'"{quota.policy}";q={quota.allowed}{QUOTA_UNITS.get(quota.unit, "")}{window}'


def _left(quota: Quota) -> str:
    window = f";t={quota.again_s}" if quota.window_s else ""
    return f'"{quota.policy}";r={quota.left}{window}'


def _openai(quotas: Iterable[Quota]) -> dict[str, str]:
    """Give the tightest limit on requests and on tokens under the names that OpenAI's clients read."""
    headers: dict[str, str] = {}
    for unit in ("requests", "tokens"):
        known = [quota for quota in quotas if quota.unit == unit]
        if known:
            tightest = min(known, key=lambda quota: (not quota.is_full, quota.left))
            headers[f"x-ratelimit-limit-{unit}"] = str(tightest.allowed)
            headers[f"x-ratelimit-remaining-{unit}"] = str(tightest.left)
            headers[f"x-ratelimit-reset-{unit}"] = _duration(tightest.again_s)
    return headers


def _duration(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


def _claims(scope: Scope, headers: Headers) -> bool:
    """Say whether somebody claimed to be someone: a request that does not is no guess."""
    return "authorization" in headers or "cookie" in headers or scope["path"].startswith(SIGN_IN)
