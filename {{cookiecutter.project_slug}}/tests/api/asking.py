"""Short ways to ask, for tests."""

from typing import Any

import httpx2
import orjson

LEAVE = {"question": "How many days of annual leave do employees have?"}
PAY = {"question": "How much is the chief executive paid?"}
URL = "/v1/usecases/handbook/turns"
Headers = dict[str, str]


async def ask(
    client: httpx2.AsyncClient, who: Headers, body: dict[str, Any], *, usecase: str = "handbook"
) -> httpx2.Response:
    """Ask and expect an answer."""
    response = await client.post(f"/v1/usecases/{usecase}/turns", json=body, headers=who)
    assert response.status_code == 200, response.text
    return response


async def slow(client: httpx2.AsyncClient, who: Headers, *, words: int, **more: Any) -> httpx2.Response:
    """Ask the slow use case for so many words, 50 ms each."""
    return await client.post("/v1/usecases/slow/turns", json={"question": f"{words} words", **more}, headers=who)


async def events(
    client: httpx2.AsyncClient, who: Headers, body: dict[str, Any], *, url: str = URL
) -> list[tuple[str, Any]]:
    """Ask and collect the stream's events."""
    response = await client.post(url, json=body, headers=who | {"Accept": "text/event-stream"})
    assert response.status_code == 200, response.text
    return parsed(response.text)


def parsed(text: str) -> list[tuple[str, Any]]:
    """Read server-sent events."""
    found = []
    for block in text.strip().split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.splitlines() if not line.startswith(":"))
        if "event" in lines:
            found.append((lines["event"], orjson.loads(lines["data"])))
    return found
