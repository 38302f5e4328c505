"""Under a steady load every key is exchanged: the data keys' own, a data key, the secret key and a vendor's.

No turn may fail, no job may be lost, and conversations go on across all of it: they lie sealed in the database.
"""

import asyncio
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from secrets import token_bytes, token_hex
from typing import Any

import httpx2

from app.control.development import DevelopmentIssuer
from app.settings import Settings
from ops.drills.stack import SECRET, Stack

RATE_PER_S = 2.0
JOB_EVERY = 10
TURNS_OF_SESSION = 5
ITEMS = 3
# A data key is used after 30 s, and its predecessor retired some 30 s later.
RESEALED_S = 180.0
QUESTION = "How many days of annual leave do employees have?"
ASKER, OPERATOR = "sam.reyes", "olga.petrov"
GOOD = ("answered_model", "answered_cached")


@dataclass(slots=True)
class Rotation:
    """What was measured of the exchange of one key."""

    key: str
    seconds: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Say whether nobody noticed."""
        return not self.faults and sum(self.asked.values()) > 0

    def as_json(self) -> dict[str, Any]:
        """Give the figures."""
        return {"key": self.key, "good": self.is_good, "seconds": round(self.seconds, 1), "asked": dict(self.asked),
                "faults": self.faults}  # fmt: skip


def new_key() -> str:
    """Give a fresh key-encryption key as APP_DATA_KEYS takes it."""
    return b64encode(token_bytes(32)).decode()


async def rotate(stack: Stack, vendor_url: str, *, keys: str, tell: Callable[[Rotation], None]) -> list[Rotation]:
    """Exchange one kind of key after another; `keys` is the stack's APP_DATA_KEYS at the beginning."""
    load = _Load(stack)
    steps = {
        "key-encryption key": lambda: _kek(stack, keys),
        "data key": lambda: _data_key(stack),
        "secret key": lambda: _secret(stack, load),
        "vendor key": lambda: _vendor(stack, vendor_url),
    }
    found = []
    async with asyncio.TaskGroup() as group:
        group.create_task(load.run())
        for key, step in steps.items():
            found.append(await _one(key, step, load))
            tell(found[-1])
        load.over.set()
    found[-1].faults += await load.account()
    return found


async def _one(key: str, step: Callable[[], Awaitable[list[str]]], load: "_Load") -> Rotation:
    load.now, begun = Rotation(key), time.monotonic()
    load.now.faults += await step()
    await asyncio.sleep(2)  # a little longer: what came too early shows late
    load.now.seconds = time.monotonic() - begun
    return load.now


async def _kek(stack: Stack, old: str) -> list[str]:
    new = new_key()
    await asyncio.to_thread(stack.roll, APP_DATA_KEYS=f"{new},{old}")
    faults = await _run(stack, "seal", "rewrap", "--because", "drill")
    # From here on nobody has the old one, which the service was begun with.
    await asyncio.to_thread(stack.roll, APP_DATA_KEYS=new)
    return faults


async def _data_key(stack: Stack) -> list[str]:
    faults = await _run(stack, "seal", "rotate", "--because", "drill")
    until = time.monotonic() + RESEALED_S
    while await _run(stack, "seal", "status"):
        if time.monotonic() > until:
            return [*faults, f"rows are not sealed anew after {RESEALED_S:.0f} s"]
        await asyncio.sleep(3)
    return faults


async def _secret(stack: Stack, load: "_Load") -> list[str]:
    old, new = stack.env["APP_SECRET_KEY"], token_hex(32)
    await asyncio.to_thread(stack.roll, APP_SECRET_KEY=new, APP_FORMER_SECRET_KEY=old)
    former = load.headers(ASKER)
    load.secret = new
    await asyncio.to_thread(stack.roll, APP_FORMER_SECRET_KEY="")
    async with httpx2.AsyncClient(base_url=stack.url, timeout=15) as client:
        status = (await client.get("/v1/me", headers=former)).status_code
    return [] if status == 401 else [f"a token of the old secret key gets {status}, not 401"]


