"""What the page tests share: people by their cookie, as a browser would send it."""

from collections.abc import Awaitable, Callable

import httpx2
import pytest

Headers = dict[str, str]
Seen = Callable[[str], Headers]
Ask = Callable[[str, str], Awaitable[str]]


@pytest.fixture(scope="session")
def seen(token: Callable[[str], str]) -> Seen:
    """Give the headers of a browser in which this person is signed in, on one of our own pages."""
    return lambda person: {"Cookie": f"identity={token(person)}", "Origin": "http://test"}


@pytest.fixture(scope="session")
def ask(client: httpx2.AsyncClient, as_: Callable[[str], Headers]) -> Ask:
    """Ask the handbook as a person; gives the turn's id."""

    async def asked(person: str, question: str) -> str:
        response = await client.post("/v1/usecases/handbook/turns", json={"question": question}, headers=as_(person))
        return str(response.json()["turn_id"])

    return asked
