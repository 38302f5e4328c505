"""People who read streamed answers all the time, and jobs behind them, while an operator turns the AI off and on."""

import asyncio
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import httpx2
import orjson

from ops.prove.fleet import Fleet

ASKERS = ("sam.reyes", "maya.okafor", "priya.nair", "hana.lind", "tom.becker", "erin.holt")
OPERATOR = "olga.petrov"
PATIENCE_S = 60.0
# Whom a switch refused asks again after so long.
AGAIN_S = 0.15
ITEMS = 8
PAUSED = "paused_switch"
DONE = ("succeeded", "failed", "cancelled")


@dataclass(slots=True)
class Seen:
    """What the readers saw; `at` is when each of them last received a piece of an answer, by the machine's clock."""

    at: dict[int, float] = field(default_factory=dict)
    endings: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    is_over: bool = False

    def reading(self, since: float) -> int:
        """Count those who received something since then."""
        return sum(at >= since for at in self.at.values())


class Crowd:
    """So many readers, spread over the API processes, and jobs that are never all done."""

    def __init__(self, fleet: Fleet, *, readers: int, jobs: int) -> None:
        self._fleet, self._readers, self._jobs = fleet, readers, jobs
        self._numbers = count(1)
        self._headers = [fleet.headers(person) for person in ASKERS]
        self.operator = fleet.headers(OPERATOR)
        self.seen, self.job_urls = Seen(), list[str]()

    async def run(self) -> None:
        """Ask until it is over."""
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=self._readers)
        async with httpx2.AsyncClient(timeout=PATIENCE_S, limits=limits) as door, asyncio.TaskGroup() as group:
            for place in range(self._readers):
                group.create_task(self._read(door, place))
            group.create_task(self._queue(door))

    async def _read(self, door: httpx2.AsyncClient, place: int) -> None:
        url = f"{self._fleet.urls[place % len(self._fleet.urls)]}/v1/usecases/bare/turns"
        headers = {**self._headers[place % len(self._headers)], "Accept": "text/event-stream"}
        while not self.seen.is_over:
            body = {"question": f"How many days of annual leave are there? [[{next(self._numbers)}]]"}
            try:
                ending = await self._one(door, place, url=url, headers=headers, body=body)
            except httpx2.HTTPError as error:
                ending = f"unreachable: {type(error).__name__}"
            self.seen.endings[ending] += 1
            if ending == PAUSED:
                await asyncio.sleep(AGAIN_S)
            elif not ending.startswith("answered"):
                self.seen.faults.append(f"{url}: {ending}")

    async def _one(
        self, door: httpx2.AsyncClient, place: int, *, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
    ) -> str:
        async with door.stream("POST", url, headers=headers, json=body) as answer:
            if "text/event-stream" not in answer.headers.get("content-type", ""):
                told = orjson.loads(await answer.aread())
                return str(told.get("outcome") or f"{answer.status_code} {told.get('type')}")
            event, ending = "", "a stream without an end"
            async for line in answer.aiter_lines():
                if line.startswith("event: "):
                    event = line.removeprefix("event: ")
                    if event == "delta":
                        self.seen.at[place] = time.time()
                elif line.startswith("data: ") and event in ("end", "error"):
                    ending = str(orjson.loads(line.removeprefix("data: ")).get("outcome"))
            return ending

    async def _queue(self, door: httpx2.AsyncClient) -> None:
        """Keep so many jobs under way."""
        url = f"{self._fleet.urls[0]}/v1/usecases/letters/jobs"
        while not self.seen.is_over:
            standing = [await self._status(door, at) for at in self.job_urls[-2 * self._jobs :]]
            for _ in range(self._jobs - sum(each not in DONE for each in standing)):
                items = [{"question": f"The invoice is wrong. [[{next(self._numbers)}]]"} for _ in range(ITEMS)]
                answer = await door.post(url, headers=self.operator, json={"items": items})
                if answer.status_code == httpx2.codes.ACCEPTED:
                    self.job_urls.append(f"{self._fleet.urls[0]}{answer.headers['location']}")
                else:
                    self.seen.faults.append(f"a job: {answer.status_code} {answer.text[:200]}")
            await asyncio.sleep(1.0)

    async def _status(self, door: httpx2.AsyncClient, url: str) -> str:
        return str((await door.get(url, headers=self.operator)).json().get("status"))

    async def account(self, patience_s: float) -> list[str]:
        """Wait until every job is over; give what was lost, or did not end as it should."""
        faults, until = [], time.monotonic() + patience_s
        async with httpx2.AsyncClient(timeout=PATIENCE_S) as door:
            for url in self.job_urls:
                status = await self._status(door, url)
                while status not in DONE and time.monotonic() < until:
                    await asyncio.sleep(0.3)
                    status = await self._status(door, url)
                items = (await door.get(url, headers=self.operator)).json().get("items", [])
                faults += _faults(url, status, items)
        return faults


def _faults(url: str, status: str, items: Sequence[Mapping[str, Any]]) -> list[str]:
    outcomes = [str(item["outcome"]) for item in items]
    if status != "succeeded" or sorted(item["ordinal"] for item in items) != list(range(ITEMS)):
        return [f"{url}: {status} with {len(items)} of {ITEMS} items"]
    return [f"{url}: an item {outcome}" for outcome in outcomes if outcome.startswith(("failed", "paused"))]
