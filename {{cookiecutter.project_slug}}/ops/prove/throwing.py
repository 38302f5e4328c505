"""Throwing requests at a door, as people by their tokens and by their cookies, and keeping what came back."""

import asyncio
import itertools
import random
import re
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson
from fastapi.routing import APIRoute

from app.api.permissions import flat
from app.console import pages as console
from ops.prove import planted, shots
from ops.prove.shots import Page, Shot

# Documented refusals of a service that works: an operator's switch, a process with all its hands full; and what the
# server in front of the application says of bytes that are no HTTP.
NAMED = ("paused", "overloaded", "no-http")
NO_HTTP = "Invalid HTTP request received."
# For each request that was made, so many broken ones.
BROKEN_EACH = 4
ROUNDS = 4
PATIENCE_S, LISTEN_S = 60.0, 2.0
MOST_IDS = 200
ENDLESS = ("/events", "/console/live")
TYPED = re.compile(r"""\bvalue="[^"]*"|<textarea.*?</textarea>|<option.*?</option>|<tbody>.*?</tbody>""", re.DOTALL)
RESUME_EVERY = 100
HEADERS = ("x-request-id", "content-security-policy", "x-content-type-options")
IDS = ("turn_id", "session_id", "job_id", "id", "x_turn_id")


@dataclass(slots=True)
class Tally:
    """What came back so far; `heard` are planted words by where they were found."""

    statuses: Counter[int] = field(default_factory=Counter)
    made: Counter[str] = field(default_factory=Counter)
    labels: Counter[str] = field(default_factory=Counter)
    named: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)
    times_s: list[float] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    unsent: int = 0
    left: int = 0
    again: int = 0
    broke: list[str] = field(default_factory=list)

    def hear(self, where: str, text: str, *, of: str = "", words: Sequence[str] = planted.EVERY) -> None:
        """Look for planted words in what the service tells about itself."""
        self.read[where] += len(text)
        self.heard += [
            f"{word} in {where}{of}{_around(word, text) if of else ''}" for word in planted.found_in(text, words)
        ]

    def read_log(self, name: str, text: str) -> None:
        """Look for planted words in a log, and keep what it says of errors that nobody foresaw."""
        self.hear(f"log {name}", text)
        self.broke += [line[:1000] for line in text.splitlines() if ".broke" in line or "Exception in ASGI" in line]

    def take(self, shot: Shot, answer: httpx2.Response | None, seconds: float) -> None:
        """Judge one answer, and keep the ids that it names; None is a stream that was left."""
        if answer is None:
            self.left += 1
            return
        self.statuses[answer.status_code] += 1
        self.made[shot.made] += 1
        self.labels[shot.label] += 1
        self.times_s.append(seconds)
        body = answer.text
        if answer.status_code >= 400:
            # A form that is given back holds what was typed into it, and rows that others' requests left; what is said
            # about it does not.
            self.hear(
                "error answers",
                TYPED.sub("", body),
                of=f" of {answer.status_code} {shot.label}",
                words=planted.UNREPEATED,
            )
        fault = _fault(shot, answer, body)
        if fault in NAMED:
            self.named[fault] += 1
        elif fault:
            self.faults.append(f"{shot.made} {shot.method} {shot.url[:200]} {shot.body[:200]!r}: {fault}")
        elif answer.status_code < 300 and len(self.ids) < MOST_IDS:
            self.ids += _ids(body)


def _around(word: str, text: str) -> str:
    place = text.casefold().find(word.replace(" ", "").casefold())
    return f": {text[max(0, place - 60) : place + 60]!r}" if place >= 0 else ""


