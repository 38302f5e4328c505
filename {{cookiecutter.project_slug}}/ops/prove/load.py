"""Turns of every kind, many at once, against a running service; what each asker was told is kept."""

import asyncio
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import httpx2
import orjson

from ops.prove.site import Site

SUBJECTS = (
    "How many days of annual leave does every employee have in a year?",
    "How many unused days move into the next year?",
    "What is the price of the gateway?",
    "Who supplies the sensors?",
)
LETTERS = ("The invoice of March is wrong, please send it again.", "The gateway is dead since Monday.")
# A turn and its writing may take so long beyond its use case's limit, on a busy machine.
PATIENCE_S = 60.0
CANCELLED = "left"


@dataclass(frozen=True, slots=True)
class Ask:
    """One turn to send; `leaves` says that its asker hangs up before the answer is there."""

    name: str
    usecase: str
    question: str
    is_streamed: bool
    leaves: bool


@dataclass(frozen=True, slots=True)
class Told:
    """What came back: the status (0 for an asker who left), the outcome, the turn's id, and seconds."""

    ask: Ask
    status: int
    outcome: str
    turn_id: str
    seconds: float


def asks(count: int, *, seed: int, first: int = 1) -> Iterator[Ask]:
    """Mix turns: texts with and without a net, decisions, streamed or not, repeated questions, askers who leave."""
    luck, repeated = random.Random(seed), 0  # noqa: S311 - a mix of questions, not a secret
    for number in range(first, first + count):
        usecase = luck.choices(("answers", "bare", "letters"), (50, 20, 30))[0]
        leaves = usecase != "answers" and luck.random() < 0.1
        words = luck.choice(LETTERS if usecase == "letters" else SUBJECTS)
        # Every twelfth answer was asked for before: the cache knows it, unless that one failed.
        again = usecase == "answers" and repeated and luck.random() < 1 / 12
        name = str(repeated if again else number)
        if usecase == "answers" and not again:
            repeated = number
            words = SUBJECTS[number % len(SUBJECTS)]
        if again:
            words = SUBJECTS[repeated % len(SUBJECTS)]
        yield Ask(name, usecase, f"{words} [[{name}]]", luck.random() < 0.5, leaves)


async def run(site: Site, turns: Sequence[Ask], *, at_once: int, tick: Callable[[], None]) -> list[Told]:
    """Send every turn, so many at once."""
    free = asyncio.Semaphore(at_once)
    limits = httpx2.Limits(max_connections=at_once * 2, max_keepalive_connections=at_once)
    async with (
        httpx2.AsyncClient(base_url=site.url, timeout=PATIENCE_S, limits=limits) as door,
        httpx2.AsyncClient(base_url=site.vendor_url, timeout=PATIENCE_S) as vendor,
    ):
        leaving = {ask.name: ["drip=0.3" if ask.is_streamed else "hang"] for ask in turns if ask.leaves}
        (await vendor.post("/_plans", json=leaving)).raise_for_status()

        async def one(number: int, ask: Ask) -> Told:
            async with free:
                told = await _send(door, vendor, ask, headers=dict(site.headers[number % len(site.headers)]))
            tick()
            return told

        return list(await asyncio.gather(*(one(number, ask) for number, ask in enumerate(turns))))


async def _send(door: httpx2.AsyncClient, vendor: httpx2.AsyncClient, ask: Ask, *, headers: dict[str, str]) -> Told:
    started = time.monotonic()
    sent = asyncio.create_task(_asked(door, ask, headers=headers))
    if ask.leaves:
        await _until_called(vendor, ask, sent)
        sent.cancel()
        await asyncio.gather(sent, return_exceptions=True)
        if sent.cancelled():
            return Told(ask, 0, CANCELLED, "", time.monotonic() - started)
    status, body = await sent
    return Told(ask, status, str(body.get("outcome")), str(body.get("turn_id")), time.monotonic() - started)


async def _until_called(
    vendor: httpx2.AsyncClient, ask: Ask, sent: "asyncio.Task[tuple[int, dict[str, object]]]"
) -> None:
    """Wait until the vendor works on it: an asker who leaves any sooner would cost nothing."""
    while not sent.done():
        if (await vendor.get("/_calls", params={"name": ask.name})).json()["count"]:
            return
        await asyncio.sleep(0.02)


async def _asked(door: httpx2.AsyncClient, ask: Ask, *, headers: dict[str, str]) -> tuple[int, dict[str, object]]:
    """Give the status and the last word: the answer, or the problem."""
    accept = {"Accept": "text/event-stream"} if ask.is_streamed else {}
    url, body = f"/v1/usecases/{ask.usecase}/turns", {"question": ask.question}
    answer = await door.post(url, json=body, headers=headers | accept)
    if not answer.headers["content-type"].startswith("text/event-stream"):
        return answer.status_code, answer.json()
    last = answer.text.strip().split("\n\n")[-1]
    return answer.status_code, orjson.loads(last.partition("\ndata: ")[2])
