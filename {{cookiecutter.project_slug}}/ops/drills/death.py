"""Under a steady load one part dies by SIGKILL and comes back. Nothing accepted may be lost or done twice."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from ops.drills.stack import Stack

RATE_PER_S = 20.0
JOB_EVERY = 10
ITEMS = 5
BEFORE_S, DOWN_S, AFTER_S = 2.0, 2.0, 8.0
# After the part is back, the service has to be well again within so long.
RECOVERY_S = 10.0
DOCUMENTED = {200, 202, 429, 503, 504}
UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: when, in seconds of the drill, what came back, and the id of what was accepted."""

    at_s: float
    kind: str
    outcome: str
    accepted: str = ""

    @property
    def is_good(self) -> bool:
        """Say whether the service did what was asked."""
        return self.outcome in ("200", "202")


@dataclass(slots=True)
class Death:
    """What was measured of one death."""

    part: str
    revived_at_s: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)

    @property
    def outcomes(self) -> Counter[str]:
        """Count what came back."""
        return Counter(asked.outcome for asked in self.asked)

    @property
    def recovery_s(self) -> float:
        """Seconds from the part's return until the last request that was not served; 0 when none failed after it."""
        late = [asked.at_s for asked in self.asked if not asked.is_good and asked.at_s >= self.revived_at_s]
        return max(late) - self.revived_at_s if late else 0.0

    @property
    def undocumented(self) -> list[str]:
        """Give what came back and stands in no document; nobody can answer while the API itself is dead."""
        allowed = {str(status) for status in DOCUMENTED} | ({UNREACHABLE} if self.part == "api" else set())
        return sorted(set(self.outcomes) - allowed)

    @property
    def is_good(self) -> bool:
        """Say whether the promise was kept."""
        return not (self.lost or self.doubled or self.undocumented) and self.recovery_s <= RECOVERY_S

    def as_json(self) -> dict[str, Any]:
        """Give the figures."""
        return {
            "part": self.part,
            "good": self.is_good,
            "requests": len(self.asked),
            "outcomes": dict(self.outcomes),
            "recovery_s": round(self.recovery_s, 2),
            "jobs": sum(asked.outcome == "202" for asked in self.asked),
            "lost": self.lost,
            "doubled": self.doubled,
            "undocumented": self.undocumented,
        }


async def die(stack: Stack, part: str, *, usecase: str, tokens: Sequence[str], after_s: float = AFTER_S) -> Death:
    """Kill a part under load, revive it, and account for everything accepted; `tokens`: an asker's, an operator's."""
    death, begun = Death(part), time.monotonic()
    asking = _Load(stack.url, f"/v1/usecases/{usecase}", tokens)
    async with asyncio.TaskGroup() as group:
        group.create_task(asking.run())
        await asyncio.sleep(BEFORE_S)
        await asyncio.to_thread(stack.kill, part)
        await asyncio.sleep(DOWN_S)
        await asyncio.to_thread(stack.revive, part)
        death.revived_at_s = time.monotonic() - begun
        if part == "api":
            await asyncio.to_thread(stack.wait_ready)
            death.revived_at_s = time.monotonic() - begun
        await asyncio.sleep(after_s)
        asking.over.set()
    death.asked = asking.asked
    await asking.account(death)
    return death


class _Load:
    """Asks at a steady rate, whether answers come or not."""

    def __init__(self, url: str, usecase: str, tokens: Sequence[str]) -> None:
        self._client = httpx2.AsyncClient(base_url=url, timeout=15)
        self._turns, self._jobs = f"{usecase}/turns", f"{usecase}/jobs"
        self._asker, self._operator = ({"Authorization": f"Bearer {token}"} for token in tokens)
        self._begun = time.monotonic()
        self.asked: list[Asked] = []
        self.over = asyncio.Event()

    async def run(self) -> None:
        number = 0
        async with asyncio.TaskGroup() as group:
            while not self.over.is_set():
                group.create_task(self._job() if number % JOB_EVERY == 0 else self._turn(number))
                await asyncio.sleep(max(0.0, self._begun + (number + 1) / RATE_PER_S - time.monotonic()))
                number += 1

    async def _turn(self, number: int) -> None:
        await self._ask("turn", self._turns, {"question": f"2 words, question {number}"}, self._asker)

    async def _job(self) -> None:
        items = [{"question": f"1 words, item {number}"} for number in range(ITEMS)]
        await self._ask("job", self._jobs, {"items": items}, self._operator)

    async def _ask(self, kind: str, url: str, body: dict[str, Any], headers: dict[str, str]) -> None:
        at_s = time.monotonic() - self._begun
        try:
            response = await self._client.post(url, json=body, headers=headers)
            found = response.json()
            accepted = found.get("job_id") or (found.get("turn_id", "") if response.status_code == 200 else "")
            self.asked.append(Asked(at_s, kind, str(response.status_code), accepted))
        except httpx2.HTTPError:
            self.asked.append(Asked(at_s, kind, UNREACHABLE))

    async def account(self, death: Death) -> None:
        """Look for every accepted turn and job; jobs may take a moment more."""
        accepted = [asked for asked in self.asked if asked.accepted and asked.is_good]
        for asked in accepted:
            if asked.kind == "job":
                await self._account_job(death, asked.accepted)
            elif (await self._client.get(f"/v1/turns/{asked.accepted}", headers=self._asker)).status_code != 200:
                death.lost.append(f"turn {asked.accepted}")
        await self._client.aclose()

    async def _account_job(self, death: Death, job_id: str) -> None:
        until = time.monotonic() + 30
        while True:
            job = (await self._client.get(f"/v1/jobs/{job_id}", headers=self._operator)).json()
            if job.get("status") in ("succeeded", "failed", "cancelled") or time.monotonic() > until:
                break
            await asyncio.sleep(0.2)
        items = [item["ordinal"] for item in job.get("items", [])]
        if job.get("status") != "succeeded" or sorted(items) != list(range(ITEMS)):
            death.lost.append(f"job {job_id}: {job.get('status')}, {len(items)} of {ITEMS} items, {job.get('error')}")
        if job.get("done", 0) > ITEMS:
            death.doubled.append(f"job {job_id}: {job['done']} of {ITEMS}")
