"""The floor: our duties, written by hand for speed alone. What it does not do is what makes a service of it.

Identity (RS256), JSON, masking by one expression, one Redis script before (rate, budget, cache), the call, one Redis
pipeline after (settle, cache, ledger stream), timed steps. No contract, deadline, retry, breaker, ladder, check,
PostgreSQL, session, problem document. Run by uvicorn, with its addresses in FLOOR_* variables.
"""

import hashlib
import os
import re
import time
from base64 import urlsafe_b64decode
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import orjson
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256
from redis.asyncio import Redis

Send = Callable[[dict[str, Any]], Awaitable[None]]
PERSONAL = re.compile(
    r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}|\b\d(?:[ -]?\d){12,18}\b"
    r"|\b(?:\d{1,3}\.){3}\d{1,3}\b|(?<![\w.])\+\d{1,3}[ ()-]{0,2}\d(?:[ ()-]{0,2}\d){6,11}"
)
SYSTEM = "You answer questions of staff about how the company works. " * 8
BEFORE = """
local asked = redis.call('INCR', KEYS[1])
if asked == 1 then redis.call('EXPIRE', KEYS[1], 60) end
if asked > tonumber(ARGV[1]) then return {'rate'} end
if tonumber(redis.call('GET', KEYS[2]) or '0') > tonumber(ARGV[2]) then return {'budget'} end
return {'ok', redis.call('GET', KEYS[3]) or ''}
"""
JSON = [(b"content-type", b"application/json")]
EVENTS = [(b"content-type", b"text/event-stream")]


class Floor:
    """One ASGI application."""

    def __init__(self) -> None:
        self._vendor = os.environ["FLOOR_VENDOR"] + "/v1/chat/completions"
        self._redis = Redis.from_url(os.environ["FLOOR_REDIS"])
        self._before = self._redis.register_script(BEFORE)
        self._key = public_key(orjson.loads(os.environ["FLOOR_KEYS"]))
        self._http: aiohttp.ClientSession | None = None
        self._spans: deque[tuple[str, float]] = deque(maxlen=10_000)

    async def __call__(
        self, scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Send
    ) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            return await self._live(receive, send)
        if scope["path"] == "/health":
            return await reply(send, 200, JSON, b"{}")
        headers = dict(scope["headers"])
        body = (await receive())["body"]
        started = time.perf_counter()
        who = self._who(headers[b"authorization"][7:])
        asked = orjson.loads(body)["question"]
        masks: dict[str, str] = {}
        question = PERSONAL.sub(lambda found: masked(found.group(), masks), asked)
        cached = f"f:cache:{hashlib.sha256(question.encode()).hexdigest()}"
        keys = [f"f:rate:{who}", f"f:spent:{who}", cached]
        allowed = await self._before(keys=keys, args=[1_000_000, 1_000_000])
        if allowed[0] != b"ok" or self._http is None:
            return await reply(send, 429, JSON, b"{}")
        self._spans.append(("before", time.perf_counter() - started))
        if b"event-stream" in headers.get(b"accept", b""):
            said, usage = await self._stream(send, question, masks)
        else:
            said, usage = await self._ask(question)
        said = unmasked(said, masks)
        await self._after(keys, who, said=said, usage=usage)
        self._spans.append(("turn", time.perf_counter() - started))
        whole = orjson.dumps({"answer": said, "usage": usage})
        if b"event-stream" in headers.get(b"accept", b""):
            return await send({"type": "http.response.body", "body": b"event: end\ndata: " + whole + b"\n\n"})
        return await reply(send, 200, JSON, whole)

    async def _live(self, receive: Callable[[], Awaitable[dict[str, Any]]], send: Send) -> None:
        while (message := await receive())["type"] != "lifespan.shutdown":
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
            await send({"type": message["type"] + ".complete"})
        if self._http is not None:
            await self._http.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _who(self, token: bytes) -> str:
        signed, _, signature = token.rpartition(b".")
        self._key.verify(decoded(signature), signed, PKCS1v15(), SHA256())
        claims = orjson.loads(decoded(signed.partition(b".")[2]))
        assert claims["exp"] > time.time(), "the token has expired"
        return str(claims["sub"])

    def _request(self, question: str, *, stream: bool) -> bytes:
        messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": question}]
        return orjson.dumps({"model": "gpt-6-sol", "messages": messages, "max_tokens": 500, "stream": stream})

    async def _ask(self, question: str) -> tuple[str, dict[str, int]]:
        assert self._http is not None
        async with self._http.post(self._vendor, data=self._request(question, stream=False), headers=TYPE) as answer:
            told = orjson.loads(await answer.read())
        return told["choices"][0]["message"]["content"], told["usage"]

    async def _stream(self, send: Send, question: str, masks: dict[str, str]) -> tuple[str, dict[str, int]]:
        assert self._http is not None
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        said: list[str] = []
        usage: dict[str, int] = {}
        async with self._http.post(self._vendor, data=self._request(question, stream=True), headers=TYPE) as answer:
            async for line in answer.content:
                if not line.startswith(b"data: {"):
                    continue
                chunk = orjson.loads(line[6:])
                text = chunk["choices"][0]["delta"].get("content", "") if chunk["choices"] else ""
                usage = chunk.get("usage") or usage
                if text:
                    said.append(text)
                    delta = b"event: delta\ndata: " + orjson.dumps({"text": unmasked(text, masks)}) + b"\n\n"
                    await send({"type": "http.response.body", "body": delta, "more_body": True})
        return "".join(said), usage

    async def _after(self, keys: list[str], who: str, *, said: str, usage: dict[str, int]) -> None:
        spent = usage["prompt_tokens"] * 2e-6 + usage["completion_tokens"] * 8e-6
        async with self._redis.pipeline(transaction=False) as pipe:
            pipe.incrbyfloat(keys[1], spent)
            pipe.set(keys[2], said, ex=60)
            row: dict[Any, Any] = {"who": who, "answer": said, "usd": spent}
            pipe.xadd("f:ledger", row, maxlen=100_000, approximate=True)
            await pipe.execute()


TYPE = {"content-type": "application/json", "authorization": "Bearer none"}


def public_key(keys: dict[str, Any]) -> RSAPublicKey:
    """Give the first key of a set."""
    numbers = (int.from_bytes(decoded(keys["keys"][0][part].encode()), "big") for part in ("e", "n"))
    return RSAPublicNumbers(*numbers).public_key()


def decoded(text: bytes) -> bytes:
    """Decode what a token holds."""
    return urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def masked(value: str, masks: dict[str, str]) -> str:
    """Give a placeholder, and keep what it stands for."""
    name = f"<P_{len(masks) + 1}>"
    masks[name] = value
    return name


def unmasked(text: str, masks: dict[str, str]) -> str:
    """Put back what placeholders stand for."""
    for name, value in masks.items():
        text = text.replace(name, value)
    return text


async def reply(send: Send, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    """Send a whole response."""
    size = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [*headers, size]})
    await send({"type": "http.response.body", "body": body})


def app() -> Floor:
    """Build the floor; uvicorn calls this."""
    return Floor()