def _fault(shot: Shot, answer: httpx2.Response, body: str) -> str:
    """Say what is wrong with an answer; the name of a documented refusal, or nothing."""
    # What the web server cannot read never reaches us; an answer to HEAD has no words.
    said = body or (NO_HTTP if shot.method == "HEAD" and "x-request-id" not in answer.headers else "")
    if answer.status_code == 400 and said == NO_HTTP:
        return NAMED[-1]
    lacking = [name for name in HEADERS if name not in answer.headers]
    if lacking:
        return f"{answer.status_code} without {', '.join(lacking)}"
    if answer.status_code < 400 or not body or "text/html" in answer.headers.get("content-type", ""):
        return str(answer.status_code) if answer.status_code >= 500 else ""
    try:
        told = orjson.loads(body)
        error = told.get("error") or told
        slug = str(error.get("code") or error.get("type", "")).rpartition("/")[2].replace("_", "-")
    except (orjson.JSONDecodeError, AttributeError):
        return f"{answer.status_code} that is no problem document: {body[:200]}"
    if answer.status_code >= 500:
        return slug if slug in NAMED else f"{answer.status_code} {body[:300]}"
    return "" if slug and "request_id" in error else f"{answer.status_code} that is no problem document: {body[:200]}"


def _ids(body: str) -> Iterator[str]:
    with suppress(orjson.JSONDecodeError):
        told = orjson.loads(body)
        for each in (told if isinstance(told, list) else [told])[:5]:
            if isinstance(each, dict):
                yield from (str(each[name]) for name in IDS if each.get(name))


class Thrower:
    """Throws requests at a door, as people by their tokens and by their cookies."""

    def __init__(
        self,
        door: httpx2.AsyncClient,
        bearers: Sequence[Mapping[str, str]],
        seats: Sequence[Mapping[str, str]],
        *,
        told: Callable[[], object] = lambda: None,
    ) -> None:
        self._door, self._bearers, self._seats, self._told = door, bearers, seats, told
        self.tally = Tally()

    async def throw(self, description: Mapping[str, Any], *, count: int, number: int, at_once: int) -> None:
        """Send so many requests, so many at once."""
        luck = random.Random(number)  # noqa: S311 - the same requests again for the same seed
        waiting: asyncio.Queue[Shot | None] = asyncio.Queue(maxsize=at_once * 4)
        maker = asyncio.create_task(self._make(waiting, description, count=count, luck=luck))
        senders = [asyncio.create_task(self._send_all(waiting, random.Random(f"{number}.{n}"))) for n in range(at_once)]  # noqa: S311
        await maker
        for _ in senders:
            await waiting.put(None)
        await asyncio.gather(*senders)

    async def _make(
        self, waiting: "asyncio.Queue[Shot | None]", description: Mapping[str, Any], *, count: int, luck: random.Random
    ) -> None:
        left = count
        async with aclosing(_made(description, count=count, number=luck.randrange(2**32))) as made:
            async for shot in made:
                for each in (shot, *(shots.broken(shot, luck, self.tally.ids) for _ in range(BROKEN_EACH))):
                    if left == 0:
                        return
                    await waiting.put(each)
                    left -= 1

    async def _send_all(self, waiting: "asyncio.Queue[Shot | None]", luck: random.Random) -> None:
        while (shot := await waiting.get()) is not None:
            await self._send(shot, luck)
            self._told()
            if sum(self.tally.statuses.values()) % RESUME_EVERY == 0:
                await self._resume()

    async def _send(self, shot: Shot, luck: random.Random) -> None:
        by_cookie = not shot.url.startswith(("/v1/", "/openai/")) or luck.random() < 0.1
        people = self._seats if by_cookie else self._bearers
        # Half by the operator, who comes furthest: others are mostly told that they may not.
        who = {} if luck.random() < 0.05 else people[-1] if luck.random() < 0.5 else luck.choice(people)
        headers = {**{name.lower(): value for name, value in who.items()}, **_writable(shot.headers)}
        started = time.monotonic()
        try:
            answer = await self._answered(shot, headers)
        except (httpx2.LocalProtocolError, httpx2.InvalidURL):
            # What no client can write; the tests of the gate write such bytes themselves.
            self.tally.unsent += 1
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            self.tally.faults.append(f"{shot.made} {shot.method} {shot.url[:200]} {sorted(headers)}: {error!r}")
        else:
            self.tally.take(shot, answer, time.monotonic() - started)

    async def _answered(self, shot: Shot, headers: Mapping[str, str]) -> httpx2.Response | None:
        """Give the answer; nothing of a stream without an end, which is listened to for a while."""
        request = self._door.build_request(shot.method, shot.url, headers=dict(headers), content=shot.body or None)
        is_endless = any(each in shot.url for each in ENDLESS)
        try:
            async with asyncio.timeout(LISTEN_S if is_endless else PATIENCE_S):
                try:
                    return await self._door.send(request)
                except (httpx2.ReadError, httpx2.RemoteProtocolError):
                    # A server may hang up on an idle connection in the moment in which it is used again.
                    self.tally.again += 1
                    return await self._door.send(request)
        except (TimeoutError, httpx2.ReadTimeout):
            if is_endless:
                return None
            raise

    async def _resume(self) -> None:
        """Turn on again what a request has turned off: all that comes after it would be refused."""
        operator = dict(self._bearers[-1])
        flags = await self._door.get("/v1/admin/flags", headers=operator)
        for flag in flags.json() if flags.status_code == 200 else ():
            if flag["definition"].get("defaultVariant") == "off":
                subject = flag["key"].removeprefix("kill.")
                body = {"subject": subject, "enabled": True, "reason": "the next requests shall reach the model"}
                await self._door.post("/v1/admin/flags", json=body, headers=operator)


