"""The rooms of documents: read apart, embedded, searched, taken in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.control.people import People
from app.domain.identity import Principal
from app.domain.job import Job
from app.domain.usecase import UseCase
from app.guard.injection import is_suspicious
from app.retrieval.reading import ReadingRoom
from app.retrieval.reading_limits import MEGABYTE, Limits
from app.retrieval.search import Searcher
from app.retrieval.sources import Sources
from app.retrieval.spaces import Spaces
from app.settings import Settings
from app.store.db import Database
from app.wiring import embedding, reranking, sources
from app.wiring.ground import Ground
from app.work.contents import Contents
from app.work.embedding import Embedding
from app.work.ingestion import Ingestion


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything between the bytes of a document and the passages of an answer."""

    reading: ReadingRoom
    embedders: embedding.Embedders
    spaces: Spaces
    searcher: Searcher
    embedding: Embedding
    ingestion: Ingestion


def documents(on: Ground) -> Documents:
    """Put the rooms of documents together."""
    embedders = embedding.Embedders(on.models, on.settings, on.turnstile, on.privacy.veil)
    spaces = Spaces(on.database, on.ingest_database, embedders.of, limit_usd=_month_of(on.cases))
    reading = _reading(on.settings)
    reranker = reranking.reranker(on.models, on.settings, on.turnstile, on.privacy.veil)
    return Documents(
        reading=reading,
        embedders=embedders,
        spaces=spaces,
        searcher=Searcher(on.database, spaces, reranker),
        embedding=embedding.filling(on.database, on.ingest_database, spaces, embedders, on.relay),
        ingestion=_ingestion(on.ingest_database, _contents(reading, spaces, on.cases), on.cases, on.people),
    )


def _contents(reading: ReadingRoom, spaces: Spaces, cases: Mapping[str, UseCase]) -> Contents:
    languages = {name: case.contract.retrieval.language for name, case in cases.items()}
    return Contents(reading, spaces, is_suspicious, languages)


def _ingestion(database: Database, contents: Contents, cases: Mapping[str, UseCase], people: People) -> Ingestion:
    async def principal(job: Job) -> Principal:
        return await people.principal(job.user_id, groups=job.groups)

    return Ingestion(database, contents, cases, Sources(sources.secret, people.roles.levels), principal)


def _month_of(cases: Mapping[str, UseCase]) -> Callable[[str], Decimal | None]:
    def limit_usd(usecase: str) -> Decimal | None:
        case = cases.get(usecase)
        return case.contract.cost.per_month_usd if case else None

    return limit_usd


def _reading(settings: Settings) -> ReadingRoom:
    limits = Limits(settings.reading_memory_mb * MEGABYTE, settings.reading_cpu_s, settings.reading_wall_s)
    return ReadingRoom(limits, settings.reading_children)
