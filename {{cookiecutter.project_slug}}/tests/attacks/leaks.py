"""Attempts to learn that something is there: counts, places, times of work, errors, statements in words."""

import re
from urllib.parse import quote
from uuid import uuid4

from tests.attacks.ground import OLGA, SAM, Ground, attack

THEME = "existence and counts"
STATEMENTS = (
    "' OR 1=1 --",
    "'; DROP TABLE chunks; --",
    "') UNION SELECT text FROM chunks --",
    "%' OR readers && '{everyone}' --",
    "a & !b | c <-> d:*",
    "'a' <2> 'b' & (c",
    ":names",
    ":vector",
    "%(names)s",
    "$1",
    "{group:executives}",
    "\\x00",
    "\x1f",
    "group:executives\x1fgroup:executives",
    "\\' || (SELECT text FROM chunks LIMIT 1) || '",
    "*",
    "%",
    "_",
)


@attack(THEME, "a document that is there, beside one that is not")
async def one_and_none(ground: Ground) -> None:
    secret = await ground.secret()
    for method, tail, more in (
        ("GET", "", {}),
        ("DELETE", "", {}),
        ("PUT", "/access", {"json": {"readers": ["everyone"]}}),
        ("GET", "/readers", {}),
        ("GET", "/content", {}),
        ("GET", "/chunks", {}),
        ("GET", "/versions", {}),
    ):
        told = []
        for id in (secret.id, uuid4()):
            with ground.count() as work:
                response = await ground.send(SAM, method, f"/v1/documents/{id}{tail}", **more)
            same = response.text.replace(str(id), "ID")
            # Its own number of a request is the one thing in which two refusals may differ.
            for name in ("x-request-id", "traceparent"):
                same = same.replace(response.headers.get(name, "\x00"), "")
            told.append((response.status_code, _without_ids(same), work.statements))
        assert told[0] == told[1], f"{method} {tail}"


def _without_ids(text: str) -> str:
    return re.sub(r"[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}", "ID", text)


@attack(THEME, "pages, limits and offsets of a list")
async def paging(ground: Ground) -> None:
    before = await _all(ground)
    await ground.secret()
    await ground.secret()
    assert await _all(ground) == before, "a list is as long, and has the same gaps, whatever one may not read"


async def _all(ground: Ground) -> list[list[str]]:
    pages = []
    for limit, offset in ((1, 0), (1, 1), (2, 0), (500, 0), (1, 400), (500, 1)):
        found = await ground.send(SAM, "GET", f"/v1/documents?usecase=vault&limit={limit}&offset={offset}")
        pages.append([document["id"] for document in found.json()])
        assert not [name for name in found.headers if "total" in name.lower() or "count" in name.lower()]
    return pages


@attack(THEME, "scores and places before and after a document that one may not read")
async def scores(ground: Ground) -> None:
    topic = await ground.secret(readers=("everyone",))
    topic.readers = ("everyone", "group:executives")
    question = topic.question
    first = (await ground.ask(SAM, question)).json()
    for _ in range(3):
        await ground.secret(subject=topic.subject)
    second = (await ground.ask(SAM, question)).json()
    told = [(await ground.send(SAM, "GET", f"/v1/turns/{turn['turn_id']}")).json() for turn in (first, second)]
    assert _passages(told[0]) == _passages(told[1]), "what one may not read changes no score of what one may"
    assert first["answer"] == second["answer"]


def _passages(story: dict[str, object]) -> list[tuple[object, ...]]:
    passages = story["passages"]
    assert isinstance(passages, list) and passages
    return [(each.get("document_id"), each.get("score"), each.get("heading")) for each in passages]


@attack(THEME, "statements of the database in questions")
async def in_questions(ground: Ground) -> None:
    secret = await ground.secret()
    for words in STATEMENTS:
        response = await ground.ask(SAM, f"{words} {secret.subject} {words}")
        assert response.status_code in (200, 422), (words, response.text)
    assert secret.word in (await ground.told(secret))["answer"], "nothing was dropped"