def _writable(headers: Mapping[str, str]) -> dict[str, str]:
    return {
        name.lower(): value.encode(errors="replace")
        .decode("latin-1")
        .replace("\r", " ")
        .replace("\n", " ")
        .replace("\x00", "")
        for name, value in headers.items()
    }


async def _made(description: Mapping[str, Any], *, count: int, number: int) -> AsyncGenerator[Shot, None]:
    """Give requests as fast as they are taken: making them is a library's work, in a thread of its own."""
    loop, made = asyncio.get_running_loop(), asyncio.Queue[Shot | None](maxsize=200)
    operations = sum(len(each) for each in description["paths"].values())
    known = list(known_pages(description))
    # In several rounds: each goes through every route, and some have few variants.
    each = max(2, count // ((BROKEN_EACH + 1) * (operations + len(known)) * ROUNDS))
    stop = threading.Event()

    def give(shot: Shot | None) -> None:
        if stop.is_set():
            raise _Enough
        asyncio.run_coroutine_threadsafe(made.put(shot), loop).result()

    def make() -> None:
        try:
            with suppress(_Enough):
                for turn in itertools.count(number):
                    shots.described(description, each=each, number=turn, give=give)
                    shots.pages(known, each=each, number=turn, give=give)
        finally:
            # Whoever waits for more hears of the end when a library has given up.
            with suppress(_Enough):
                give(None)

    making = loop.run_in_executor(None, make)
    try:
        while (shot := await made.get()) is not None:
            yield shot
    finally:
        stop.set()
        while not making.done():
            with suppress(asyncio.QueueEmpty):
                made.get_nowait()
            await asyncio.sleep(0.01)
        await making


class _Enough(Exception):
    """No more requests are taken."""


def known_pages(description: Mapping[str, Any]) -> Iterator[Page]:
    """Give the routes that the description leaves out: the pages, and their forms with their inputs."""
    for router in console.ROUTERS:
        for route in flat(router.routes):
            if isinstance(route, APIRoute) and route.path not in description["paths"]:
                for method in sorted((route.methods or set()) - {"HEAD"}):
                    yield Page(method, route.path, tuple(_inputs(route)))


def _inputs(route: APIRoute) -> Iterator[str]:
    for each in (*route.dependant.query_params, *route.dependant.body_params):
        model = getattr(each.field_info.annotation, "model_fields", None)
        yield from model or (each.alias,)
