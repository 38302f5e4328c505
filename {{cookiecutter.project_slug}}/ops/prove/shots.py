"""Requests to throw at the service: made from its own description by schemathesis, from its pages by hypothesis, and
hundreds of thousands more by breaking those. The same seed gives the same requests.
"""

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode

from ops.prove import planted

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
NAMES = ("answers", "bare", "letters", "handbook", "cached", "forms", "triage", "ai", "olga.petrov")
# Values that have broken services before.
HOSTILE: tuple[Any, ...] = (
    *(None, True, -1, 0, 2**31, 2**63, -(2**63) - 1, 1e308, "", " ", "\x00", "\ud800", "\u202e", "a" * 5000),
    *("٣", "%00", "../../etc/passwd", "' OR 1=1 --", "[[1]]", "<script>alert(1)</script>", [], {}, [[]] * 50),
    *("9999-12-31T23:59:59Z", "0001-01-01", "NaN", "é" * 300, "😀" * 100, {"$ref": "#"}),
    *(*planted.EVERY, planted.SENTENCE),
)
RAW = (b"", b"{", b"\xff\xfe{", b"[" * 3000, b'{"question": ' + b"9" * 5000 + b"}", b"null", b'"a"', b"\x00" * 10)
HEADERS: tuple[tuple[str, str], ...] = (
    *(
        ("Content-Type", each)
        for each in (JSON, FORM, "text/plain", "multipart/form-data", "a", "application/json; x=\x7f")
    ),
    *(("Accept", each) for each in ("text/event-stream", "*/*", "application/xml", "text/event-stream;q=0", "")),
    *(("Idempotency-Key", each) for each in ("k", "k" * 200, "k" * 201, "a b", "1")),
    *(
        ("Authorization", each)
        for each in ("Bearer", "Bearer ", f"Bearer {planted.TOKEN}", "Basic YTpi", "Bearer a.b.c")
    ),
    *(("Cookie", each) for each in ("identity=a", "identity=", f"identity={planted.TOKEN}; a=b", ";;;=")),
    *(("X-Request-Id", each) for each in (planted.EMAIL, "x" * 101, "a b", planted.KEY)),
    *(("traceparent", each) for each in ("00-0-0-0", "ff-" + "0" * 32 + "-" + "0" * 16 + "-01", "a")),
    *(("Last-Event-ID", each) for each in ("-1", "a", "99999999999999999999", "1")),
    *(("Origin", each) for each in ("http://evil.example", "null", "")),
    *(("Range", "bytes=0-1"), ("If-None-Match", "*"), ("X-Forwarded-For", planted.EMAIL), ("Host", "evil.example")),
    *(("Accept-Language", "zz" * 50), ("Content-Encoding", "gzip"), ("Expect", "200-ok"), ("Upgrade", "h2c")),
)


@dataclass(frozen=True, slots=True)
class Shot:
    """One request; `made` says by whom: schemathesis, hypothesis, or by breaking one of theirs."""

    method: str
    url: str
    label: str
    made: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Page:
    """A route that stands in no description: its path, its method, and the names of its inputs."""

    method: str
    path: str
    inputs: tuple[str, ...]