@attack(THEME, "statements of the database in filters, orders and ids")
async def in_filters(ground: Ground) -> None:
    secret = await ground.secret()
    for words in STATEMENTS:
        for name in ("usecase", "limit", "offset", "order", "order_by", "sort", "filter", "readers", "q", "source"):
            response = await ground.send(SAM, "GET", "/v1/documents", params={name: words, "limit": "500"})
            assert response.status_code in (200, 422), (name, words, response.text)
            if name == "usecase" and response.status_code == 200:
                assert response.json() == []
        for url in ("/v1/documents", "/v1/turns", "/v1/sessions", "/v1/jobs", "/v1/usecases"):
            response = await ground.send(SAM, "GET", f"{url}/{_quoted(words)}")
            assert response.status_code in (200, 404, 405, 422), (url, words, response.text)
    assert secret.word in (await ground.told(secret))["answer"]


def _quoted(words: str) -> str:
    return quote(words, safe="")


@attack(THEME, "other use cases by name, path and query")
async def other_usecases(ground: Ground) -> None:
    secret = await ground.secret(usecase="directors", readers=("group:executives",))
    for url in (
        "/v1/documents?usecase=directors&limit=500",
        "/v1/documents?usecase=vault&usecase=directors",
        "/v1/usecases/directors",
        "/v1/documents?usecase=DIRECTORS",
        "/v1/documents?usecase=../directors",
        "/v1/documents?usecase=%25",
        f"/v1/documents/{secret.id}?usecase=directors",
        "/?usecase=directors",
        "/console/turns?usecase=directors",
    ):
        await ground.send(SAM, "GET", url)
    for usecase in ("vault?usecase=directors", "vault/../directors", "vault%2f..%2fdirectors", "directors%00"):
        response = await ground.send(SAM, "POST", f"/v1/usecases/{usecase}/turns", json={"question": secret.question})
        assert response.status_code in (200, 403, 404, 405, 422)


@attack(THEME, "what goes wrong, and how it is told")
async def errors(ground: Ground) -> None:
    secret = await ground.secret(filename="plan.md")
    for method, url, more in (
        ("POST", "/v1/usecases/vault/turns", {"content": b"{"}),
        ("POST", "/v1/usecases/vault/turns", {"json": {"question": secret.question, "session_id": "1 OR 1=1"}}),
        ("POST", "/v1/usecases/vault/turns", {"json": {"question": secret.question * 3000}}),
        ("POST", "/v1/usecases/vault/turns", {"json": {"question": [secret.question]}}),
        ("POST", "/v1/documents", {"data": {"usecase": "vault"}}),
        ("GET", f"/v1/documents/{secret.id}x", {}),
        ("GET", f"/v1/documents/{secret.filename}", {}),
        ("GET", "/v1/documents?limit=0", {}),
        ("GET", "/v1/documents?offset=-1", {}),
        ("GET", "/v1/documents?limit=1e9", {}),
        ("POST", f"/v1/documents/{secret.id}/access", {"json": {}}),
        ("GET", f"/documents/{secret.filename}", {}),
        ("GET", f"/static/../{secret.filename}", {}),
    ):
        response = await ground.send(SAM, method, url, **more)
        assert 400 <= response.status_code < 500, (url, response.status_code)
        assert "Traceback" not in response.text and "SELECT" not in response.text


@attack(THEME, "a vendor that fails while it holds a passage")
async def failing(ground: Ground) -> None:
    # Erin's own; the log, the span and the metrics must not say what she was told.
    secret = await ground.secret()
    for fault in ("500", "cut", "malformed", "400", "trails_off"):
        mark = ground.vendor.plan(f"{fault.replace('_', '')}{secret.subject}", f"{fault}*")
        await ground.client.post(
            "/v1/usecases/vault/turns",
            json={"question": f"{secret.question} {mark}"},
            headers=dict(secret.owner.headers),
        )
        await ground.send(SAM, "GET", "/v1/sessions")


@attack(THEME, "operators' lists, costs and metrics")
async def operators(ground: Ground) -> None:
    secret = await ground.secret()
    await ground.told(secret)
    for url in (
        "/v1/admin/audit",
        "/v1/admin/costs",
        "/v1/admin/flags",
        "/v1/admin/forecast",
        "/console/audit",
        "/v1/admin/spending",
        "/v1/admin/turns",
        "/console/costs",
        "/console/documents",
        "/console/jobs",
        "/console/turns",
        "/console",
        "/v1/jobs",
        "/v1/sessions",
        "/v1/documents?limit=500",
        "/metrics",
        "/health/ready",
    ):
        await ground.send(OLGA, "GET", url)
        refused = await ground.send(SAM, "GET", url)
        assert refused.status_code in (200, 303, 403), (url, refused.status_code)
