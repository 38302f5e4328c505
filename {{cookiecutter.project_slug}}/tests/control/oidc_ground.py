"""An issuer of the tests behind a wire that can be held, and what verifies its tokens."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from app.control.oidc import OidcIssuer
from tests.fakes.issuer import Issuer

URL = "https://id.example.org"


class Wire(httpx2.ASGITransport):
    """Leads to the issuer; while `way` is not set, nothing comes back."""

    def __init__(self, issuer: Issuer) -> None:
        super().__init__(app=issuer.app)  # type: ignore[arg-type]
        self.way = asyncio.Event()
        self.way.set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Pass a request on, and its answer once the way is free."""
        response = await super().handle_async_request(request)
        await self.way.wait()
        return response


@asynccontextmanager
async def verifying(issuer: Issuer, audience: str = "the-service") -> AsyncIterator[tuple[OidcIssuer, Wire]]:
    """Give what verifies the tokens of an issuer, over a wire."""
    made, wire = OidcIssuer(issuer.url, audience), Wire(issuer)
    await made.provider.http.aclose()
    made.provider.http = httpx2.AsyncClient(transport=wire)
    try:
        yield made, wire
    finally:
        wire.way.set()
        await made.close()