def described(description: Mapping[str, Any], *, each: int, number: int, give: Callable[[Shot], None]) -> None:
    """Make requests for every operation of an OpenAPI description: half as it says, half against it."""
    schema: Any = schemathesis.openapi.from_dict(dict(description))
    for operation in (found.ok() for found in schema.get_all_operations()):
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _drawn(
                operation.as_strategy(generation_mode=mode),
                max(1, each // 2),
                number,
                lambda case: give(_of_case(case)),
            )


def pages(known: Sequence[Page], *, each: int, number: int, give: Callable[[Shot], None]) -> None:
    """Make requests for pages and their forms."""
    said = st.sampled_from((*NAMES, *(value for value in HOSTILE if isinstance(value, str)))) | st.text(max_size=60)
    for page in known:
        inputs = st.fixed_dictionaries({}, optional=dict.fromkeys((*page.inputs, "strange"), said))
        _drawn(st.tuples(inputs, said), each, number, _given(page, give))


def _given(page: Page, give: Callable[[Shot], None]) -> Callable[[Any], None]:
    return lambda drawn: give(_of_page(page, *drawn))


def _drawn(strategy: Any, count: int, number: int, take: Callable[[Any], None]) -> None:
    @seed(number)
    @given(strategy)
    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def draw(drawn: Any) -> None:
        take(drawn)

    # What takes no input cannot be asked against its description.
    with suppress(Unsatisfiable):
        draw()


def _of_case(case: Any) -> Shot:
    asked = requests.Request(**case.as_transport_kwargs(base_url="http://fuzz")).prepare()
    body = asked.body or b""
    kept = {"content-type", *(name.lower() for name in case.headers or ())}
    headers = {name: str(value) for name, value in asked.headers.items() if name.lower() in kept}
    return Shot(
        str(asked.method),
        str(asked.path_url),
        f"{case.method} {case.path}",
        "schemathesis",
        headers,
        body if isinstance(body, bytes) else str(body).encode(errors="surrogatepass"),
    )


def _of_page(page: Page, inputs: Mapping[str, str], word: str) -> Shot:
    path = page.path
    while "{" in path:
        head, _, rest = path.partition("{")
        path = head + quote(word or "-", safe="", errors="surrogatepass") + rest.partition("}")[2]
    sent = urlencode(list(inputs.items()), errors="surrogatepass")
    label = f"{page.method} {page.path}"
    if page.method == "GET":
        return Shot("GET", f"{path}?{sent}", label, "hypothesis")
    return Shot(page.method, path, label, "hypothesis", {"Content-Type": FORM}, sent.encode())


def broken(shot: Shot, luck: random.Random, ids: Sequence[str]) -> Shot:
    """Break a request in one to three places; `ids` are of things that there are."""
    for _ in range(luck.choice((1, 1, 1, 2, 3))):
        shot = luck.choice(WAYS)(shot, luck, ids)
    return replace(shot, made="broken")


def _value(shot: Shot, luck: random.Random, _: Sequence[str]) -> Shot:
    """Put a hostile value into the JSON, or take a part of it away."""
    try:
        body = orjson.loads(shot.body)
    except orjson.JSONDecodeError:
        return _bytes(shot, luck, ())
    places = list(_places(body))
    if not places:
        return replace(shot, body=_dumped(luck.choice(HOSTILE)))
    holder, key = luck.choice(places)
    how = luck.random()
    if how < 0.15 and isinstance(holder, dict):
        del holder[key]
    elif how < 0.25 and isinstance(holder, dict):
        holder[luck.choice(("__proto__", "strange", "", planted.QUESTION))] = luck.choice(HOSTILE)
    else:
        holder[key] = luck.choice(HOSTILE)
    return replace(shot, body=_dumped(body))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(pairs):
        yield value, key
        yield from _places(inner)


def _dumped(value: Any) -> bytes:
    # Lone surrogates and huge numbers are what a client may send, so no strict writer will do.
    return json.dumps(value, ensure_ascii=True).encode()


def _bytes(shot: Shot, luck: random.Random, _: Sequence[str]) -> Shot:
    body = bytearray(shot.body)
    if not body or luck.random() < 0.3:
        return replace(shot, body=luck.choice(RAW))
    place = luck.randrange(len(body))
    if luck.random() < 0.5:
        return replace(shot, body=bytes(body[:place]))
    body[place] = luck.randrange(256)
    return replace(shot, body=bytes(body))


def _header(shot: Shot, luck: random.Random, _: Sequence[str]) -> Shot:
    name, value = luck.choice(HEADERS)
    return replace(shot, headers={**shot.headers, name: value})


def _path(shot: Shot, luck: random.Random, ids: Sequence[str]) -> Shot:
    path, mark, query = shot.url.partition("?")
    parts = path.split("/")
    place = luck.randrange(1, len(parts)) if len(parts) > 1 else 0
    strange = ("%00", "..%2f..", "%ff", "a" * 2000, "-1", quote(planted.EMAIL), quote(planted.NAME), "", "%", "*", "٣")
    parts[place] = luck.choice((*ids, *NAMES)) if ids and luck.random() < 0.6 else luck.choice(strange)
    return replace(shot, url=quote("/".join(parts), safe="/%*") + mark + query)


def _query(shot: Shot, luck: random.Random, _: Sequence[str]) -> Shot:
    path, _mark, query = shot.url.partition("?")
    names = (
        "limit",
        "offset",
        "status",
        "usecase",
        "hours",
        "by",
        "reason",
        "group",
        "before",
        "after",
        "v",
        "next",
        "q",
    )
    value = str(luck.choice(HOSTILE)).encode(errors="replace").decode()[:300]
    return replace(shot, url=f"{path}?{query}&{luck.choice(names)}={quote(value)}".replace("?&", "?"))


def _method(shot: Shot, luck: random.Random, _: Sequence[str]) -> Shot:
    return replace(shot, method=luck.choice(("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")))


WAYS = (_value, _value, _value, _value, _bytes, _header, _header, _path, _path, _query, _method)