async def _vendor(stack: Stack, vendor_url: str) -> list[str]:
    old, new = stack.env["OPENAI_API_KEY"], token_hex(16)
    async with httpx2.AsyncClient(base_url=vendor_url, timeout=15) as vendor:
        await vendor.post("/_keys", json=[old, new])
        await asyncio.to_thread(stack.roll, OPENAI_API_KEY=new, ANTHROPIC_API_KEY=new)
        await vendor.post("/_keys", json=[new])
        await asyncio.sleep(3)
        await vendor.post("/_keys", json=[])
    return []


async def _run(stack: Stack, *words: str) -> list[str]:
    done = await asyncio.to_thread(stack.run, *words)
    return [] if done.returncode == 0 else [f"app {' '.join(words)}: {(done.stderr or done.stdout)[-300:]}"]


class _Load:
    """Asks at a steady rate wherever the API listens now; each conversation has several turns."""

    def __init__(self, stack: Stack) -> None:
        self._stack, self._people = stack, Settings(_env_file=None).config("people")
        self._client = httpx2.AsyncClient(timeout=30)
        self._session: str | None = None
        self._jobs: list[str] = []
        self.secret = SECRET
        self.now = Rotation("before")
        self.over = asyncio.Event()

    def headers(self, person: str) -> dict[str, str]:
        """Give a token as the present secret key signs it."""
        return {"Authorization": f"Bearer {DevelopmentIssuer(self.secret, self._people).token(person)}"}

    async def run(self) -> None:
        begun, number = time.monotonic(), 0
        async with asyncio.TaskGroup() as group:
            conversation = group.create_task(self._converse())
            while not self.over.is_set():
                group.create_task(self._job() if number % JOB_EVERY == 0 else self._turn(number))
                number += 1
                await asyncio.sleep(max(0.0, begun + number / RATE_PER_S - time.monotonic()))
            await conversation

    async def _converse(self) -> None:
        place = 0
        while not self.over.is_set():
            body = {
                "question": f"{QUESTION} ({place})",
                "session_id": self._session,
            }
            told = await self._ask("/v1/usecases/bare/turns", body, ASKER)
            place += 1
            # Long ones reach across a rotation: what was said before it is read after it.
            self._session = told.get("session_id") if place % TURNS_OF_SESSION or self._session is None else None
            await asyncio.sleep(0.5)

    async def _turn(self, number: int) -> None:
        await self._ask(
            "/v1/usecases/bare/turns",
            {"question": f"{QUESTION} ({number})"},
            ASKER,
        )

    async def _job(self) -> None:
        items = [{"question": f"{QUESTION} item {number}"} for number in range(ITEMS)]
        told = await self._ask("/v1/usecases/bare/jobs", {"items": items}, OPERATOR)
        self._jobs += [told["job_id"]] if "job_id" in told else []

    async def _ask(self, path: str, body: dict[str, Any], person: str) -> dict[str, Any]:
        rotation = self.now
        try:
            response = await self._client.post(self._stack.url + path, json=body, headers=self.headers(person))
            told: dict[str, Any] = response.json()
            outcome = told.get("outcome", str(response.status_code))
            is_good = response.status_code == 202 or outcome in GOOD
        except httpx2.HTTPError as error:
            told, outcome, is_good = {}, type(error).__name__, False
        rotation.asked[outcome] += 1
        if not is_good:
            rotation.faults.append(f"{path.rpartition('/')[2]}: {outcome} {told.get('detail', '')}"[:200])
        return told

    async def account(self) -> list[str]:
        """Say which accepted jobs did not end well; they may take a moment more."""
        faults = []
        await self._client.aclose()
        async with httpx2.AsyncClient(timeout=30) as client:
            for job_id in self._jobs:
                job = await self._ended(client, job_id)
                answered = [item for item in job.get("items", []) if item["outcome"] in GOOD]
                if job.get("status") != "succeeded" or len(answered) != ITEMS:
                    faults.append(f"job {job_id}: {job.get('status')}, {len(answered)} of {ITEMS} answered")
        return faults

    async def _ended(self, client: httpx2.AsyncClient, job_id: str) -> dict[str, Any]:
        until = time.monotonic() + 60
        while True:
            url = f"{self._stack.url}/v1/jobs/{job_id}"
            job: dict[str, Any] = (await client.get(url, headers=self.headers(OPERATOR))).json()
            if job.get("status") in ("succeeded", "failed", "cancelled") or time.monotonic() > until:
                return job
            await asyncio.sleep(0.5)
