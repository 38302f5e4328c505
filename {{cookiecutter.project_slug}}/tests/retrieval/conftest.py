"""Databases of both roles, and documents in a use case of their own for each test."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.domain.access import Access
from app.domain.identity import Principal
from app.retrieval.embed import LexicalEmbedder
from app.retrieval.search import Searcher
from app.store import documents
from app.store.db import Database
from app.store.documents import Content, Facts, Piece

Write = Callable[..., Awaitable[UUID]]
Ask = Callable[..., Awaitable[list[str]]]


@pytest.fixture
def usecase() -> str:
    return f"test_{uuid4().hex}"


@pytest.fixture
async def reading(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def writing(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, role="app_ingest")
    yield database
    await database.close()


@pytest.fixture
def write(writing: Database, usecase: str) -> Write:
    async def write(path: str, text: str, *, readers: tuple[str, ...] = ("everyone",), **facts: Any) -> UUID:
        vectors = await LexicalEmbedder().embed([text])
        pieces = (Piece("", None, text, False, {1: vectors[0]}),)
        known = Facts(usecase, "test", path, f"Title of {path}", Access(readers), "text/plain", **facts)
        id = documents.document_id(usecase, "test", path)
        async with writing.work() as work:
            await documents.save(work, id, known, Content("hash", pieces))
        return id

    return write


@pytest.fixture
def ask(reading: Database, usecase: str) -> Ask:
    async def ask(question: str, *groups: str, user: str = "ada", limit: int = 20) -> list[str]:
        who = Principal(user, groups=groups)
        found = await Searcher(reading, LexicalEmbedder()).search(question, principal=who, usecase=usecase, limit=limit)
        return [passage.uri for passage in found]

    return ask
